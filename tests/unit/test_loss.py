"""The training loss and its gradient."""

import numpy as np
import pytest

from craftner_spacy.loss import cross_entropy

RNG = np.random.default_rng(0)
LOGITS = [RNG.normal(size=(n, 4)) for n in (3, 0, 2)]
TAGS = [np.array([1, -1, 3]), np.array([], dtype=np.int64), np.array([0, 2])]


def test_the_loss_is_a_mean_over_the_known_words_of_all_documents() -> None:
    loss, _ = cross_entropy(LOGITS, TAGS)
    losses = [
        -np.log(np.exp(scores[word, tag]) / np.exp(scores[word]).sum())
        for scores, tags in zip(LOGITS, TAGS, strict=True)
        for word, tag in enumerate(tags)
        if tag >= 0
    ]
    assert len(losses) == 4
    assert loss == pytest.approx(np.mean(losses))


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    _, gradients = cross_entropy(LOGITS, TAGS)
    step = 1e-5
    for number, gradient in enumerate(gradients):
        assert gradient.shape == LOGITS[number].shape
        for place in np.ndindex(*gradient.shape):
            up, down = ([scores.copy() for scores in LOGITS] for _ in range(2))
            up[number][place] += step
            down[number][place] -= step
            slope = (cross_entropy(up, TAGS)[0] - cross_entropy(down, TAGS)[0]) / (2 * step)
            assert gradient[place] == pytest.approx(slope, abs=1e-6)


def test_unknown_words_have_no_gradient() -> None:
    _, gradients = cross_entropy(LOGITS, TAGS)
    assert not gradients[0][1].any()
    loss, gradients = cross_entropy(LOGITS, [np.full(len(tags), -1) for tags in TAGS])
    assert loss == 0.0
    assert not any(gradient.any() for gradient in gradients)


def test_gradients_have_the_type_of_the_logits() -> None:
    logits = [scores.astype(np.float32) for scores in LOGITS]
    _, gradients = cross_entropy(logits, TAGS)
    assert {gradient.dtype for gradient in gradients} == {np.dtype(np.float32)}
