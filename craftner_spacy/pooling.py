"""The logits of words from those of their wordpieces, and the way back for gradients."""

import numpy as np

from .types import Floats, Ints

POOLINGS = ("first", "mean", "max")


def pool(flat: Floats, word_pieces: Ints, pooling: str) -> Floats:
    """Logits of words from those of their wordpieces.

    flat (n_pieces, n_tags): logits of wordpieces.
    word_pieces (n_words, 2): start and end of each word, in rows of `flat`; none empty.
    pooling (str): one of `POOLINGS`.
    RETURNS (n_words, n_tags).

    >>> pool(np.array([[1.0], [2.0], [6.0]]), np.array([[0, 1], [1, 3]]), "mean").tolist()
    [[1.0], [4.0]]
    """
    if pooling == "first" or not len(word_pieces):
        return flat[word_pieces[:, 0]]
    reduce = np.add if pooling == "mean" else np.maximum
    # A sentinel row lets the last range end at the end of the array.
    rows = np.concatenate([flat, np.zeros((1, flat.shape[1]), dtype=flat.dtype)])
    pooled = reduce.reduceat(rows, word_pieces.reshape(-1), axis=0)[::2]
    return pooled / (word_pieces[:, 1:] - word_pieces[:, :1]) if pooling == "mean" else pooled


def unpool(flat: Floats, d_flat: Floats, word_pieces: Ints, gradient: Floats, pooling: str) -> None:
    """Add the gradient of words to that of their wordpieces.

    flat, d_flat (n_pieces, n_tags): logits of wordpieces, and their gradient, which is changed in place.
    word_pieces (n_words, 2): start and end of each word, in rows of `flat`.
    gradient (n_words, n_tags): of what `pool` gave.
    """
    if pooling == "first":
        d_flat[word_pieces[:, 0]] += gradient
        return
    for (start, end), row in zip(word_pieces.tolist(), gradient, strict=True):
        if pooling == "mean":
            d_flat[start:end] += row / (end - start)
        else:
            d_flat[start + flat[start:end].argmax(axis=0), np.arange(len(row))] += row
