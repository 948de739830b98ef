"""The ranges that a span overlaps, compared with a loop over all ranges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.ranges import overlapped

LAYOUT = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=12)
"""Ranges as pairs of a gap and a length."""
SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=8)
"""Spans as pairs of a start and a length."""


def make_ranges(layout: list[tuple[int, int]]) -> np.ndarray:
    ranges, position = [], 0
    for gap, length in layout:
        ranges.append((position + gap, position + gap + length))
        position += gap + length
    return np.array(ranges, dtype=np.int64).reshape(-1, 2)


@given(LAYOUT, SPANS)
def test_it_is_what_a_loop_finds(layout: list[tuple[int, int]], spans: list[tuple[int, int]]) -> None:
    ranges = make_ranges(layout)
    starts = np.array([start for start, _ in spans], dtype=np.int64)
    ends = np.array([start + length for start, length in spans], dtype=np.int64)
    first, end = overlapped(starts, ends, ranges)
    assert len(first) == len(end) == len(spans)
    for i, (start, length) in enumerate(spans):
        expected = [n for n, (a, b) in enumerate(ranges.tolist()) if a < start + length and b > start]
        assert list(range(first[i], end[i])) == expected
        # Also where none is overlapped, the place is among the ranges.
        assert 0 <= first[i] <= end[i] <= len(ranges)
        # One span alone gives the same.
        assert overlapped(start, start + length, ranges) == (first[i], end[i])


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 5), (0, 1)),
        ((4, 5), (0, 1)),
        ((5, 6), (1, 1)),
        ((5, 7), (1, 2)),
        ((8, 9), (2, 3)),
        ((20, 30), (4, 4)),
    ],
    ids=["equal", "its end", "in a gap", "its start", "between neighbours", "after all"],
)
def test_borders_are_half_open(span: tuple[int, int], expected: tuple[int, int]) -> None:
    ranges = np.array([[0, 5], [6, 8], [8, 9], [10, 14]])
    assert overlapped(*span, ranges) == expected


def test_an_empty_span_inside_a_range_and_at_a_border() -> None:
    ranges = np.array([[0, 5], [6, 8], [8, 9]])
    assert overlapped(7, 7, ranges) == (1, 2)
    assert overlapped(8, 8, ranges) == (2, 2)
