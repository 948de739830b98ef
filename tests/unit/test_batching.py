"""Batches of windows: each window once, none too large, and none but the best cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.batching import BATCH_COST, greedy_batches, min_cost_batches, round_up


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 120), st.booleans())
def test_batches_hold_every_window_once_within_the_budget(
    lengths: list[int], budget: int, padded: bool
) -> None:
    make_batches = min_cost_batches if padded else greedy_batches
    batches = make_batches(np.array(lengths, dtype=np.int64), budget)
    order = [i for batch in batches for i in batch.tolist()]
    assert sorted(order) == list(range(len(lengths)))
    if padded:
        assert [lengths[i] for i in order] == sorted(lengths, reverse=True)
    for batch in batches:
        sizes = [lengths[i] for i in batch]
        assert len(batch) == 1 or (len(batch) * max(sizes) if padded else sum(sizes)) <= budget


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 120))
def test_greedy_batches_leave_no_room_for_a_later_window(lengths: list[int], budget: int) -> None:
    batches = greedy_batches(np.array(lengths), budget)
    for batch in batches:
        assert [lengths[i] for i in batch] == sorted((lengths[i] for i in batch), reverse=True)
    for number, batch in enumerate(batches[:-2]):
        room = budget - sum(lengths[i] for i in batch)
        assert all(lengths[i] > room for later in batches[number + 1 :] for i in later)


@pytest.mark.parametrize(("n", "expected"), [(10, [10]), (11, [6, 5]), (22, [10, 6, 6]), (23, [10, 10, 3])])
def test_a_small_last_batch_shares_with_the_one_before(n: int, expected: list[int]) -> None:
    batches = greedy_batches(np.full(n, 10), 100)
    assert [len(batch) for batch in batches] == expected


@given(st.lists(st.integers(1, 300), min_size=1, max_size=9), st.integers(1, 1200))
def test_no_other_cut_into_batches_costs_less(lengths: list[int], budget: int) -> None:
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

    sizes = [len(batch) for batch in min_cost_batches(np.array(lengths), budget)]
    # A cut is a choice of the borders between windows at which a batch ends.
    cuts = itertools.product([False, True], repeat=len(lengths) - 1)
    ends = [[*(i for i, is_end in enumerate(cut, start=1) if is_end), len(lengths)] for cut in cuts]
    assert cost(sizes) == min(cost(np.diff([0, *ends_of_cut]).tolist()) for ends_of_cut in ends)


def test_windows_of_one_length_are_batched_in_the_order_of_the_text() -> None:
    batches = min_cost_batches(np.array([300, 500] * 4), 1200)
    assert [batch.tolist() for batch in batches] == [[1, 3], [5, 7], [0, 2, 4, 6]]


@pytest.mark.parametrize(
    ("lengths", "budget", "expected"),
    [
        ([30, 80, 90], 4096, [[2, 1, 0]]),
        ([20, 200, 210], 4096, [[2, 1], [0]]),
        ([1] * 7, 4, [[0, 1, 2], [3, 4, 5, 6]]),
        ([], 4, []),
    ],
)
def test_a_few_short_windows_go_with_longer_ones(
    lengths: list[int], budget: int, expected: list[list[int]]
) -> None:
    batches = min_cost_batches(np.array(lengths, dtype=np.int64), budget)
    assert [batch.tolist() for batch in batches] == expected


def test_no_windows_are_no_greedy_batches() -> None:
    assert greedy_batches(np.zeros(0, dtype=np.int64), 4) == []


@given(st.integers(0, 10_000), st.integers(1, 700))
def test_rounding_up_gives_the_next_multiple(n: int, step: int) -> None:
    rounded = round_up(n, step)
    assert rounded % step == 0
    assert n <= rounded < n + step
    assert round_up(np.array([n]), step).tolist() == [rounded]
