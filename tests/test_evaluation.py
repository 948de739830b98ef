import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from craftner_spacy.evaluation import character_scores, craft_score, seqeval_scores

WORDS = ["Fox9", "-", "/", "-", "mice", "lack", "B", "cells", "."]
GOLD = [(0, 1, "Protein"), (1, 4, "Sequence"), (4, 5, "Taxon"), (6, 8, "Cell")]


def make_example(predicted: list[tuple[int, int, str]], gold: list[tuple[int, int, str]] = GOLD) -> Example:
    vocab = spacy.blank("en").vocab
    docs = []
    for spans in (predicted, gold):
        doc = Doc(vocab, words=WORDS)
        doc.ents = [Span(doc, start, end, label=label) for start, end, label in spans]
        docs.append(doc)
    return Example(*docs)


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
