"""Character spans on tokens: the modes, and that no entity is lost or overlaps another."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.alignment import ALIGNMENT_MODES, exact_words, place_entities, token_range
from craftner_spacy.types import Entity

TOKENS = np.array([[0, 4], [4, 5], [6, 10], [12, 15]])
NO_TOKENS = np.zeros((0, 2), dtype=np.int64)
MODES = st.sampled_from(ALIGNMENT_MODES)
LAYOUT = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), max_size=12)


def spans(layout: list[tuple[int, int]]) -> np.ndarray:
    """Spans from pairs of a gap and a length, without overlap."""
    starts_and_ends, position = [], 0
    for gap, length in layout:
        starts_and_ends.append((position + gap, position + gap + length))
        position += gap + length
    return np.array(starts_and_ends, dtype=np.int64).reshape(-1, 2)


@pytest.mark.parametrize(
    ("span", "strict", "contract", "expand"),
    [
        ((0, 4), (0, 1), (0, 1), (0, 1)),
        ((0, 10), (0, 3), (0, 3), (0, 3)),
        ((0, 2), None, None, (0, 1)),
        ((1, 3), None, None, (0, 1)),
        ((2, 10), None, (1, 3), (0, 3)),
        ((0, 8), None, (0, 2), (0, 3)),
        ((2, 8), None, (1, 2), (0, 3)),
        ((3, 5), None, (1, 2), (0, 2)),
        ((5, 11), (2, 3), (2, 3), (2, 3)),
        ((10, 12), None, None, None),
        ((20, 25), None, None, None),
    ],
)
def test_modes(
    span: tuple[int, int],
    strict: tuple[int, int] | None,
    contract: tuple[int, int] | None,
    expand: tuple[int, int] | None,
) -> None:
    tokens = [token_range(*span, TOKENS, mode) for mode in ALIGNMENT_MODES]
    assert tokens == [strict, contract, expand, strict]


@pytest.mark.parametrize("mode", ALIGNMENT_MODES)
def test_no_tokens(mode: str) -> None:
    assert token_range(0, 4, NO_TOKENS, mode) is None
    entity = Entity(0, 4, "Cell", 0.5)
    assert place_entities([entity], NO_TOKENS, mode) == ([], [entity])
    assert place_entities([], TOKENS, mode) == ([], [])


@pytest.mark.parametrize(
    ("scores", "winner"), [((0.9, 0.4), "Cell"), ((0.4, 0.9), "Gene"), ((0.5, 0.5), "Cell")]
)
def test_the_higher_score_gets_the_token_and_the_earlier_entity_in_a_tie(
    scores: tuple[float, float], winner: str
) -> None:
    entities = [Entity(0, 2, "Cell", scores[0]), Entity(2, 4, "Gene", scores[1])]
    placed, unplaced = place_entities(entities, TOKENS, "expand")
    assert [(p.start, p.end, p.entity.label) for p in placed] == [(0, 1, winner)]
    assert [e.label for e in unplaced] == [e.label for e in entities if e.label != winner]


@given(LAYOUT, LAYOUT, st.lists(st.floats(0, 1), min_size=12, max_size=12), MODES)
def test_nothing_is_lost_and_nothing_overlaps(
    tokens: list[tuple[int, int]], places: list[tuple[int, int]], scores: list[float], mode: str
) -> None:
    token_chars = spans(tokens)
    entities = [
        Entity(start, end, "Cell", score)
        for (start, end), score in zip(spans(places).tolist(), scores, strict=False)
    ]
    placed, unplaced = place_entities(entities, token_chars, mode)
    assert sorted([*(p.entity for p in placed), *unplaced]) == entities
    assert all(a.end <= b.start for a, b in itertools.pairwise(placed))
    for p in placed:
        held = {i for i, (a, b) in enumerate(token_chars.tolist()) if a < p.entity.end and b > p.entity.start}
        inside = {
            i for i in held if token_chars[i, 0] >= p.entity.start and token_chars[i, 1] <= p.entity.end
        }
        expected = held if mode == "expand" else inside
        assert set(range(p.start, p.end)) == expected
        assert mode not in ("strict", "split") or held == inside


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 5), (0, 2, True)),
        ((0, 3), (0, 1, False)),
        ((5, 11), (2, 3, True)),
        ((4, 8), (1, 3, False)),
        ((7, 15), (2, 4, False)),
        ((10, 12), (3, 3, False)),
    ],
)
def test_exact_words(span: tuple[int, int], expected: tuple[int, int, bool]) -> None:
    assert exact_words(*span, TOKENS) == expected
