"""From token spans to wordpiece windows, and which window each word is read in.

A document is a row of wordpieces; a word owns a run of them. Ranges are half-open and counted in
wordpieces of one document (special pieces not included) or in words, as each docstring says.
"""

from bisect import bisect_right
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OVERLAP = 0.25
"""Share of a window that repeats the one before, where a span is too long and has to be cut."""

BATCH_COST = 64
"""What a batch takes whatever it holds, as the number of wordpieces that take as much time. Some 50 were
measured with the small model in bf16, on two cores of an AMD EPYC with AVX512-BF16."""


def round_up(n: Any, step: int) -> Any:
    """The next multiple of step from n on; n: an int, or an array of them.

    >>> [round_up(n, 32) for n in (0, 1, 32, 33)]
    [0, 32, 32, 64]
    """
    return -(-n // step) * step


class Windows(NamedTuple):
    """The windows of one document.

    pieces (n_windows, 2): start and end of each window, in wordpieces.
    owner (n_words,): index of the window in which each word is read; -1 where no window holds it.
    goes_on (n_words,): whether a span holds both the word and the one before it.
    """

    pieces: Ints
    owner: Ints
    goes_on: Bools


def words_of_spans(span_chars: Ints, word_chars: Ints) -> Ints:
    """Words touched by each character span. A word that straddles a border belongs to both sides.

    span_chars (n_spans, 2): start and end of each span, in characters.
    word_chars (n_words, 2): start and end of each word, in characters, in order.
    RETURNS (n_spans, 2): first word and end of each span, in words.

    >>> words = np.array([[0, 5], [6, 8], [8, 9], [10, 14]])
    >>> words_of_spans(np.array([[0, 7], [7, 14]]), words).tolist()
    [[0, 2], [1, 4]]
    """
    first = np.searchsorted(word_chars[:, 1], span_chars[:, 0], side="right")
    end = np.searchsorted(word_chars[:, 0], span_chars[:, 1], side="left")
    return np.stack([first, np.maximum(first, end)], axis=1)


def cut_range(start: int, end: int, max_pieces: int) -> list[tuple[int, int]]:
    """Cut one range of wordpieces into windows that overlap by about a quarter.

    Windows are spread evenly and all have the full size, so that none is left with a stub of context.
    A word no longer than the overlap stands whole in at least one window.

    start, end (int): the range, in wordpieces.
    max_pieces (int): size of the largest window the encoder can read, in wordpieces.
    RETURNS: (start, end) of each window, in order.
    RAISES: ValueError if max_pieces is below 4: windows could not overlap.

    ::

        start                                   end
        |---- window 0 ----|
                   |---- window 1 ----|
                             |---- window 2 ----|

    >>> cut_range(0, 20, 8)
    [(0, 8), (6, 14), (12, 20)]
    >>> cut_range(3, 9, 8)
    [(3, 9)]
    """
    if max_pieces < 4:
        raise ValueError(f"max_pieces is {max_pieces}; a window holds at least 4 wordpieces")
    length = end - start
    if length <= max_pieces:
        return [(start, end)] if length > 0 else []
    step = max_pieces - int(max_pieces * OVERLAP)
    n_windows = 1 + -(-(length - max_pieces) // step)
    firsts = [start + i * (length - max_pieces) // (n_windows - 1) for i in range(n_windows)]
    return [(first, first + max_pieces) for first in firsts]


def own_words(windows: Ints, word_pieces: Ints) -> Ints:
    """Give each word to the window with most context on its poorer side; the earlier one in a tie.

    ::

        window 0  |-----------------|
        window 1            |-----------------|
        owner      0000000000000|1111111111111

    windows (n_windows, 2): start and end, in wordpieces.
    word_pieces (n_words, 2): start and end of each word, in wordpieces, in order.
    RETURNS (n_words,): index of the window; -1 where a word touches none.

    >>> own_words(np.array([[0, 6], [3, 9]]), np.stack([np.arange(9), np.arange(1, 10)], axis=1)).tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 1]
    """
    owner = np.full(len(word_pieces), -1, dtype=np.int64)
    best = np.full(len(word_pieces), np.iinfo(np.int64).min, dtype=np.int64)
    firsts = np.searchsorted(word_pieces[:, 1], windows[:, 0], side="right")
    ends = np.searchsorted(word_pieces[:, 0], windows[:, 1], side="left")
    for i, (first, end) in enumerate(zip(firsts.tolist(), ends.tolist(), strict=True)):
        words = slice(first, end)
        context = np.minimum(word_pieces[words, 0] - windows[i, 0], windows[i, 1] - word_pieces[words, 1])
        better = context > best[words]
        owner[words][better] = i
        best[words][better] = context[better]
    return owner


def make_windows(span_chars: Ints, word_chars: Ints, word_pieces: Ints, max_pieces: int) -> Windows:
    """Windows over the wordpieces of a document, from its spans of text.

    span_chars (n_spans, 2): start and end of each span, in characters; spans may overlap.
    word_chars (n_words, 2): start and end of each word, in characters, in order.
    word_pieces (n_words, 2): start and end of each word, in wordpieces, in order.
    max_pieces (int): the most wordpieces the encoder reads at once, special pieces not counted.
    RETURNS (Windows): no wordpiece of a span is left out, whatever the span's length.
    """
    pieces: list[tuple[int, int]] = []
    goes_on = np.zeros(len(word_pieces), dtype=bool)
    for first, end in words_of_spans(span_chars, word_chars).tolist():
        if first < end:
            pieces.extend(cut_range(int(word_pieces[first, 0]), int(word_pieces[end - 1, 1]), max_pieces))
            goes_on[first + 1 : end] = True
    windows = np.array(pieces, dtype=np.int64).reshape(-1, 2)
    return Windows(windows, own_words(windows, word_pieces), goes_on)


def batch_windows(lengths: Ints, batch_pieces: int, padded: bool) -> list[Ints]:
    """Group windows into batches of at most `batch_pieces`, padding included.

    With padding windows of like length go together: of all ways to cut the windows, sorted by length, into
    batches, it is the one that takes least time, where a batch takes as much as its wordpieces, padding
    included, and `BATCH_COST` more. Without padding each batch is filled up with what fits; a small one at
    the end shares with the one before.

    lengths (n_windows,): wordpieces of each window, special pieces included.
    batch_pieces (int): the most wordpieces in one batch. A longer window is a batch alone.
    padded (bool): whether the network reads a batch's windows as if all were as long as the longest.
    RETURNS: indices of the windows of each batch, longest windows first.

    >>> [batch.tolist() for batch in batch_windows(np.array([3, 9, 4, 8]), 18, padded=True)]
    [[1, 3], [2, 0]]
    >>> [batch.tolist() for batch in batch_windows(np.array([500, 20, 490, 30]), 4000, padded=True)]
    [[0, 2], [3, 1]]
    >>> [batch.tolist() for batch in batch_windows(np.array([500, 20, 490, 300]), 1020, padded=False)]
    [[0, 2, 1], [3]]
    """
    order = np.argsort(-lengths, kind="stable")
    widths = np.maximum(lengths[order], 1)
    return _pad_least(order, widths, batch_pieces) if padded else _fill_most(order, widths, batch_pieces)


def _fill_most(order: Ints, widths: Ints, batch_pieces: int) -> list[Ints]:
    """Put the longest window that fits into a batch, until none does; see `batch_windows`."""
    left, lengths = list(range(len(order)))[::-1], widths[::-1].tolist()
    batches: list[list[int]] = []
    while left:
        batch = [left.pop()]
        room = batch_pieces - lengths.pop()
        while (place := bisect_right(lengths, room)) > 0:
            batch.append(left.pop(place - 1))
            room -= lengths.pop(place - 1)
        batches.append(batch)
    if len(batches) > 1 and room > 0.75 * batch_pieces:
        both = sorted(batches[-2] + batches[-1])
        halves = [both[::2], both[1::2]]
        if widths[halves[0]].sum() <= batch_pieces:
            batches[-2:] = halves
    return [order[batch] for batch in batches]


def _pad_least(order: Ints, widths: Ints, batch_pieces: int) -> list[Ints]:
    """Cut the sorted windows into batches where that costs least; see `batch_windows`."""
    n = len(widths)
    # The least cost of the first i windows, and where the last batch of that way begins.
    cost = np.zeros(n + 1, dtype=np.int64)
    begin = np.zeros(n + 1, dtype=np.int64)
    first = 0
    for end in range(1, n + 1):
        while first < end - 1 and widths[first] * (end - first) > batch_pieces:
            first += 1
        starts = np.arange(first, end)
        costs = cost[starts] + widths[starts] * (end - starts)
        best = int(costs.argmin())
        cost[end], begin[end] = costs[best] + BATCH_COST, first + best
    cuts = [n]
    while cuts[-1]:
        cuts.append(int(begin[cuts[-1]]))
    return [order[start:end] for start, end in pairwise(reversed(cuts))]
