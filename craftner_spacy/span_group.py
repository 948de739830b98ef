"""The span group of `craft_ner`: what is written to ``doc.spans`` and its attrs, and how it is read.

The group holds a span for each entity that has a place on the tokens. Its attrs hold, in the order of the
spans, ``scores`` (each in [0, 1]) and ``offsets`` (start and end in characters, as the model found them; they
may differ from the span's); ``unplaced`` lists the entities that have no place on the tokens, each as
``{"start", "end", "label", "score"}``. All values are plain lists, dicts, numbers and strings, so that a Doc
with the group can be saved by `Doc.to_bytes` and in a `DocBin`.
"""

from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc, Span, SpanGroup

from .types import Entity

SPANS_KEY = "craft_ner"
"""The default key of the group in ``doc.spans``."""

SCORE_DIGITS = 6
"""Decimals of a score in files."""


def write_span_group(
    doc: Doc,
    key: str,
    spans: Sequence[Span],
    entities: Sequence[Entity],
    unplaced: Sequence[Entity] | None = None,
) -> None:
    """Set ``doc.spans[key]``; a group that is there already is replaced.

    spans: the tokens of each entity.
    entities: over characters, in the same order.
    unplaced: entities without tokens; None: the attribute is left out.
    """
    attrs: dict[str, Any] = {
        "scores": [e.score for e in entities],
        "offsets": [[e.start, e.end] for e in entities],
    }
    if unplaced is not None:
        attrs["unplaced"] = [e._asdict() for e in unplaced]
    doc.spans[key] = SpanGroup(doc, name=key, spans=list(spans), attrs=attrs)


def read_span_group(doc: Doc, key: str = SPANS_KEY) -> list[Entity]:
    """The entities of a Doc over characters: the group's, placed or not, else those of `doc.ents`.

    A group of another component, without attrs, gives its spans, without scores.

    RETURNS: sorted by start, end and label; scores rounded to `SCORE_DIGITS` decimals.
    RAISES: ValueError if attrs and spans differ in number.
    """
    if key not in doc.spans:
        return [Entity(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
    group = doc.spans[key]
    scores = group.attrs.get("scores", [None] * len(group))
    offsets = group.attrs.get("offsets", [(span.start_char, span.end_char) for span in group])
    entities = [
        Entity(start, end, span.label_, score)
        for span, (start, end), score in zip(group, offsets, scores, strict=True)
    ]
    entities += [Entity(**entity) for entity in group.attrs.get("unplaced", [])]
    rounded = (
        e if e.score is None else e._replace(score=round(float(e.score), SCORE_DIGITS)) for e in entities
    )
    return sorted(rounded, key=lambda e: e[:3])
