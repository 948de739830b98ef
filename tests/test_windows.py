"""Windows over wordpieces: nothing is left out, nothing is too large, every word has one owner."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.windows import (
    BATCH_COST,
    batch_windows,
    cut_range,
    make_windows,
    own_words,
    words_of_spans,
)

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
def test_every_word_has_one_owner_that_holds_it(sizes: list[int], max_pieces: int, cuts: list[int]) -> None:
    words = np.stack([np.arange(len(sizes)) * 2, np.arange(len(sizes)) * 2 + 1], axis=1)
    pieces = ranges(sizes)
    borders = [0, *sorted(min(cut, len(sizes)) * 2 for cut in cuts), len(sizes) * 2]
    spans = np.array(list(itertools.pairwise(borders)), dtype=np.int64)
    windows = make_windows(spans, words, pieces, max_pieces)
    lengths = windows.pieces[:, 1] - windows.pieces[:, 0]
    assert ((lengths > 0) & (lengths <= max_pieces)).all()
    covered = {i for first, end in windows.pieces.tolist() for i in range(first, end)}
    assert covered == set(range(sum(sizes)))
    assert len(windows.owner) == len(sizes)
    for word, owner in enumerate(windows.owner.tolist()):
        assert 0 <= owner < len(windows.pieces)
        first, end = windows.pieces[owner]
        assert first < pieces[word, 1]
        assert end > pieces[word, 0]
        held = (windows.pieces[:, 0] <= pieces[word, 0]) & (windows.pieces[:, 1] >= pieces[word, 1])
        assert held[owner] == held.any()


def test_word_is_read_where_its_context_is_best() -> None:
    pieces = ranges([1] * 20)
    windows = make_windows(np.array([[0, 20]]), pieces, pieces, 8)
    assert windows.pieces.tolist() == [[0, 8], [6, 14], [12, 20]]
    assert windows.owner.tolist() == [0] * 7 + [1] * 6 + [2] * 7


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
def test_words_of_one_span_go_on(spans: list[list[int]], expected: list[int]) -> None:
    words = np.array([[0, 4], [5, 9], [10, 12]])
    windows = make_windows(np.array(spans, dtype=np.int64).reshape(-1, 2), words, ranges([1, 1, 1]), 8)
    assert windows.goes_on.tolist() == expected
    assert windows.goes_on.dtype == bool


def test_word_outside_all_spans_has_no_owner() -> None:
    pieces = ranges([1] * 5)
    windows = make_windows(np.array([[1, 3]]), pieces, pieces, 8)
    assert windows.pieces.tolist() == [[1, 3]]
    assert windows.owner.tolist() == [-1, 0, 0, -1, -1]


def test_no_spans_and_no_words() -> None:
    none = np.zeros((0, 2), dtype=np.int64)
    assert make_windows(none, ranges([1, 1]), ranges([1, 1]), 8).owner.tolist() == [-1, -1]
    empty = make_windows(np.array([[0, 3]]), none, none, 8)
    assert empty.pieces.shape == (0, 2)
    assert empty.pieces.dtype == np.int64
    assert empty.owner.tolist() == []
    assert own_words(none, ranges([2])).tolist() == [-1]


def test_word_that_straddles_a_border_belongs_to_both_spans() -> None:
    words = np.array([[0, 4], [5, 9], [10, 12]])
    assert words_of_spans(np.array([[0, 7], [7, 9], [9, 10], [10, 12]]), words).tolist() == [
        [0, 2],
        [1, 2],
        [2, 2],
        [2, 3],
    ]


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 120), st.booleans())
def test_batches_hold_every_window_once_within_the_budget(
    lengths: list[int], budget: int, padded: bool
) -> None:
    batches = batch_windows(np.array(lengths, dtype=np.int64), budget, padded)
    order = [i for batch in batches for i in batch.tolist()]
    assert sorted(order) == list(range(len(lengths)))
    if padded:
        assert [lengths[i] for i in order] == sorted(lengths, reverse=True)
    for batch in batches:
        sizes = [lengths[i] for i in batch]
        assert len(batch) == 1 or (len(batch) * max(sizes) if padded else sum(sizes)) <= budget


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 120))
def test_batches_without_padding_leave_no_room_for_a_later_window(lengths: list[int], budget: int) -> None:
    batches = batch_windows(np.array(lengths), budget, padded=False)
    for batch in batches:
        assert [lengths[i] for i in batch] == sorted((lengths[i] for i in batch), reverse=True)
    for number, batch in enumerate(batches[:-2]):
        room = budget - sum(lengths[i] for i in batch)
        assert all(lengths[i] > room for later in batches[number + 1 :] for i in later)


@pytest.mark.parametrize(("n", "expected"), [(10, [10]), (11, [6, 5]), (22, [10, 6, 6]), (23, [10, 10, 3])])
def test_a_small_batch_at_the_end_shares_with_the_one_before(n: int, expected: list[int]) -> None:
    batches = batch_windows(np.full(n, 10), 100, padded=False)
    assert [len(batch) for batch in batches] == expected


@given(st.lists(st.integers(1, 300), min_size=1, max_size=9), st.integers(1, 1200))
def test_no_other_cut_into_batches_takes_less_time(lengths: list[int], budget: int) -> None:
    widths = sorted(lengths, reverse=True)

    def cost(sizes: list[int]) -> float:
        total = 0
        start = 0
        for size in sizes:
            if size > 1 and size * widths[start] > budget:
                return float("inf")
            total += size * widths[start] + BATCH_COST
            start += size
        return total

    found = [len(batch) for batch in batch_windows(np.array(lengths), budget, padded=True)]
    # A cut is a choice of the borders between windows at which a batch ends.
    cuts = itertools.product([False, True], repeat=len(lengths) - 1)
    ends = [[*(i for i, ends in enumerate(cut, start=1) if ends), len(lengths)] for cut in cuts]
    assert cost(found) == min(cost(np.diff([0, *of_cut]).tolist()) for of_cut in ends)


def test_windows_of_one_length_are_batched_in_the_order_of_the_text() -> None:
    batches = batch_windows(np.array([300, 500] * 4), 1200, padded=True)
    assert [batch.tolist() for batch in batches] == [[1, 3], [5, 7], [0, 2, 4, 6]]


def test_a_few_short_windows_go_with_longer_ones() -> None:
    assert [batch.tolist() for batch in batch_windows(np.array([30, 80, 90]), 4096, padded=True)] == [
        [2, 1, 0]
    ]
    assert [batch.tolist() for batch in batch_windows(np.array([20, 200, 210]), 4096, padded=True)] == [
        [2, 1],
        [0],
    ]
    assert [batch.tolist() for batch in batch_windows(np.ones(7, dtype=np.int64), 4, padded=True)] == [
        [0, 1, 2],
        [3, 4, 5, 6],
    ]
    assert batch_windows(np.zeros(0, dtype=np.int64), 4, padded=True) == []
    assert batch_windows(np.zeros(0, dtype=np.int64), 4, padded=False) == []
