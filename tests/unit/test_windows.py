"""Windows over wordpieces: nothing is left out, nothing is too large, every word has one window."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.windows import assign_words, cut_range, make_windows, words_of_spans

WORD_SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=60)


def ranges(sizes: list[int]) -> np.ndarray:
    ends = np.cumsum(sizes)
    return np.stack([ends - sizes, ends], axis=1).astype(np.int64)


@given(st.integers(0, 50), st.integers(0, 400), st.integers(4, 64))
def test_cut_range_covers_all_in_order(start: int, length: int, max_pieces: int) -> None:
    windows = cut_range(start, start + length, max_pieces)
    covered = {i for first, end in windows for i in range(first, end)}
    assert covered == set(range(start, start + length))
    assert all(end - first == min(max_pieces, length) for first, end in windows)
    overlap = int(max_pieces * 0.25)
    assert all(b[0] > a[0] and a[1] - b[0] >= overlap for a, b in itertools.pairwise(windows))


def test_an_empty_range_has_no_window() -> None:
    assert cut_range(7, 7, 8) == []


@pytest.mark.parametrize("size", [3, 0, -1])
def test_windows_too_small_to_overlap_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"max_pieces is {size}; a window holds at least 4"):
        cut_range(0, 10, size)


@given(WORD_SIZES, st.integers(4, 32), st.lists(st.integers(0, 60), max_size=5))
def test_every_word_is_read_in_one_window_that_holds_it(
    sizes: list[int], max_pieces: int, cuts: list[int]
) -> None:
    words = np.stack([np.arange(len(sizes)) * 2, np.arange(len(sizes)) * 2 + 1], axis=1)
    pieces = ranges(sizes)
    borders = [0, *sorted(min(cut, len(sizes)) * 2 for cut in cuts), len(sizes) * 2]
    spans = np.array(list(itertools.pairwise(borders)), dtype=np.int64)
    windows = make_windows(spans, words, pieces, max_pieces)
    lengths = windows.pieces[:, 1] - windows.pieces[:, 0]
    assert ((lengths > 0) & (lengths <= max_pieces)).all()
    covered = {i for first, end in windows.pieces.tolist() for i in range(first, end)}
    assert covered == set(range(sum(sizes)))
    assert len(windows.window_of_word) == len(sizes)
    for word, window in enumerate(windows.window_of_word.tolist()):
        assert 0 <= window < len(windows.pieces)
        first, end = windows.pieces[window]
        assert first < pieces[word, 1]
        assert end > pieces[word, 0]
        held = (windows.pieces[:, 0] <= pieces[word, 0]) & (windows.pieces[:, 1] >= pieces[word, 1])
        assert held[window] == held.any()


def test_word_is_read_where_its_context_is_best() -> None:
    pieces = ranges([1] * 20)
    windows = make_windows(np.array([[0, 20]]), pieces, pieces, 8)
    assert windows.pieces.tolist() == [[0, 8], [6, 14], [12, 20]]
    assert windows.window_of_word.tolist() == [0] * 7 + [1] * 6 + [2] * 7


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([[0, 12]], [0, 1, 1]),
        ([[0, 4], [5, 12]], [0, 0, 1]),
        ([[0, 9], [5, 12]], [0, 1, 1]),
        ([[0, 7], [7, 12]], [0, 1, 1]),
        ([[0, 4], [10, 12]], [0, 0, 0]),
        ([], [0, 0, 0]),
    ],
    ids=["one", "abutting", "overlapping", "through a word", "with a gap", "none"],
)
def test_words_of_one_span_continue_it(spans: list[list[int]], expected: list[int]) -> None:
    words = np.array([[0, 4], [5, 9], [10, 12]])
    windows = make_windows(np.array(spans, dtype=np.int64).reshape(-1, 2), words, ranges([1, 1, 1]), 8)
    assert windows.continues_span.tolist() == expected
    assert windows.continues_span.dtype == bool


def test_word_outside_all_spans_has_no_window() -> None:
    pieces = ranges([1] * 5)
    windows = make_windows(np.array([[1, 3]]), pieces, pieces, 8)
    assert windows.pieces.tolist() == [[1, 3]]
    assert windows.window_of_word.tolist() == [-1, 0, 0, -1, -1]


def test_no_spans_and_no_words() -> None:
    none = np.zeros((0, 2), dtype=np.int64)
    assert make_windows(none, ranges([1, 1]), ranges([1, 1]), 8).window_of_word.tolist() == [-1, -1]
    empty = make_windows(np.array([[0, 3]]), none, none, 8)
    assert empty.pieces.shape == (0, 2)
    assert empty.pieces.dtype == np.int64
    assert empty.window_of_word.tolist() == []
    assert assign_words(none, ranges([2])).tolist() == [-1]


def test_word_that_straddles_a_border_belongs_to_both_spans() -> None:
    words = np.array([[0, 4], [5, 9], [10, 12]])
    assert words_of_spans(np.array([[0, 7], [7, 9], [9, 10], [10, 12]]), words).tolist() == [
        [0, 2],
        [1, 2],
        [2, 2],
        [2, 3],
    ]
