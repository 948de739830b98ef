"""Precision, recall, F1 and accuracy of predicted entities, over tokens and over characters."""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.scorer import PRFScore, get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from ..alignment import chars_of_tokens, token_range

LabelledSpan = tuple[str, int, int]
"""Label, start and end of an entity, in characters."""


def make_craft_scorer() -> Callable[..., dict[str, Any]]:
    """The scorer `craftner_spacy.craft_scorer.v1`."""
    return craft_score


def craft_score(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """The model card's metrics over the reference's tokens: span and label of an entity have to be exact.

    RETURNS: ``ents_p``, ``ents_r``, ``ents_f`` and ``ents_per_type`` from spaCy's own NER scorer, and
        ``ents_acc``: the share of tokens with the correct tag, not counting white space and tokens without
        annotation; None if there is no such token.
    """
    examples = list(examples)
    scores = get_ner_prf(examples)
    correct = total = 0
    for example in examples:
        for gold, predicted in tag_pairs(example):
            total += 1
            correct += gold == predicted
    scores["ents_acc"] = correct / total if total else None
    return scores


def count_once(text: str) -> int:
    """The weight of a token that counts once, whatever its text."""
    return 1


def tag_pairs(example: Example, weight: Callable[[str], int] = count_once) -> list[tuple[str, str]]:
    """Gold and predicted tag of each token of the reference that is annotated and not white space.

    weight (Callable): how often the pair of a token is repeated, by the token's text.
    """
    gold, predicted = reference_tags(example.reference), projected_tags(example)
    return [
        (gold_tag, predicted_tag)
        for token, gold_tag, predicted_tag in zip(example.reference, gold, predicted, strict=True)
        if token.ent_iob != 0 and not token.text.isspace()
        for _ in range(weight(token.text))
    ]


def reference_tags(doc: Doc) -> list[str]:
    """Tags of a document's own tokens; ``O`` where there is no entity."""
    return _tags_of_spans(doc, [(ent.start, ent.end, ent.label_) for ent in doc.ents])


def projected_tags(example: Example) -> list[str]:
    """Tags of the reference's tokens by the predicted entities: each covers all tokens that it overlaps."""
    reference = example.reference
    chars = chars_of_tokens(reference)
    spans = []
    for ent in example.predicted.ents:
        tokens = token_range(ent.start_char, ent.end_char, chars, "expand")
        if tokens is not None:
            spans.append((*tokens, ent.label_))
    return _tags_of_spans(reference, spans)


def _tags_of_spans(doc: Doc, spans: Iterable[tuple[int, int, str]]) -> list[str]:
    tags = ["O"] * len(doc)
    for start, end, label in spans:
        tags[start:end] = [f"I-{label}"] * (end - start)
        tags[start] = f"B-{label}"
    return tags


def seqeval_scores(examples: Iterable[Example], weight: Callable[[str], int] = count_once) -> dict[str, Any]:
    """The model card's metrics over the tokens of the references: seqeval, strict mode, scheme IOB2.

    weight (Callable): how often a token counts, by its text. If that is its number of wordpieces, each
        wordpiece counts as a token with the tag of its word, also for ``B-``.
    RETURNS: ``precision``, ``recall``, ``f1``, ``accuracy`` and ``macro_f1``, all in [0, 1], and
        ``per_label`` with the first three and ``support`` for each label.
    RAISES: ImportError if seqeval is not installed.
    """
    try:
        from seqeval.metrics import accuracy_score, classification_report
        from seqeval.scheme import IOB2
    except ImportError as err:
        raise ImportError(
            "seqeval is needed: pip install '.[evaluate]' in a checkout of craftner_spacy"
        ) from err
    pairs = [tag_pairs(example, weight) for example in examples]
    gold = [[gold_tag for gold_tag, _ in document] for document in pairs]
    predicted = [[predicted_tag for _, predicted_tag in document] for document in pairs]
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
    """Scores over characters: label, first and last character have to be exact, whatever the tokens are.

    RETURNS: ``precision``, ``recall`` and ``f1`` in [0, 1], and ``per_label`` with the same for each label.
    """
    total = PRFScore()
    per_label: dict[str, PRFScore] = {}
    for example in examples:
        gold = character_spans(example.reference)
        predicted = character_spans(example.predicted)
        for label in sorted({label for label, _, _ in gold | predicted}):
            predicted_spans = {span for span in predicted if span[0] == label}
            gold_spans = {span for span in gold if span[0] == label}
            per_label.setdefault(label, PRFScore()).score_set(predicted_spans, gold_spans)
        total.score_set(predicted, gold)
    return {**_prf(total), "per_label": {label: _prf(per_label[label]) for label in sorted(per_label)}}


def character_spans(doc: Doc) -> set[LabelledSpan]:
    """The entities of `doc.ents`."""
    return {(ent.label_, ent.start_char, ent.end_char) for ent in doc.ents}


def _prf(score: PRFScore) -> dict[str, float]:
    return {"precision": score.precision, "recall": score.recall, "f1": score.fscore}
