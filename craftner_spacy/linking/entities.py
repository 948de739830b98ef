"""The entities of a Doc: the words that stand for them, and their candidates written on them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span, SpanGroup

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


def placed_mentions(doc: Doc, text: str, spans_key: str | None) -> dict[Place, Mention]:
    """The distinct entities of a Doc and its span group, by place, with the words that stand for them.

    text (str): `doc.text`, which spaCy makes anew whenever it is asked.
    spans_key (str | None): key of the span group; None: none.

    Where the group's attrs have ``offsets`` (see `span_group`), these are the words, else the span's text.

    >>> from spacy.vocab import Vocab
    >>> doc = Doc(Vocab(), words=["SirT1ko", "mice"], ents=["B-Protein", "B-Taxon"])
    >>> doc.spans["found"] = SpanGroup(doc, spans=[doc.ents[0]], attrs={"offsets": [[0, 5]]})
    >>> [mention.text for mention in placed_mentions(doc, doc.text, "found").values()]
    ['SirT1', 'mice']
    """
    mentions = {}
    if spans_key is not None and spans_key in doc.spans:
        group = doc.spans[spans_key]
        offsets = group.attrs.get("offsets")
        if not isinstance(offsets, list) or len(offsets) != len(group):
            offsets = [(span.start_char, span.end_char) for span in group]
        for span, (start, end) in zip(group, offsets, strict=True):
            mentions[place_of(span)] = Mention(text[start:end], span.label_, start)
    for ent in doc.ents:
        mentions.setdefault(
            place_of(ent), Mention(text[ent.start_char : ent.end_char], ent.label_, ent.start_char)
        )
    return mentions


def unplaced_mentions(doc: Doc, text: str, spans_key: str | None) -> list[Mention]:
    """The words of the span group's ``unplaced`` entities (see `span_group`); none if there is no such list.

    text, spans_key: as of `placed_mentions`.
    """
    return [Mention(text[e["start"] : e["end"]], e["label"], e["start"]) for e in _unplaced(doc, spans_key)]


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
    concepts = []
    for number, span in enumerate(group):
        candidates = links.placed[place_of(span)]
        if candidates and (overwrite or not span.kb_id):
            span.kb_id_ = candidates[0].id
            # What a group gives is a copy.
            group[number] = span
        concepts.append(_as_attrs(candidates))
    group.attrs["concepts"] = concepts
    unplaced = _unplaced(doc, spans_key)
    for entity, candidates in zip(unplaced, links.unplaced, strict=True):
        entity["concepts"] = _as_attrs(candidates)


def place_of(span: Span) -> Place:
    """The place of an entity."""
    return span.start, span.end, span.label_


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
