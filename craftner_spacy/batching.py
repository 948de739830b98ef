"""Batches of windows of many documents."""

from bisect import bisect_right
from itertools import pairwise
from typing import Any

import numpy as np

from .types import Ints

BATCH_COST = 64
"""The cost of a batch beside its wordpieces, as a number of wordpieces that take the same time. About 50 were
measured with the small model in bf16, on two cores of an AMD EPYC with AVX512-BF16."""


def round_up(n: Any, step: int) -> Any:
    """The next multiple of step from n on; n: an int, or an array of them.

    >>> [round_up(n, 32) for n in (0, 1, 32, 33)]
    [0, 32, 32, 64]
    """
    return -(-n // step) * step


def min_cost_batches(lengths: Ints, max_pieces: int) -> list[Ints]:
    """Batches for a network that pads each batch to its longest window.

    Windows of like length go together. Of all ways to cut the windows, sorted by length, into batches, it is
    the one with the least cost: a batch costs its wordpieces, padding included, and `BATCH_COST` more.

    lengths (n_windows,): wordpieces of each window, special tokens included.
    max_pieces (int): the most wordpieces in a batch, padding included. A longer window is a batch alone.
    RETURNS: indices of the windows of each batch, longest windows first.

    >>> [batch.tolist() for batch in min_cost_batches(np.array([3, 9, 4, 8]), 18)]
    [[1, 3], [2, 0]]
    >>> [batch.tolist() for batch in min_cost_batches(np.array([500, 20, 490, 30]), 4000)]
    [[0, 2], [3, 1]]
    """
    order, widths = _longest_first(lengths)
    n = len(widths)
    # The least cost of the first i windows, and where the last of their batches begins.
    cost = np.zeros(n + 1, dtype=np.int64)
    begin = np.zeros(n + 1, dtype=np.int64)
    first = 0
    for end in range(1, n + 1):
        while first < end - 1 and widths[first] * (end - first) > max_pieces:
            first += 1
        starts = np.arange(first, end)
        costs = cost[starts] + widths[starts] * (end - starts)
        best = int(costs.argmin())
        cost[end], begin[end] = costs[best] + BATCH_COST, first + best
    cuts = [n]
    while cuts[-1]:
        cuts.append(int(begin[cuts[-1]]))
    return [order[start:end] for start, end in pairwise(reversed(cuts))]


def greedy_batches(lengths: Ints, max_pieces: int) -> list[Ints]:
    """Batches for a network that reads windows without padding.

    Each batch takes the longest window that still fits, until none does. A small batch at the end shares with
    the one before it.

    lengths (n_windows,): wordpieces of each window, special tokens included.
    max_pieces (int): the most wordpieces in a batch. A longer window is a batch alone.
    RETURNS: indices of the windows of each batch, longest windows first.

    >>> [batch.tolist() for batch in greedy_batches(np.array([500, 20, 490, 300]), 1020)]
    [[0, 2, 1], [3]]
    """
    order, widths = _longest_first(lengths)
    unplaced, sizes = list(range(len(order)))[::-1], widths[::-1].tolist()
    batches: list[list[int]] = []
    room = 0
    while unplaced:
        batch = [unplaced.pop()]
        room = max_pieces - sizes.pop()
        while (place := bisect_right(sizes, room)) > 0:
            batch.append(unplaced.pop(place - 1))
            room -= sizes.pop(place - 1)
        batches.append(batch)
    if len(batches) > 1 and room > 0.75 * max_pieces:
        both = sorted(batches[-2] + batches[-1])
        halves = [both[::2], both[1::2]]
        if widths[halves[0]].sum() <= max_pieces:
            batches[-2:] = halves
    return [order[batch] for batch in batches]


def _longest_first(lengths: Ints) -> tuple[Ints, Ints]:
    """Indices of the windows from the longest on, and their lengths, which are at least 1."""
    order = np.argsort(-lengths, kind="stable")
    return order, np.maximum(lengths[order], 1)
