"""The entities of a Doc: the words that stand for them, and their candidates written on them."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span, SpanGroup

from ..span_group import column, current_spans
from .candidates import Candidate
from .document import Mention

Place = tuple[int, int, str]
"""First token, end and label of an entity."""


class DocLinks(NamedTuple):
    """The candidates for the entities of a Doc, the best one first.

    placed (dict[Place, list[Candidate]]): of those in `doc.ents` and the span group.
    unplaced (list[list[Candidate]]): of those that have no place on the tokens, in their order.
    """

    placed: dict[Place, list[Candidate]]
    unplaced: list[list[Candidate]]


def placed_mentions(
    doc: Doc, text: str, spans_key: str | None, tables: Collection[str]
) -> dict[Place, Mention]:
    """The distinct entities of a Doc and its span group, by place, with the words that stand for them.

    text (str): `doc.text`, which spaCy makes anew whenever it is asked.
    spans_key (str | None): key of the span group; None: none.
    tables (Collection[str]): the labels that the knowledge base has a table for. An entity whose label is
        none of them is looked up by the model's label, if the group tells it.
    RAISES: ValueError if the group has spans whose tokens are gone; see `span_group.current_spans`.

    Where the group's attrs have ``offsets`` (see `span_group`), these are the words, else the span's text.

    >>> from spacy.vocab import Vocab
    >>> doc = Doc(Vocab(), words=["SirT1ko", "mice"], ents=["B-Gene", "B-Taxon"])
    >>> attrs = {"offsets": [[0, 5]], "model_labels": ["Protein"]}
    >>> doc.spans["found"] = SpanGroup(doc, spans=[doc.ents[0]], attrs=attrs)
    >>> mentions = placed_mentions(doc, doc.text, "found", ["Protein", "Taxon"])
    >>> [(mention.text, mention.label) for mention in mentions.values()]
    [('SirT1', 'Protein'), ('mice', 'Taxon')]
    """
    mentions = {}
    if spans_key is not None and spans_key in doc.spans:
        group = doc.spans[spans_key]
        spans = current_spans(group)
        offsets = column(group, "offsets") or [(span.start_char, span.end_char) for span in spans]
        labels = column(group, "model_labels") or [span.label_ for span in spans]
        for span, (start, end), of_model in zip(spans, offsets, labels, strict=True):
            label = _table(span.label_, of_model, tables)
            mentions[place_of(span)] = Mention(text[start:end], label, start)
    for ent in doc.ents:
        mention = Mention(text[ent.start_char : ent.end_char], ent.label_, ent.start_char)
        mentions.setdefault(place_of(ent), mention)
    return mentions


def unplaced_mentions(doc: Doc, text: str, spans_key: str | None, tables: Collection[str]) -> list[Mention]:
    """The words of the span group's ``unplaced`` entities (see `span_group`); none if there is no such list.

    text, spans_key, tables: as for `placed_mentions`.
    """
    mentions = []
    for e in _unplaced(doc, spans_key):
        label = _table(e["label"], e.get("model_label", e["label"]), tables)
        mentions.append(Mention(text[e["start"] : e["end"]], label, e["start"]))
    return mentions


def write_concepts(doc: Doc, links: DocLinks, spans_key: str | None, overwrite: bool) -> None:
    """Write ids and candidates on a Doc.

    links (DocLinks): those of its entities.
    spans_key (str | None): key of the span group, which is made if it is not there; None: `doc.ents` alone.
    overwrite (bool): whether an id that is there already is replaced.
    """
    for ent in doc.ents:
        best = links.placed[place_of(ent)][:1]
        for token in ent if best else ():
            if overwrite or not token.ent_kb_id:
                token.ent_kb_id_ = best[0].id
    if spans_key is None:
        return
    if spans_key not in doc.spans:
        doc.spans[spans_key] = SpanGroup(doc, name=spans_key, spans=list(doc.ents))
    group = doc.spans[spans_key]
    spans = current_spans(group)
    concepts = []
    for span in spans:
        candidates = links.placed[place_of(span)]
        if candidates and (overwrite or not span.kb_id):
            span.kb_id_ = candidates[0].id
        concepts.append(_as_attrs(candidates))
    # What a group gives is a copy, so it is made anew.
    attrs = {**group.attrs, "concepts": concepts}
    doc.spans[spans_key] = SpanGroup(doc, name=group.name, spans=spans, attrs=attrs)
    unplaced = _unplaced(doc, spans_key)
    for entity, candidates in zip(unplaced, links.unplaced, strict=True):
        entity["concepts"] = _as_attrs(candidates)


def place_of(span: Span) -> Place:
    """The place of an entity."""
    return span.start, span.end, span.label_


def _table(label: str, of_model: str, tables: Collection[str]) -> str:
    """The table that an entity is looked up in."""
    return of_model if label not in tables and of_model in tables else label


def _unplaced(doc: Doc, spans_key: str | None) -> list[dict[str, Any]]:
    if spans_key is None or spans_key not in doc.spans:
        return []
    unplaced = doc.spans[spans_key].attrs.get("unplaced")
    if not isinstance(unplaced, list) or not all(map(_is_entity, unplaced)):
        return []
    return unplaced


def _is_entity(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= {"start", "end", "label"}


def _as_attrs(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    return [{"id": c.id, "name": c.name, "score": c.score, "match": c.match} for c in candidates]
