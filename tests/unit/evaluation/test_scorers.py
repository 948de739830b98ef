"""scorers.py: scores of made-up examples over tokens and over characters."""

import sys

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from tiny_examples import GOLD, make_example

from craftner_spacy.evaluation.scorers import character_scores, craft_score, projected_tags, seqeval_scores


@pytest.mark.parametrize(
    ("predicted", "precision", "recall"),
    [
        (GOLD, 1.0, 1.0),
        ([(0, 1, "Protein"), (1, 4, "Gene"), (4, 5, "Taxon"), (6, 7, "Cell")], 0.5, 0.5),
        ([(0, 1, "Protein")], 1.0, 0.25),
        ([(0, 4, "Protein"), (4, 5, "Taxon")], 0.5, 0.25),
    ],
)
def test_all_scores_agree_on_exact_tokens(
    predicted: list[tuple[int, int, str]], precision: float, recall: float
) -> None:
    example = make_example(predicted)
    ours, card = craft_score([example]), seqeval_scores([example])
    assert (ours["ents_p"], ours["ents_r"]) == (precision, recall)
    assert (card["precision"], card["recall"]) == (precision, recall)
    assert card["f1"] == pytest.approx(ours["ents_f"])
    assert card["accuracy"] == pytest.approx(ours["ents_acc"])
    characters = character_scores([example])
    assert (characters["precision"], characters["recall"]) == (precision, recall)


def test_with_weights_each_wordpiece_has_the_tag_of_its_word() -> None:
    example = make_example([(0, 1, "Protein"), (1, 4, "Gene")])
    assert seqeval_scores([example])["precision"] == 0.5
    scores = seqeval_scores([example], weight=lambda text: 3 if text == "Fox9" else 1)
    assert scores["per_label"]["Protein"]["support"] == 3
    assert scores["precision"] == 0.75


def test_accuracy_counts_tags() -> None:
    example = make_example([(0, 1, "Protein"), (1, 4, "Sequence"), (4, 5, "Taxon"), (6, 7, "Cell")])
    assert craft_score([example])["ents_acc"] == pytest.approx(8 / 9)


def test_accuracy_leaves_out_white_space_and_missing_tokens() -> None:
    vocab = spacy.blank("en").vocab
    reference = Doc(vocab, words=["Fox9", "\n", "mice", "run"], spaces=[False, False, True, False])
    reference.set_ents([Span(reference, 0, 1, label="Protein")], missing=[reference[3:4]], default="outside")
    predicted = Doc(vocab, words=["Fox9", "\n", "mice", "run"], spaces=[False, False, True, False])
    predicted.ents = [Span(predicted, 3, 4, label="Taxon")]
    assert craft_score([Example(predicted, reference)])["ents_acc"] == 0.5


def test_an_entity_on_a_larger_token_is_not_exact() -> None:
    nlp = spacy.blank("en")
    predicted = Doc(nlp.vocab, words=["Fox9-/-", "mice"], spaces=[True, False])
    predicted.ents = [Span(predicted, 0, 1, label="Protein")]
    reference = Doc(nlp.vocab, words=["Fox9", "-/-", "mice"], spaces=[False, True, False])
    reference.ents = [Span(reference, 0, 1, label="Protein")]
    example = Example(predicted, reference)
    assert seqeval_scores([example])["f1"] == 0.0
    assert craft_score([example])["ents_f"] == 0.0
    assert character_scores([example])["f1"] == 0.0


def test_an_entity_on_white_space_without_a_gold_token_has_no_tag() -> None:
    vocab = spacy.blank("en").vocab
    gold = Doc(vocab, words=["a", "b"])
    predicted = Doc(
        vocab, words=["a", " ", "b"], spaces=[False, False, True], ents=["O", "B-Cell", "B-Taxon"]
    )
    example = Example(predicted, gold)
    assert projected_tags(example) == ["O", "B-Taxon"]


def test_a_missing_seqeval_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "seqeval.metrics", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[evaluate\]'"):
        seqeval_scores([make_example(GOLD)])
