"""Kinds of errors, calibration of scores, and confidence intervals."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from spacy.training import Example

from ..types import Bools, Floats
from .scorers import LabelledSpan, character_spans, tag_pairs

ERROR_CLASSES = ("correct", "boundary", "type", "boundary and type", "missed", "spurious")


def label_table(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    """Confusion table: tokens by their gold label and their predicted label, ``O`` included.

    RETURNS: counts of tokens by gold label, then by predicted label; both sorted, ``O`` last.
    """
    counts = Counter(
        (gold[2:] or "O", predicted[2:] or "O")
        for example in examples
        for gold, predicted in tag_pairs(example)
    )
    names = [*sorted({name for pair in counts for name in pair} - {"O"}), "O"]
    return {gold: {predicted: counts[gold, predicted] for predicted in names} for gold in names}


def error_classes(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    """Classes of errors: what happened to each gold entity, and what else was predicted.

    A predicted entity that matches no gold entity exactly is paired with an unmatched gold entity that it
    overlaps: ``boundary`` if the label is correct, ``type`` if the span is correct, ``boundary and type`` if
    neither is. A gold entity that remains is ``missed``, a predicted one ``spurious``.

    RETURNS: counts of the classes for each label, in the order of `ERROR_CLASSES`. The label is the gold
        entity's; for ``spurious`` it is the predicted one's.
    """
    counts: dict[str, dict[str, int]] = {}
    for example in examples:
        gold, predicted = character_spans(example.reference), character_spans(example.predicted)
        classified = [("correct", span) for span in gold & predicted]
        unmatched = sorted(predicted - gold, key=_by_position)
        open_gold = sorted(gold - predicted, key=_by_position)
        for error_class, matches in (
            ("type", _same_span),
            ("boundary", _same_label_and_overlap),
            ("boundary and type", _overlap),
        ):
            for span in list(unmatched):
                gold_span = next((other for other in open_gold if matches(span, other)), None)
                if gold_span is not None:
                    classified.append((error_class, gold_span))
                    unmatched.remove(span)
                    open_gold.remove(gold_span)
        classified += [("missed", span) for span in open_gold] + [("spurious", span) for span in unmatched]
        for error_class, (label, _, _) in classified:
            counts.setdefault(label, dict.fromkeys(ERROR_CLASSES, 0))[error_class] += 1
    return {label: counts[label] for label in sorted(counts)}


def _by_position(span: LabelledSpan) -> tuple[int, int, str]:
    label, start, end = span
    return start, end, label


def _same_span(a: LabelledSpan, b: LabelledSpan) -> bool:
    return a[1:] == b[1:]


def _overlap(a: LabelledSpan, b: LabelledSpan) -> bool:
    return a[1] < b[2] and b[1] < a[2]


def _same_label_and_overlap(a: LabelledSpan, b: LabelledSpan) -> bool:
    return a[0] == b[0] and _overlap(a, b)


def f1_interval(examples: Iterable[Example], n_samples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95% bootstrap interval of the micro F1 over characters. Whole examples are drawn.

    Sentences of one article are not independent, so an interval from single sentences would be too narrow.

    examples (Iterable[Example]): one for each article.
    n_samples (int): number of bootstrap samples, each as large as the set of examples.
    seed (int): of the random draws.
    RETURNS: the 2.5th and the 97.5th percentile, in [0, 1].
    """
    sets = [(character_spans(eg.reference), character_spans(eg.predicted)) for eg in examples]
    counts = np.array([(len(g & p), len(g) + len(p)) for g, p in sets]).reshape(-1, 2)
    draws = np.random.default_rng(seed).integers(len(counts), size=(n_samples, len(counts)))
    correct, total = counts[draws].sum(axis=1).T
    low, high = np.percentile(2 * correct / np.maximum(total, 1), [2.5, 97.5])
    return float(low), float(high)


class Scored(NamedTuple):
    """Predicted entities and whether they are correct.

    scores (n_entities,): the model's score of each.
    correct (n_entities,): whether a gold entity has the same label and characters.
    n_gold (int): number of gold entities.
    """

    scores: Floats
    correct: Bools
    n_gold: int


def scored_entities(examples: Iterable[Example], spans_key: str = "craft_ner") -> Scored:
    """Collect the scores in ``doc.spans[spans_key]`` of the predicted Docs.

    RAISES: KeyError if a Doc has no such span group.
    """
    scores: list[float] = []
    correct: list[bool] = []
    n_gold = 0
    for example in examples:
        gold = character_spans(example.reference)
        group = example.predicted.spans[spans_key]
        scores += group.attrs["scores"]
        correct += [(span.label_, span.start_char, span.end_char) in gold for span in group]
        n_gold += len(gold)
    return Scored(np.array(scores, dtype=np.float64), np.array(correct, dtype=bool), n_gold)


def calibration_bins(scored: Scored, n_bins: int = 10) -> list[dict[str, float]]:
    """Mean score and share of correct entities in bins of equal width. Empty bins are left out.

    RETURNS: for each bin ``score`` (mean), ``precision`` and ``n``.

    >>> calibration_bins(Scored(np.array([0.5, 0.55, 0.95]), np.array([True, False, True]), 3))
    [{'score': 0.525, 'precision': 0.5, 'n': 2}, {'score': 0.95, 'precision': 1.0, 'n': 1}]
    """
    bins = np.minimum((scored.scores * n_bins).astype(int), n_bins - 1)
    return [
        {
            "score": float(scored.scores[bins == i].mean()),
            "precision": float(scored.correct[bins == i].mean()),
            "n": int((bins == i).sum()),
        }
        for i in np.unique(bins).tolist()
    ]


def calibration_error(scored: Scored, n_bins: int = 10) -> float:
    """Expected calibration error: the mean ``|score - precision|`` of `calibration_bins`, weighted by size.

    >>> round(calibration_error(Scored(np.array([0.5, 0.55, 0.95]), np.array([True, False, True]), 3)), 4)
    0.0333
    """
    bins = calibration_bins(scored, n_bins)
    n = sum(row["n"] for row in bins)
    return sum(abs(row["score"] - row["precision"]) * row["n"] for row in bins) / n if n else 0.0


def scores_by_threshold(scored: Scored, thresholds: Iterable[float]) -> list[dict[str, float]]:
    """Precision, recall and F1 if only entities with at least a certain score are kept.

    RETURNS: for each threshold ``threshold``, ``precision`` (1 if no entity is kept), ``recall`` and ``f1``.
    """
    rows = []
    for threshold in thresholds:
        kept = scored.scores >= threshold
        correct = int(scored.correct[kept].sum())
        precision = correct / int(kept.sum()) if kept.any() else 1.0
        recall = correct / scored.n_gold if scored.n_gold else 0.0
        f1 = 2 * correct / (int(kept.sum()) + scored.n_gold) if scored.n_gold else 0.0
        rows.append({"threshold": float(threshold), "precision": precision, "recall": recall, "f1": f1})
    return rows
