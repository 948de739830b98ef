"""analysis.py: errors, calibration and intervals of made-up examples."""

import numpy as np
import pytest
from spacy.tokens import SpanGroup
from tiny_examples import GOLD, make_example

from craftner_spacy.evaluation.analysis import (
    ERROR_CLASSES,
    Scored,
    calibration_bins,
    calibration_error,
    error_classes,
    f1_interval,
    label_table,
    scored_entities,
    scores_by_threshold,
)
from craftner_spacy.evaluation.scorers import character_scores


def test_each_error_has_one_class() -> None:
    gold = [(0, 1, "Protein"), (1, 4, "Sequence"), (4, 5, "Taxon"), (5, 6, "Gene"), (6, 8, "Cell")]
    predicted = [(0, 1, "Gene"), (1, 3, "Sequence"), (4, 5, "Taxon"), (7, 8, "Taxon"), (8, 9, "Chemical")]
    counts = error_classes([make_example(predicted, gold)])
    assert {label: [name for name in ERROR_CLASSES if row[name]] for label, row in counts.items()} == {
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


def test_the_interval_includes_the_f1_and_is_a_point_for_equal_articles() -> None:
    alike = [make_example([(0, 1, "Protein")])] * 5
    assert f1_interval(alike) == pytest.approx((0.4, 0.4))
    mixed = [make_example(GOLD), make_example([(0, 1, "Protein")]), make_example([])]
    low, high = f1_interval(mixed, seed=1)
    assert low < character_scores(mixed)["f1"] < high
    assert f1_interval(mixed, seed=1) == (low, high)


def test_scores_are_read_from_the_span_group() -> None:
    example = make_example([(0, 1, "Protein"), (4, 5, "Cell")])
    doc = example.predicted
    doc.spans["craft_ner"] = SpanGroup(doc, spans=list(doc.ents), attrs={"scores": [0.9, 0.6]})
    scored = scored_entities([example])
    assert scored.scores.tolist() == [0.9, 0.6]
    assert scored.correct.tolist() == [True, False]
    assert scored.n_gold == len(GOLD)
    assert scores_by_threshold(scored, [0.0, 0.7, 0.95]) == [
        {"threshold": 0.0, "precision": 0.5, "recall": 0.25, "f1": pytest.approx(1 / 3)},
        {"threshold": 0.7, "precision": 1.0, "recall": 0.25, "f1": pytest.approx(0.4)},
        {"threshold": 0.95, "precision": 1.0, "recall": 0.0, "f1": 0.0},
    ]


def test_scores_that_are_frequencies_have_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=20000)
    correct = rng.uniform(size=20000) < scores
    assert calibration_error(Scored(scores, correct, 1)) < 0.02
    assert calibration_error(Scored(scores, correct | (rng.uniform(size=20000) < 0.5), 1)) > 0.2
    assert sum(row["n"] for row in calibration_bins(Scored(np.array([0.0, 1.0]), correct[:2], 1))) == 2


def test_the_label_table_counts_tokens() -> None:
    table = label_table([make_example([(0, 1, "Gene"), (1, 4, "Sequence"), (8, 9, "Gene")])])
    assert table["Protein"] == {"Cell": 0, "Gene": 1, "Protein": 0, "Sequence": 0, "Taxon": 0, "O": 0}
    assert table["Sequence"]["Sequence"] == 3
    assert table["Cell"]["O"] == 2
    assert table["O"] == {"Cell": 0, "Gene": 1, "Protein": 0, "Sequence": 0, "Taxon": 0, "O": 1}
