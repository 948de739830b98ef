"""Pooling: the logits of words from those of their wordpieces, and the way back for gradients."""

from pathlib import Path

import numpy as np
import pytest
from tiny_pipelines import get_craft_ner, make_nlp

from craftner_spacy.model import get_shim
from craftner_spacy.pooling import POOLINGS, pool, unpool

FLAT = np.array([[1.0, 9.0], [2.0, 4.0], [6.0, 0.0], [-3.0, -1.0]], dtype=np.float32)
WORDS = np.array([[0, 1], [1, 3], [3, 4]])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("first", [[1, 9], [2, 4], [-3, -1]]),
        ("mean", [[1, 9], [4, 2], [-3, -1]]),
        ("max", [[1, 9], [6, 4], [-3, -1]]),
    ],
)
def test_logits_of_words(pooling: str, expected: list[list[float]]) -> None:
    assert pool(FLAT, WORDS, pooling).tolist() == expected
    # Words that leave wordpieces out, and in another order.
    assert pool(FLAT, WORDS[[2, 1]], pooling).tolist() == [expected[2], expected[1]]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_no_words_have_no_logits(pooling: str) -> None:
    no_words = np.zeros((0, 2), dtype=np.int64)
    assert pool(FLAT, no_words, pooling).shape == (0, 2)
    gradient = np.zeros_like(FLAT)
    unpool(FLAT, gradient, no_words, np.zeros((0, 2), dtype=np.float32), pooling)
    assert not gradient.any()


@pytest.mark.parametrize("pooling", ["first", "mean", "max"])
def test_gradients_of_words_reach_their_pieces(pooling: str) -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(7, 3)).astype(np.float32)
    pieces = np.array([[0, 1], [1, 4], [5, 7]])
    gradient = rng.normal(size=(3, 3)).astype(np.float32)
    d_flat = np.zeros_like(flat)
    unpool(flat, d_flat, pieces, gradient, pooling)
    step = 1e-2
    for place in np.ndindex(*flat.shape):
        up, down = flat.copy(), flat.copy()
        up[place] += step
        down[place] -= step
        slope = ((pool(up, pieces, pooling) - pool(down, pieces, pooling)) * gradient).sum() / (2 * step)
        assert d_flat[place] == pytest.approx(slope, abs=1e-3)


@pytest.mark.parametrize("pooling", ["first", "mean", "max"])
def test_the_models_setting(tiny_model: Path, pooling: str) -> None:
    nlp = make_nlp(tiny_model, model={"pooling": pooling})
    pipe = get_craft_ner(nlp)
    assert pipe.scheme.labels[0] == "Cell"
    # "qz" is read as "q" and "##z": the logits of the pieces come straight from the network.
    doc = nlp.make_doc("mouse qz")
    shim = get_shim(pipe.model)
    encoding = shim.tokenizer(doc.text, return_tensors="pt")
    pieces = shim.network(**encoding).logits[0].detach().numpy()[1:-1]
    assert len(pieces) == 3
    expected = {"first": pieces[1], "mean": pieces[1:].mean(0), "max": pieces[1:].max(0)}[pooling]
    [words] = pipe.model.predict([doc])
    np.testing.assert_allclose(words.logits, [pieces[0], expected], rtol=1e-4, atol=1e-4)
    assert words.chars.tolist() == [[0, 5], [6, 8]]
