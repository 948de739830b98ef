"""How well predicted entities match the gold ones."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.scorer import PRFScore, get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from .alignment import chars_of_tokens, token_range


def make_craft_scorer() -> Callable[..., dict[str, Any]]:
    """The scorer `craftner_spacy.craft_scorer.v1`."""
    return craft_score


def craft_score(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """The model card's metrics over the reference's tokens: an entity counts if span and label are exact.

    RETURNS: ``ents_p``, ``ents_r``, ``ents_f`` and ``ents_per_type`` as spaCy's own NER scorer gives
        them, and ``ents_acc``: the share of tokens with the right tag, white space and tokens without
        annotation left out.
    """
    examples = list(examples)
    scores = get_ner_prf(examples)
    right = total = 0
    for example in examples:
        for gold, predicted in tag_pairs(example):
            total += 1
            right += gold == predicted
    scores["ents_acc"] = right / total if total else None
    return scores


def count_once(text: str) -> int:
    """A token counts once."""
    return 1


def tag_pairs(example: Example, weight: Callable[[str], int] = count_once) -> list[tuple[str, str]]:
    """Gold and predicted tag of each token of the reference that is annotated and not white space.

    weight (Callable): how often a token's pair is repeated, by the token's text.
    """
    gold, predicted = reference_tags(example.reference), projected_tags(example)
    return [
        (gold_tag, predicted_tag)
        for token, gold_tag, predicted_tag in zip(example.reference, gold, predicted, strict=True)
        if token.ent_iob != 0 and not token.text.isspace()
        for _ in range(weight(token.text))
    ]


def label_table(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    """How often a token of one gold label, or ``O``, is predicted to be of another.

    RETURNS: counts of tokens by gold label, then by predicted label; both sorted, ``O`` last.
    """
    counts = Counter(
        (gold[2:] or "O", predicted[2:] or "O")
        for example in examples
        for gold, predicted in tag_pairs(example)
    )
    names = [*sorted({name for pair in counts for name in pair} - {"O"}), "O"]
    return {gold: {predicted: counts[gold, predicted] for predicted in names} for gold in names}


def reference_tags(doc: Doc) -> list[str]:
    """Tags of a document's own tokens, ``O`` where there is no entity."""
    return _write(doc, [(ent.start, ent.end, ent.label_) for ent in doc.ents])


def projected_tags(example: Example) -> list[str]:
    """Tags of the reference's tokens by the predicted entities: each takes all tokens that it touches."""
    reference = example.reference
    chars = chars_of_tokens(reference)
    spans = []
    for ent in example.predicted.ents:
        tokens = token_range(ent.start_char, ent.end_char, chars, "expand")
        if tokens is not None:
            spans.append((*tokens, ent.label_))
    return _write(reference, spans)


def _write(doc: Doc, spans: Iterable[tuple[int, int, str]]) -> list[str]:
    tags = ["O"] * len(doc)
    for start, end, label in spans:
        tags[start:end] = [f"I-{label}"] * (end - start)
        tags[start] = f"B-{label}"
    return tags


def seqeval_scores(examples: Iterable[Example], weight: Callable[[str], int] = count_once) -> dict[str, Any]:
    """The model card's figures over the tokens of the references: seqeval, strict, scheme IOB2.

    weight (Callable): how often a token counts, by its text. With its number of wordpieces, each bears its
        word's tag, ``B-`` too.
    RETURNS: ``precision``, ``recall``, ``f1``, ``accuracy``, all in [0, 1], and ``per_label`` with the
        first three and ``support`` for each label.
    RAISES: ImportError if seqeval is not installed.
    """
    try:
        from seqeval.metrics import accuracy_score, classification_report
        from seqeval.scheme import IOB2
    except ImportError as err:
        raise ImportError("seqeval is needed: pip install craftner_spacy[evaluate]") from err
    rows = [tag_pairs(example, weight) for example in examples]
    gold = [[pair[0] for pair in row] for row in rows]
    predicted = [[pair[1] for pair in row] for row in rows]
    report = classification_report(
        gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
    )
    micro = report.pop("micro avg")
    return {
        **_figures(micro),
        "accuracy": float(accuracy_score(gold, predicted)),
        "macro_f1": float(report.pop("macro avg")["f1-score"]),
        "per_label": {
            label: {**_figures(figures), "support": int(figures["support"])}
            for label, figures in report.items()
            if label != "weighted avg"
        },
    }


