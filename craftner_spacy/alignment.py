"""Character spans on spaCy's tokens and on the model's words.

The model's entities are spans of characters, but a `Doc` holds whole tokens only. The alignment mode says
what happens to an entity that begins or ends inside a token:

=========  ==============================================================================
strict     it is not placed
contract   it is placed on the tokens that are wholly inside it; if there are none, it is not placed
expand     it is placed on all tokens that it overlaps
split      the tokens are split at its start and end (`splitting`), and it is placed on the parts
=========  ==============================================================================
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc

from .ranges import overlapped
from .types import Entity, Ints

AlignmentMode = Literal["strict", "contract", "expand", "split"]
ALIGNMENT_MODES: tuple[str, ...] = get_args(AlignmentMode)


class PlacedEntity(NamedTuple):
    """An entity and its tokens: first token and end (half-open)."""

    start: int
    end: int
    entity: Entity


def chars_of_tokens(doc: Doc) -> Ints:
    """Start and end of each token, in characters: (n_tokens, 2).

    >>> import spacy
    >>> chars_of_tokens(spacy.blank("en")("SirT1ko mouse")).tolist()
    [[0, 7], [8, 13]]
    """
    chars = doc.to_array([IDX, LENGTH]).astype(np.int64).reshape(-1, 2)
    chars[:, 1] += chars[:, 0]
    return chars


def token_range(start: int, end: int, token_chars: Ints, mode: str) -> tuple[int, int] | None:
    """The tokens for a span of characters.

    start, end (int): the span, in characters.
    token_chars (n_tokens, 2): start and end of each token, in characters, in order.
    mode (str): strict, contract, expand or split.
    RETURNS: first token and end, or None where the mode does not place it.

    >>> tokens = np.array([[0, 7], [8, 13]])  # "SirT1ko mouse", entity "SirT1"
    >>> [token_range(0, 5, tokens, mode) for mode in ("strict", "contract", "expand")]
    [None, None, (0, 1)]
    """
    first, stop = map(int, overlapped(start, end, token_chars))
    if first == stop:
        return None
    starts_inside = token_chars[first, 0] < start
    ends_inside = token_chars[stop - 1, 1] > end
    if mode in ("strict", "split") and (starts_inside or ends_inside):
        return None
    # The mode "expand" takes the tokens as they are.
    if mode == "contract":
        first += bool(starts_inside)
        stop -= bool(ends_inside)
    return (first, stop) if first < stop else None


def place_entities(
    entities: Sequence[Entity], token_chars: Ints, mode: str
) -> tuple[list[PlacedEntity], list[Entity]]:
    """Place entities on tokens. Of two that need the same token, the one with the higher score is placed.

    entities: in any order, none overlapping another.
    token_chars (n_tokens, 2): start and end of each token, in characters, in order.
    mode (str): strict, contract, expand or split.
    RETURNS: the placed ones in order of their tokens, without overlap, and those that could not be placed.

    >>> tokens = np.array([[0, 7], [8, 13]])
    >>> entities = [Entity(0, 5, "Protein", 0.9), Entity(5, 7, "Sequence", 0.4), Entity(8, 13, "Taxon", 0.8)]
    >>> placed, unplaced = place_entities(entities, tokens, "expand")
    >>> [(p.start, p.end, p.entity.label) for p in placed], [e.label for e in unplaced]
    ([(0, 1, 'Protein'), (1, 2, 'Taxon')], ['Sequence'])
    """
    taken = np.zeros(len(token_chars), dtype=bool)
    placed: list[PlacedEntity] = []
    unplaced: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (-(e.score or 0.0), e.start)):
        tokens = token_range(entity.start, entity.end, token_chars, mode)
        if tokens is None or taken[tokens[0] : tokens[1]].any():
            unplaced.append(entity)
        else:
            taken[tokens[0] : tokens[1]] = True
            placed.append(PlacedEntity(*tokens, entity))
    return sorted(placed), sorted(unplaced)


def exact_words(start: int, end: int, word_chars: Ints) -> tuple[int, int, bool]:
    """The words that a span of characters overlaps, and whether they are all wholly inside it.

    start, end (int): the span, in characters.
    word_chars (n_words, 2): start and end of each word, in characters, in order.
    RETURNS: first word, end, and whether the span begins and ends at word borders.

    >>> words = np.array([[0, 7], [8, 13]])
    >>> exact_words(0, 5, words), exact_words(8, 13, words)
    ((0, 1, False), (1, 2, True))
    """
    first, stop = map(int, overlapped(start, end, word_chars))
    if first == stop:
        return first, first, False
    return first, stop, bool(word_chars[first, 0] >= start and word_chars[stop - 1, 1] <= end)
