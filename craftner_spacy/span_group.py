"""The span group of `craft_ner`: what is written to ``doc.spans`` and its attrs, and how it is read.

The group holds a span for each entity that has a place on the tokens. Its attrs hold, in the order of the
spans, ``labels``, ``scores`` (each in [0, 1]) and ``offsets`` (start and end in characters, as the model
found them; they may differ from the span's); ``unplaced`` lists the entities that have no place on the
tokens, each as ``{"start", "end", "label", "score"}``. Where concepts are known (see `linking.craft_linker`),
there is also ``concepts``: for each span, in their order, the candidates for its concept, the best one first,
each with at least ``{"id", "name", "score"}``; an unplaced entity has its own under that name. Where labels
have other names (`label_map`), ``model_labels`` holds the model's label of each span; an unplaced entity has
its own as ``model_label``. All values are plain lists, dicts, numbers and strings, so that a Doc with the
group can be saved by `Doc.to_bytes` and in a `DocBin`.

The attrs are what is read. Other components may merge or split tokens, after which spans of a group are wrong
or cannot be made any more (`current_spans` makes them anew), and may add spans to the group or put another
group in its place.
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
    label_map: Mapping[str, str] | None = None,
) -> None:
    """Set ``doc.spans[key]``; a group that is there already is replaced.

    spans: the tokens of each entity.
    entities: over characters, in the same order; if one has a concept, the group gets ``concepts``.
    unplaced: entities without tokens; None: the attribute is left out.
    label_map (Mapping[str, str] | None): other names for labels of the entities; if there are some, the group
        gets ``model_labels``.
    """
    names = label_map or {}
    attrs: dict[str, Any] = {
        "labels": [names.get(e.label, e.label) for e in entities],
        "scores": [e.score for e in entities],
        "offsets": [[e.start, e.end] for e in entities],
    }
    if names:
        attrs["model_labels"] = [e.label for e in entities]
    if any(e.concept for e in entities):
        attrs["concepts"] = [[e.concept._asdict()] if e.concept else [] for e in entities]
    if unplaced is not None:
        attrs["unplaced"] = [
            {"start": e.start, "end": e.end, "label": names.get(e.label, e.label), "score": e.score}
            | ({"model_label": e.label} if names else {})
            for e in unplaced
        ]
    doc.spans[key] = SpanGroup(doc, name=key, spans=list(spans), attrs=attrs)


def read_span_group(doc: Doc, key: str = SPANS_KEY) -> list[Entity]:
    """The entities of a Doc over characters: the group's, placed or not, else those of `doc.ents`.

    Spans without a place in the attrs, as other components add them or put them in place of the group, are
    read as they are, without scores. The concept is that of the span's `kb_id_`.

    RETURNS: sorted by start, end and label; scores rounded to `SCORE_DIGITS` decimals.
    """
    if key not in doc.spans:
        return [
            Entity(ent.start_char, ent.end_char, ent.label_, concept=_concept(ent.kb_id_, []))
            for ent in doc.ents
        ]
    group = doc.spans[key]
    entities = _entities(group)
    for e in group.attrs.get("unplaced", []):
        candidates = e.get("concepts", [])
        concept = _concept(_best(candidates), candidates)
        entities.append(Entity(e["start"], e["end"], e["label"], _rounded(e["score"]), concept))
    return sorted(entities, key=lambda e: e[:3])


def current_spans(group: SpanGroup) -> list[Span]:
    """The spans of a group, on the tokens as they are now.

    A component that merges or splits tokens, such as spaCy's `merge_entities`, leaves groups as they are:
    their spans keep their characters and token numbers, which are now those of others. Such a span is made
    anew, on all tokens that it overlaps. If it ends beyond the Doc's last token, spaCy cannot make it any
    more (its error E035): then the attrs tell its place and label, and its id is that of its first candidate.

    RETURNS: as many as the group has, in their order.
    RAISES: ValueError if spaCy cannot make a span, and the attrs do not tell where it was.
    """
    offsets, labels = column(group, "offsets"), column(group, "labels")
    candidates = _candidates(group.attrs, len(group))
    spans = []
    for i in range(len(group)):
        span = _span(group, i)
        if span is None and offsets and labels:
            start, end = offsets[i]
            span = _place(group.doc, start, end, labels[i], _best(candidates[i]))
        elif span is not None and _is_moved(span):
            span = _place(group.doc, span.start_char, span.end_char, span.label, span.kb_id)
        if span is None:
            raise ValueError(
                f"the span group {group.name!r}: tokens were merged after its spans had been set, and its "
                "attrs do not tell where they were; merge tokens before the spans are set"
            )
        spans.append(span)
    return spans


def _is_moved(span: Span) -> bool:
    """Whether the tokens of a span have other characters than it had when it was made."""
    last = span.doc[span.end - 1]
    return span.doc[span.start].idx != span.start_char or last.idx + len(last) != span.end_char


def _place(doc: Doc, start: int, end: int, label: int | str, id_: int | str) -> Span | None:
    return doc.char_span(start, end, label=label, kb_id=id_, alignment_mode="expand")


def column(group: SpanGroup, name: str) -> list[Any] | None:
    """A list of the group's attrs that has a value for each span; None if there is none."""
    values = group.attrs.get(name)
    return values if isinstance(values, list) and len(values) == len(group) else None