def _figures(report: dict[str, float]) -> dict[str, float]:
    names = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
    return {name: float(report[key]) for name, key in names.items()}


def character_scores(examples: Iterable[Example]) -> dict[str, Any]:
    """Entities that match in label and in first and last character, whatever the tokens of either side.

    RETURNS: ``precision``, ``recall`` and ``f1`` in [0, 1], and ``per_label`` with the same.
    """
    total = PRFScore()
    per_label: dict[str, PRFScore] = {}
    for example in examples:
        gold = _character_spans(example.reference)
        predicted = _character_spans(example.predicted)
        for label in sorted({label for label, _, _ in gold | predicted}):
            mine = {span for span in predicted if span[0] == label}
            theirs = {span for span in gold if span[0] == label}
            per_label.setdefault(label, PRFScore()).score_set(mine, theirs)
        total.score_set(predicted, gold)
    return {**_prf(total), "per_label": {label: _prf(per_label[label]) for label in sorted(per_label)}}


def _character_spans(doc: Doc) -> set[tuple[str, int, int]]:
    return {(ent.label_, ent.start_char, ent.end_char) for ent in doc.ents}


ERROR_CLASSES = ("correct", "boundary", "type", "boundary and type", "missed", "spurious")


def error_classes(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    """What became of each gold entity, and what else was predicted, counted for each label.

    A predicted entity that is no exact match is paired with a gold one that has none either and shares
    characters with it: ``boundary`` has the right label, ``type`` the right span, ``boundary and type``
    neither. A gold entity left over is ``missed``, a predicted one ``spurious``.

    RETURNS: counts of the classes for each label, in the order of `ERROR_CLASSES`; the label is the gold
        entity's, for ``spurious`` the predicted one's.
    """
    counts: dict[str, dict[str, int]] = {}
    for example in examples:
        gold, predicted = _character_spans(example.reference), _character_spans(example.predicted)
        found = [("correct", span) for span in gold & predicted]
        wrong, open_gold = sorted(predicted - gold, key=_place), sorted(gold - predicted, key=_place)
        for kind, pairs in (
            ("type", lambda mine, theirs: mine[1:] == theirs[1:]),
            ("boundary", lambda mine, theirs: mine[0] == theirs[0] and _overlap(mine, theirs)),
            ("boundary and type", lambda mine, theirs: _overlap(mine, theirs)),
        ):
            for mine in list(wrong):
                theirs = next((span for span in open_gold if pairs(mine, span)), None)
                if theirs is not None:
                    found.append((kind, theirs))
                    wrong.remove(mine)
                    open_gold.remove(theirs)
        found += [("missed", span) for span in open_gold] + [("spurious", span) for span in wrong]
        for kind, (label, _, _) in found:
            counts.setdefault(label, dict.fromkeys(ERROR_CLASSES, 0))[kind] += 1
    return {label: counts[label] for label in sorted(counts)}


def _place(span: tuple[str, int, int]) -> tuple[int, int, str]:
    return span[1], span[2], span[0]


def _overlap(a: tuple[str, int, int], b: tuple[str, int, int]) -> bool:
    return a[1] < b[2] and b[1] < a[2]


def f1_interval(examples: Iterable[Example], n_samples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95% bootstrap interval of the micro F1 over characters; what is drawn are whole examples.

    Sentences of one article are alike, so that an interval over sentences would be too narrow.

    n_samples (int): how many sets of examples are drawn, each as many as there are, with replacement.
    seed (int): of the draws.
    RETURNS: the 2.5th and the 97.5th percentile, in [0, 1].
    """
    sets = [(_character_spans(eg.reference), _character_spans(eg.predicted)) for eg in examples]
    counts = np.array([(len(g & p), len(g) + len(p)) for g, p in sets]).reshape(-1, 2)
    draws = np.random.default_rng(seed).integers(len(counts), size=(n_samples, len(counts)))
    right, total = counts[draws].sum(axis=1).T
    low, high = np.percentile(2 * right / np.maximum(total, 1), [2.5, 97.5])
    return float(low), float(high)


class Scored(NamedTuple):
    """Predicted entities and whether they are right.

    scores (n_entities,): the model's score of each.
    right (n_entities,): whether a gold entity has the same label and characters.
    n_gold (int): gold entities in all.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    n_gold: int


def scored_entities(examples: Iterable[Example], spans_key: str = "craft_ner") -> Scored:
    """Gather the scores that ``doc.spans[spans_key]`` of the predicted Docs has.

    RAISES: KeyError if a Doc has no such spans.
    """
    scores: list[float] = []
    right: list[bool] = []
    n_gold = 0
    for example in examples:
        gold = _character_spans(example.reference)
        group = example.predicted.spans[spans_key]
        scores += group.attrs["scores"]
        right += [(span.label_, span.start_char, span.end_char) in gold for span in group]
        n_gold += len(gold)
    return Scored(np.array(scores, dtype=np.float64), np.array(right, dtype=bool), n_gold)


def reliability(scored: Scored, n_bins: int = 10) -> list[dict[str, float]]:
    """Mean score against the share of right entities, in bins of equal width; empty bins are left out.

    RETURNS: for each bin ``score`` (mean), ``precision`` and ``n``.

    >>> reliability(Scored(np.array([0.5, 0.55, 0.95]), np.array([True, False, True]), 3))
    [{'score': 0.525, 'precision': 0.5, 'n': 2}, {'score': 0.95, 'precision': 1.0, 'n': 1}]
    """
    bins = np.minimum((scored.scores * n_bins).astype(int), n_bins - 1)
    return [
        {
            "score": float(scored.scores[bins == i].mean()),
            "precision": float(scored.right[bins == i].mean()),
            "n": int((bins == i).sum()),
        }
        for i in np.unique(bins).tolist()
    ]


def calibration_error(scored: Scored, n_bins: int = 10) -> float:
    """Expected calibration error: the mean of |score - precision| over the bins of `reliability`, weighted.

    >>> round(calibration_error(Scored(np.array([0.5, 0.55, 0.95]), np.array([True, False, True]), 3)), 4)
    0.0333
    """
    bins = reliability(scored, n_bins)
    n = sum(row["n"] for row in bins)
    return sum(abs(row["score"] - row["precision"]) * row["n"] for row in bins) / n if n else 0.0


def scores_by_threshold(scored: Scored, thresholds: Iterable[float]) -> list[dict[str, float]]:
    """What precision, recall and F1 are if only entities of at least such a score are kept.

    RETURNS: for each threshold ``threshold``, ``precision`` (1 if nothing is kept), ``recall`` and ``f1``.
    """
    rows = []
    for threshold in thresholds:
        kept = scored.scores >= threshold
        right = int(scored.right[kept].sum())
        precision = right / int(kept.sum()) if kept.any() else 1.0
        recall = right / scored.n_gold if scored.n_gold else 0.0
        f1 = 2 * right / (int(kept.sum()) + scored.n_gold) if scored.n_gold else 0.0
        rows.append({"threshold": float(threshold), "precision": precision, "recall": recall, "f1": f1})
    return rows


def _prf(score: PRFScore) -> dict[str, float]:
    return {"precision": score.precision, "recall": score.recall, "f1": score.fscore}
