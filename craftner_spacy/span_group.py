"""The span group of `craft_ner`: what is written to ``doc.spans`` and its attrs, and how it is read.

The group holds a span for each entity that has a place on the tokens. Its attrs hold, in the order of the
spans, ``scores`` (each in [0, 1]) and ``offsets`` (start and end in characters, as the model found them;
they may differ from the span's); ``unplaced`` lists the entities that have no place on the tokens, each as
``{"start", "end", "label", "score"}``. Where concepts are known (see `linking.craft_linker`), there is also
``concepts``: for each span, in their order, the candidates for its concept, the best one first, each with
at least ``{"id", "name", "score"}``; an unplaced entity has its own under that name. All values are plain
lists, dicts, numbers and strings, so that a Doc with the group can be saved by `Doc.to_bytes` and in a
`DocBin`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from spacy.tokens import Doc, Span, SpanGroup

from .types import NO_ID, Entity, LinkedConcept

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
    entities: over characters, in the same order; if one has a concept, the group gets ``concepts``.
    unplaced: entities without tokens; None: the attribute is left out.
    """
    attrs: dict[str, Any] = {
        "scores": [e.score for e in entities],
        "offsets": [[e.start, e.end] for e in entities],
    }
    if any(e.concept for e in entities):
        attrs["concepts"] = [[e.concept._asdict()] if e.concept else [] for e in entities]
    if unplaced is not None:
        attrs["unplaced"] = [
            {"start": e.start, "end": e.end, "label": e.label, "score": e.score} for e in unplaced
        ]
    doc.spans[key] = SpanGroup(doc, name=key, spans=list(spans), attrs=attrs)


def read_span_group(doc: Doc, key: str = SPANS_KEY) -> list[Entity]:
    """The entities of a Doc over characters: the group's, placed or not, else those of `doc.ents`.

    A group of another component, without attrs, gives its spans, without scores. The concept is that of the
    span's `kb_id_`.

    RETURNS: sorted by start, end and label; scores rounded to `SCORE_DIGITS` decimals.
    RAISES: ValueError if attrs and spans differ in number.
    """
    if key not in doc.spans:
        return [
            Entity(ent.start_char, ent.end_char, ent.label_, concept=_concept(ent.kb_id_, []))
            for ent in doc.ents
        ]
    group = doc.spans[key]
    scores = group.attrs.get("scores", [None] * len(group))
    offsets = group.attrs.get("offsets", [(span.start_char, span.end_char) for span in group])
    concepts = group.attrs.get("concepts", [[]] * len(group))
    entities = [
        Entity(start, end, span.label_, _rounded(score), _concept(span.kb_id_, candidates))
        for span, (start, end), score, candidates in zip(group, offsets, scores, concepts, strict=True)
    ]
    for e in group.attrs.get("unplaced", []):
        candidates = e.get("concepts", [])
        concept = _concept(candidates[0]["id"], candidates) if candidates else None
        entities.append(Entity(e["start"], e["end"], e["label"], _rounded(e["score"]), concept))
    return sorted(entities, key=lambda e: e[:3])


def _concept(id_: str, candidates: Sequence[Mapping[str, Any]]) -> LinkedConcept | None:
    """The concept of an id, with name and score if it is one of the candidates."""
    if id_ in NO_ID:
        return None
    for candidate in candidates:
        if candidate["id"] == id_:
            return LinkedConcept(id_, candidate["name"], _rounded(candidate["score"]))
    return LinkedConcept(id_)


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(float(score), SCORE_DIGITS)
