"""Split the tokens of a Doc at given characters, and keep everything else of the Doc as it is."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup, Token

_NO_SENT_START = 2**64 - 1
"""-1 as an unsigned number, as the retokenizer takes it: the token begins no sentence."""


def split_tokens(doc: Doc, cuts: Iterable[int]) -> None:
    """Split each token that has a cut inside it. The text stays as it is.

    The parts of a token have its tag, part of speech, morphology, entity and row of ``doc.tensor``. Their
    lemma, if the token had one, is their text. In a parsed Doc the first part has the token's place in the
    tree, and the others depend on it as ``subtok``. Span groups, entities and sentences hold the same
    characters as before. `Span` and `Token` objects that were made before refer to the old tokens, and data
    of other components for each token, in ``doc._`` or ``doc.user_data``, is not adapted.

    doc (Doc): changed in place.
    cuts: offsets, in characters, at which a token shall begin; those at a token's border change nothing.

    >>> from spacy.vocab import Vocab
    >>> doc = Doc(Vocab(), words=["SirT1ko", "mouse"], ents=["B-Line", "O"])
    >>> split_tokens(doc, [0, 5, 8])
    >>> [(token.text, token.ent_iob_) for token in doc], doc.text
    ([('SirT1', 'B'), ('ko', 'I'), ('mouse', 'O')], 'SirT1ko mouse ')
    """
    pieces = {token: borders for token, borders in _borders(doc, cuts) if len(borders) > 2}
    if not pieces:
        return
    groups = {
        key: (group.name, group.attrs, [(s.start, s.end, s.label, s.kb_id, s.id) for s in group])
        for key, group in doc.spans.items()
    }
    tensor, doc.tensor = doc.tensor, np.zeros((0,), dtype="float32")
    n_pieces = np.array([len(pieces[token]) - 1 if token in pieces else 1 for token in range(len(doc))])
    first = np.concatenate([[0], np.cumsum(n_pieces)]).tolist()
    unmarked = [
        i for token in pieces if not doc[token].has_morph() for i in range(first[token], first[token + 1])
    ]
    text, is_parsed = doc.text, doc.has_annotation("DEP")
    with doc.retokenize() as retokenizer:
        for i, borders in pieces.items():
            token = doc[i]
            orths = [text[start:end] for start, end in pairwise(borders)]
            heads: list[Token | tuple[Token, int]] = [(token.head if is_parsed else token, 0)]
            heads += [(token, 0 if is_parsed else more) for more in range(1, len(orths))]
            retokenizer.split(token, orths, heads, _attributes(token, orths))
    for i in unmarked:
        doc[i].set_morph(None)  # type: ignore[attr-defined]
    if tensor.size:
        doc.tensor = tensor[np.repeat(np.arange(len(n_pieces)), n_pieces).tolist()]
    for key, (name, attrs, spans) in groups.items():
        moved = [
            Span(doc, first[start], first[end], label=label, kb_id=kb_id, span_id=span_id)
            for start, end, label, kb_id, span_id in spans
        ]
        doc.spans[key] = SpanGroup(doc, name=name, attrs=attrs, spans=moved)


def _borders(doc: Doc, cuts: Iterable[int]) -> Iterable[tuple[int, list[int]]]:
    """Tokens that may be split, each with its start, the cuts inside it, and its end."""
    starts = np.array([token.idx for token in doc], dtype=np.int64)
    inside: dict[int, list[int]] = {}
    for cut in sorted(set(cuts)):
        inside.setdefault(int(np.searchsorted(starts, cut, side="right")) - 1, []).append(cut)
    for i, offsets in inside.items():
        if i >= 0:
            start, end = doc[i].idx, doc[i].idx + len(doc[i])
            yield i, [start, *(cut for cut in offsets if start < cut < end), end]


def _attributes(token: Token, orths: list[str]) -> dict[str | int, list[Any]]:
    """The attributes of each part; without them it would have those of the next tokens."""
    n_more = len(orths) - 1
    starts = {True: 1, False: _NO_SENT_START, None: 0}
    attributes: dict[str | int, list[Any]] = {
        name: [value] * len(orths)
        for name, value in {
            "TAG": token.tag,
            "POS": token.pos,
            "ENT_TYPE": token.ent_type,
            "ENT_ID": token.ent_id,
            "ENT_KB_ID": token.ent_kb_id,
        }.items()
    }
    if token.has_morph():
        attributes["MORPH"] = [str(token.morph)] * len(orths)
    start = starts[token.is_sent_start]
    attributes["SENT_START"] = [start, *[_NO_SENT_START if start else 0] * n_more]
    attributes["LEMMA"] = orths if token.lemma else [0] * len(orths)
    attributes["DEP"] = [token.dep, *[token.vocab.strings.add("subtok") if token.dep else 0] * n_more]
    return attributes
