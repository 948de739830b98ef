"""The entities of a Doc: where they are, and the words that stand for them."""

from spacy.tokens import Doc, Span

from .document import Mention

Place = tuple[int, int, str]
"""First token, end and label of an entity."""


def entity_mentions(doc: Doc, text: str, spans_key: str | None) -> dict[Place, Mention]:
    """The distinct entities of a Doc and its span group, by place, with the words that stand for them.

    text (str): `doc.text`, which spaCy makes anew whenever it is asked.
    spans_key (str | None): key of the span group; None: none.

    Where the group's attrs have ``offsets`` (see `CraftNER`), these are the words, else the span's text.

    >>> from spacy.tokens import SpanGroup
    >>> from spacy.vocab import Vocab
    >>> doc = Doc(Vocab(), words=["SirT1ko", "mice"], ents=["B-Protein", "B-Taxon"])
    >>> doc.spans["found"] = SpanGroup(doc, spans=[doc.ents[0]], attrs={"offsets": [[0, 5]]})
    >>> [mention.text for mention in entity_mentions(doc, doc.text, "found").values()]
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


def place_of(span: Span) -> Place:
    """The place of an entity."""
    return span.start, span.end, span.label_
