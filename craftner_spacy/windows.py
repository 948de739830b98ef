"""From token spans to wordpiece windows, and which window each word is read in.

A document is a sequence of wordpieces, and each word is one or more of them. Ranges are half-open, in
wordpieces of one document (special tokens not included) or in words, as each docstring says.
"""

from typing import NamedTuple

import numpy as np

from .ranges import overlapped
from .types import Bools, Ints

OVERLAP = 0.25
"""How much of a window repeats the one before, as a share, where a span is too long and is cut."""


class Windows(NamedTuple):
    """The windows of one document.

    pieces (n_windows, 2): start and end of each window, in wordpieces.
    window_of_word (n_words,): index of the window in which each word is read; -1 where no window holds it.
    continues_span (n_words,): whether a span holds both the word and the one before it.
    """

    pieces: Ints
    window_of_word: Ints
    continues_span: Bools


def words_of_spans(span_chars: Ints, word_chars: Ints) -> Ints:
    """The words that each character span overlaps. A word across a border belongs to both spans.

    span_chars (n_spans, 2): start and end of each span, in characters.
    word_chars (n_words, 2): start and end of each word, in characters, in order.
    RETURNS (n_spans, 2): first word and end of each span, in words.

    >>> words = np.array([[0, 5], [6, 8], [8, 9], [10, 14]])
    >>> words_of_spans(np.array([[0, 7], [7, 14]]), words).tolist()
    [[0, 2], [1, 4]]
    """
    return np.stack(overlapped(span_chars[:, 0], span_chars[:, 1], word_chars), axis=1)


def cut_range(start: int, end: int, max_pieces: int) -> list[tuple[int, int]]:
    """Cut one range of wordpieces into windows that overlap by about a quarter.

    Windows are spread evenly and all have the full size, so that no window has little context. A word that
    is not longer than the overlap is whole in at least one window.

    start, end (int): the range, in wordpieces.
    max_pieces (int): the longest window that the encoder can read, in wordpieces.
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
    offsets = [start + i * (length - max_pieces) // (n_windows - 1) for i in range(n_windows)]
    return [(offset, offset + max_pieces) for offset in offsets]


def assign_words(windows: Ints, word_pieces: Ints) -> Ints:
    """Assign each word to the window in which its shorter context, left or right, is longest.

    In a tie it is the earlier window.

    ::

        window 0          |-----------------|
        window 1                    |-----------------|
        window_of_word     0000000000000|1111111111111

    windows (n_windows, 2): start and end, in wordpieces.
    word_pieces (n_words, 2): start and end of each word, in wordpieces, in order.
    RETURNS (n_words,): index of the window; -1 where a word overlaps none.

    >>> assign_words(np.array([[0, 6], [3, 9]]), np.stack([np.arange(9), np.arange(1, 10)], axis=1)).tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 1]
    """
    window_of_word = np.full(len(word_pieces), -1, dtype=np.int64)
    best = np.full(len(word_pieces), np.iinfo(np.int64).min, dtype=np.int64)
    starts, ends = overlapped(windows[:, 0], windows[:, 1], word_pieces)
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        words = slice(start, end)
        context = np.minimum(word_pieces[words, 0] - windows[i, 0], windows[i, 1] - word_pieces[words, 1])
        better = context > best[words]
        window_of_word[words][better] = i
        best[words][better] = context[better]
    return window_of_word


def make_windows(span_chars: Ints, word_chars: Ints, word_pieces: Ints, max_pieces: int) -> Windows:
    """Windows over the wordpieces of a document, from its spans of text.

    span_chars (n_spans, 2): start and end of each span, in characters; spans may overlap.
    word_chars (n_words, 2): start and end of each word, in characters, in order.
    word_pieces (n_words, 2): start and end of each word, in wordpieces, in order.
    max_pieces (int): the most wordpieces the encoder reads at once, special tokens not counted.
    RETURNS (Windows): no wordpiece of a span is left out, whatever the span's length.
    """
    pieces: list[tuple[int, int]] = []
    continues_span = np.zeros(len(word_pieces), dtype=bool)
    for first, end in words_of_spans(span_chars, word_chars).tolist():
        if first < end:
            pieces.extend(cut_range(int(word_pieces[first, 0]), int(word_pieces[end - 1, 1]), max_pieces))
            continues_span[first + 1 : end] = True
    windows = np.array(pieces, dtype=np.int64).reshape(-1, 2)
    return Windows(windows, assign_words(windows, word_pieces), continues_span)