def set_score_extension() -> None:
    """Give spans ``span._.score``, which is `entity_score`, unless they have an attribute of that name."""
    if not Span.has_extension("score"):
        Span.set_extension("score", getter=entity_score)


def entity_score(span: Span) -> float | None:
    """The score of an entity, as `write_span_group` wrote it to a group of the span's Doc.

    span (Span): of `doc.ents` or of the group.
    RETURNS: its score; None if no group has an entity of this label there.
    """
    place = (span.start_char, span.end_char, span.label_)
    for group in span.doc.spans.values():
        labels, scores = group.attrs.get("labels", []), group.attrs.get("scores", [])
        for label, (start, end), score in zip(labels, group.attrs.get("offsets", []), scores, strict=False):
            if (start, end, label) == place:
                return score
        # The span of an entity that does not fit the tokens has other characters.
        for i, score in enumerate(scores[: len(group)] if labels else []):
            other = _span(group, i)
            if other is not None and (other.start_char, other.end_char, other.label_) == place:
                return score
    return None


def _entities(group: SpanGroup) -> list[Entity]:
    """The entities of a group that have a place on the tokens, or had one before tokens were merged."""
    spans = [_span(group, i) for i in range(len(group))]
    known = _known_entities(group.attrs, spans)
    if len(known) > len(spans):
        # Spans were taken out, and the attrs kept.
        return [e for e in known if any(span is not None and _is_on(e, span) for span in spans)]
    concepts = _candidates(group.attrs, len(spans))
    return known + [
        Entity(span.start_char, span.end_char, span.label_, concept=_concept(span.kb_id_, of_span))
        for span, of_span in list(zip(spans, concepts, strict=True))[len(known) :]
        if span is not None
    ]


def _known_entities(attrs: Mapping[str, Any], spans: Sequence[Span | None]) -> list[Entity]:
    """The entities that the attrs tell; none if their parts differ in number."""
    columns = {name: attrs[name] for name in ("labels", "offsets", "scores") if name in attrs}
    numbers = {len(column) for column in columns.values()}
    if len(numbers) != 1:
        return []
    [n] = numbers
    # Version 0.1.0 wrote no labels; other components, such as spaCy's spancat, write scores alone.
    left = [span for span in spans[:n] if span is not None]
    labels = columns.get("labels", [span.label_ for span in left])
    offsets = columns.get("offsets", [(span.start_char, span.end_char) for span in left])
    scores = columns.get("scores", [None] * n)
    if not len(labels) == len(offsets) == n:
        return []
    ids = [None if span is None else span.kb_id_ for span in spans[:n]]
    ids += [None] * (n - len(ids))
    return [
        Entity(start, end, label, _rounded(score), _concept(_best(of_span) if id_ is None else id_, of_span))
        for (start, end), label, score, of_span, id_ in zip(
            offsets, labels, scores, _candidates(attrs, n), ids, strict=True
        )
    ]


def _candidates(attrs: Mapping[str, Any], n: int) -> list[Sequence[Mapping[str, Any]]]:
    """The candidates for the concepts of the first n spans; none for those that the attrs do not tell."""
    return [*attrs.get("concepts", []), *([] for _ in range(n))][:n]


def _is_on(entity: Entity, span: Span) -> bool:
    same_label = entity.label == span.label_
    return same_label and entity.start < span.end_char and span.start_char < entity.end


def _best(candidates: Sequence[Mapping[str, Any]]) -> str:
    return candidates[0]["id"] if candidates else ""


def _span(group: SpanGroup, index: int) -> Span | None:
    """A span of the group; None if its tokens are no longer there, because some were merged."""
    try:
        return group[index]
    except IndexError:
        return None


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
