"""The training loss and its gradient."""

from collections.abc import Sequence

import numpy as np

from .decoding import log_softmax
from .types import Floats, Ints


def cross_entropy(logits: Sequence[Floats], tags: Sequence[Ints]) -> tuple[float, list[Floats]]:
    """Cross-entropy, mean over the words of all documents whose tag is known, and its gradient.

    logits: of each document (n_words, n_tags).
    tags: of each document (n_words,): the index of each word's tag; -1 where it is not known.
    RETURNS: the loss, and the gradient of each document's logits.

    >>> loss, [gradient] = cross_entropy([np.zeros((2, 2))], [np.array([1, -1])])
    >>> round(loss, 4), gradient.tolist()
    (0.6931, [[0.5, -0.5], [0.0, 0.0]])
    """
    n_words = max(1, sum(int((of_doc >= 0).sum()) for of_doc in tags))
    loss = 0.0
    gradients = []
    for scores, of_doc in zip(logits, tags, strict=True):
        known = np.flatnonzero(of_doc >= 0)
        log_probs = log_softmax(scores)
        loss -= float(log_probs[known, of_doc[known]].sum()) / n_words
        gradient = np.zeros_like(scores)
        gradient[known] = np.exp(log_probs[known])
        gradient[known, of_doc[known]] -= 1.0
        gradients.append(gradient / np.float32(n_words))
    return loss, gradients
