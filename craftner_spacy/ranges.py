"""Which ranges of a sorted list a span overlaps."""

from typing import Any

import numpy as np

from .types import Ints


def overlapped(starts: Any, ends: Any, ranges: Ints) -> tuple[Any, Any]:
    """The ranges that each span overlaps: they stand side by side, since ranges are sorted.

    starts, ends (int, or arrays (n_spans,)): half-open spans.
    ranges (n_ranges, 2): start and end of each range, half-open, in the spans' unit; in order, none
        overlapping another.
    RETURNS: for each span the first range and the end of the ranges, half-open; equal where there is none.

    >>> words = np.array([[0, 5], [6, 8], [8, 9], [10, 14]])
    >>> first, end = overlapped(np.array([0, 7, 5]), np.array([7, 14, 6]), words)
    >>> first.tolist(), end.tolist()
    ([0, 1, 1], [2, 4, 1])
    """
    first = np.searchsorted(ranges[:, 1], starts, side="right")
    end = np.searchsorted(ranges[:, 0], ends, side="left")
    return first, np.maximum(first, end)
