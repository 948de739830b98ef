"""How well predicted entities match the gold ones."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from spacy.scorer import PRFScore, get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from .alignment import token_range


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


def tag_pairs(example: Example) -> list[tuple[str, str]]:
    """Gold and predicted tag of each token of the reference that is annotated and not white space."""
    gold, predicted = reference_tags(example.reference), projected_tags(example)
    return [
        (gold_tag, predicted_tag)
        for token, gold_tag, predicted_tag in zip(example.reference, gold, predicted, strict=True)
        if token.ent_iob != 0 and not token.text.isspace()
    ]


def reference_tags(doc: Doc) -> list[str]:
    """Tags of a document's own tokens, ``O`` where there is no entity."""
    return _write(doc, [(ent.start, ent.end, ent.label_) for ent in doc.ents])


def projected_tags(example: Example) -> list[str]:
    """Tags of the reference's tokens by the predicted entities: each takes all tokens that it touches."""
    reference = example.reference
    chars = np.array([(t.idx, t.idx + len(t)) for t in reference], dtype=np.int64).reshape(-1, 2)
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


def seqeval_scores(examples: Iterable[Example]) -> dict[str, Any]:
    """The model card's figures over the tokens of the references: seqeval, strict, scheme IOB2.

    RETURNS: ``precision``, ``recall``, ``f1``, ``accuracy``, all in [0, 1], and ``per_label`` with the
        first three and ``support`` for each label.
    RAISES: ImportError if seqeval is not installed.
    """
    try:
        from seqeval.metrics import accuracy_score, classification_report
        from seqeval.scheme import IOB2
    except ImportError as err:
        raise ImportError("seqeval is needed: pip install craftner_spacy[evaluate]") from err
    rows = [tag_pairs(example) for example in examples]
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


def _prf(score: PRFScore) -> dict[str, float]:
    return {"precision": score.precision, "recall": score.recall, "f1": score.fscore}
