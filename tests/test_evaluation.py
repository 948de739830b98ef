import sys

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from craftner_spacy.evaluation import (
    ERROR_CLASSES,
    Scored,
    calibration_error,
    character_scores,
    craft_score,
    error_classes,
    f1_interval,
    label_table,
    projected_tags,
    reliability,
    scored_entities,
    scores_by_threshold,
    seqeval_scores,
)

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


def test_over_wordpieces_each_has_the_tag_of_its_word() -> None:
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


def test_each_error_is_of_one_class() -> None:
    gold = [(0, 1, "Protein"), (1, 4, "Sequence"), (4, 5, "Taxon"), (5, 6, "Gene"), (6, 8, "Cell")]
    predicted = [(0, 1, "Gene"), (1, 3, "Sequence"), (4, 5, "Taxon"), (7, 8, "Taxon"), (8, 9, "Chemical")]
    counts = error_classes([make_example(predicted, gold)])
    assert {label: [kind for kind in ERROR_CLASSES if row[kind]] for label, row in counts.items()} == {
        "Protein": ["type"],
        "Sequence": ["boundary"],
        "Taxon": ["correct"],
        "Gene": ["missed"],
        "Cell": ["boundary and type"],
        "Chemical": ["spurious"],
    }
    assert sum(sum(row.values()) for row in counts.values()) == 6


def test_a_gold_entity_is_paired_once() -> None:
    counts = error_classes([make_example([(6, 7, "Cell"), (7, 8, "Cell")], [(6, 8, "Cell")])])
    assert counts["Cell"]["boundary"] == counts["Cell"]["spurious"] == 1
    assert counts["Cell"]["missed"] == 0


def test_the_interval_holds_the_f1_and_is_a_point_where_articles_are_alike() -> None:
    alike = [make_example([(0, 1, "Protein")])] * 5
    assert f1_interval(alike) == pytest.approx((0.4, 0.4))
    mixed = [make_example(GOLD), make_example([(0, 1, "Protein")]), make_example([])]
    low, high = f1_interval(mixed, seed=1)
    assert low < character_scores(mixed)["f1"] < high
    assert f1_interval(mixed, seed=1) == (low, high)


def test_scores_are_taken_from_the_spans() -> None:
    example = make_example([(0, 1, "Protein"), (4, 5, "Cell")])
    doc = example.predicted
    doc.spans["craft_ner"] = SpanGroup(doc, spans=list(doc.ents), attrs={"scores": [0.9, 0.6]})
    scored = scored_entities([example])
    assert scored.scores.tolist() == [0.9, 0.6]
    assert scored.right.tolist() == [True, False]
    assert scored.n_gold == len(GOLD)
    assert scores_by_threshold(scored, [0.0, 0.7, 0.95]) == [
        {"threshold": 0.0, "precision": 0.5, "recall": 0.25, "f1": pytest.approx(1 / 3)},
        {"threshold": 0.7, "precision": 1.0, "recall": 0.25, "f1": pytest.approx(0.4)},
        {"threshold": 0.95, "precision": 1.0, "recall": 0.0, "f1": 0.0},
    ]


def test_scores_that_are_frequencies_have_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=20000)
    right = rng.uniform(size=20000) < scores
    assert calibration_error(Scored(scores, right, 1)) < 0.02
    assert calibration_error(Scored(scores, right | (rng.uniform(size=20000) < 0.5), 1)) > 0.2
    assert sum(row["n"] for row in reliability(Scored(np.array([0.0, 1.0]), right[:2], 1))) == 2


def test_an_entity_on_characters_that_gold_has_no_token_for_is_spurious() -> None:
    vocab = spacy.blank("en").vocab
    gold = Doc(vocab, words=["a", "b"])
    predicted = Doc(
        vocab, words=["a", " ", "b"], spaces=[False, False, True], ents=["O", "B-Cell", "B-Taxon"]
    )
    example = Example(predicted, gold)
    assert projected_tags(example) == ["O", "B-Taxon"]


def test_seqeval_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "seqeval.metrics", None)
    with pytest.raises(ImportError, match=r"pip install craftner_spacy\[evaluate\]"):
        seqeval_scores([make_example(GOLD)])


def test_the_label_table_counts_tokens() -> None:
    table = label_table([make_example([(0, 1, "Gene"), (1, 4, "Sequence"), (8, 9, "Gene")])])
    assert table["Protein"] == {"Cell": 0, "Gene": 1, "Protein": 0, "Sequence": 0, "Taxon": 0, "O": 0}
    assert table["Sequence"]["Sequence"] == 3
    assert table["Cell"]["O"] == 2
    assert table["O"] == {"Cell": 0, "Gene": 1, "Protein": 0, "Sequence": 0, "Taxon": 0, "O": 1}
