"""The Thinc model: pooling, precision, spans."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.util import registry
from spacy_transformers.layers.hf_wrapper import HFObjects

from craftner_spacy import model as model_module
from craftner_spacy.model import (
    TokenClassifier,
    _max_pieces,
    _pool,
    _unpool,
    forward,
    load,
    shim_of,
)
from craftner_spacy.packed_linear import can_pack
from craftner_spacy.windows import Ints, batch_windows

TEXT = "The kinase in mouse brain was expressed in stem cells of yeast with receptor and calcium in water"


def make_model(folder: Path, window: int = 128, stride: int = 96, precision: str = "fp32") -> Any:
    get_spans = registry.get("span_getters", "spacy-transformers.strided_spans.v1")(window, stride)
    model = TokenClassifier(str(folder), get_spans, "main", "first", precision)
    load(model)
    return model


@pytest.mark.parametrize("pooling", ["first", "mean", "max"])
def test_gradients_of_words_reach_their_pieces(pooling: str) -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(7, 3)).astype(np.float32)
    pieces = np.array([[0, 1], [1, 4], [5, 7]])
    gradient = rng.normal(size=(3, 3)).astype(np.float32)
    found = np.zeros_like(flat)
    _unpool(flat, found, pieces, gradient, pooling)
    step = 1e-2
    for place in np.ndindex(*flat.shape):
        up, down = flat.copy(), flat.copy()
        up[place] += step
        down[place] -= step
        slope = ((_pool(up, pieces, pooling) - _pool(down, pieces, pooling)) * gradient).sum() / (2 * step)
        assert found[place] == pytest.approx(slope, abs=1e-3)


def test_the_gradient_of_the_logits_reaches_the_network(tiny_model: Path) -> None:
    model = make_model(tiny_model, window=5, stride=3)
    network = shim_of(model)._hfmodel.transformer
    [words], backprop = forward(model, [spacy.blank("en")(TEXT)], is_train=True)
    backprop([np.ones_like(words.logits)])
    # Each word's scores have the bias once, however many windows hold the word.
    assert network.classifier.bias.grad.numpy() == pytest.approx(len(words.logits))


def test_spans_decide_what_is_read_at_once(tiny_model: Path) -> None:
    doc = spacy.blank("en")(TEXT)
    wide, narrow, also_wide = (
        make_model(tiny_model, window, stride).predict([doc])[0]
        for window, stride in [(128, 96), (4, 2), (64, 64)]
    )
    assert np.array_equal(wide.chars, narrow.chars)
    assert np.abs(wide.logits - narrow.logits).max() > 1e-3
    assert np.array_equal(wide.logits, also_wide.logits)


def test_bf16_is_near_fp32_and_not_the_same(tiny_model: Path) -> None:
    doc = spacy.blank("en")(TEXT)
    fp32, bf16 = (make_model(tiny_model, precision=p).predict([doc])[0].logits for p in ("fp32", "bf16"))
    assert not np.array_equal(fp32, bf16)
    assert bf16 == pytest.approx(fp32, abs=0.2)
    assert bf16.dtype == np.float32


@pytest.mark.parametrize("units", [True, False])
def test_auto_takes_bf16_where_there_are_units(
    tiny_model: Path, units: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(model_module, "has_bf16_units", lambda device: units)
    model = make_model(tiny_model, precision="auto")
    doc = spacy.blank("en")(TEXT)
    with caplog.at_level("INFO", logger="craftner_spacy.model"):
        model.predict([doc])
        model.predict([doc])
    assert len([r for r in caplog.records if "bf16 is used" in r.message]) == int(units)
    dtypes = {weights.dtype for weights in shim_of(model)._fast.parameters()}
    assert (torch.bfloat16 in dtypes) is units
    assert {weights.dtype for weights in shim_of(model)._hfmodel.transformer.parameters()} == {torch.float32}


DOCS = [" ".join(TEXT.split()[:n]) for n in (1, 3, 18, 2, 9, 9, 0, 5)]


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_roberta"])
@pytest.mark.parametrize("batch_tokens", [1, 40, 2048])
def test_many_documents_in_bf16(folder: str, batch_tokens: int, request: pytest.FixtureRequest) -> None:
    docs = list(spacy.blank("en").pipe(DOCS))
    found = []
    for precision in ("fp32", "bf16"):
        model = make_model(request.getfixturevalue(folder), window=8, stride=6, precision=precision)
        model.attrs["batch_tokens"] = batch_tokens
        found.append(model.predict(docs))
    for fp32, bf16 in zip(*found, strict=True):
        assert np.array_equal(fp32.chars, bf16.chars)
        assert bf16.logits == pytest.approx(fp32.logits, abs=0.2)


def test_padding_counts_for_the_size_of_a_batch(
    tiny_roberta: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: dict[Path, list[tuple[int, bool]]] = {}
    for folder in (tiny_roberta, tiny_model):

        def record(lengths: Ints, budget: int, padded: bool, folder: Path = folder) -> list[Ints]:
            batches.setdefault(folder, []).append((int(lengths.max()), padded))
            return batch_windows(lengths, budget, padded)

        monkeypatch.setattr(model_module, "batch_windows", record)
        model = make_model(folder, precision="bf16")
        model.predict([spacy.blank("en")("mouse")])
        model.begin_update([spacy.blank("en")("mouse")])
    [(read, padded), (trained, while_training)] = batches[tiny_roberta]
    assert (read, padded) == (32, True)
    assert (trained < 32, while_training) == (True, True)
    assert [padded for _, padded in batches[tiny_model]] == [not can_pack(), True]


def test_nothing_is_made_where_nothing_is_read(tiny_model: Path) -> None:
    model = make_model(tiny_model)
    model.predict([spacy.blank("en")("")])
    assert shim_of(model)._fast is None
    model.predict([spacy.blank("en")(TEXT)])
    assert shim_of(model)._fast is not None
    shim_of(model).to_device("cpu", 0)
    assert shim_of(model)._fast is None


@pytest.mark.parametrize(("positions", "expected"), [({"max_position_embeddings": 60}, 60), ({}, 77)])
def test_a_window_is_as_long_as_tokenizer_and_positions_allow(
    positions: dict[str, int], expected: int
) -> None:
    # A network that counts distances between wordpieces, as XLNet does, has no positions to run out of.
    tokenizer = SimpleNamespace(model_max_length=77)
    network = SimpleNamespace(config=SimpleNamespace(**positions), base_model=SimpleNamespace())
    assert _max_pieces(HFObjects(tokenizer, network, None)) == expected


def test_bytes_of_a_model_that_is_not_loaded_hold_no_weights(tiny_model: Path) -> None:
    get_spans = registry.get("span_getters", "spacy-transformers.strided_spans.v1")(128, 96)
    model, other = (TokenClassifier(str(tiny_model), get_spans, "main", "first", "fp32") for _ in range(2))
    other.from_bytes(model.to_bytes())
    assert not shim_of(other).is_loaded
    load(model)
    other.from_bytes(model.to_bytes())
    assert shim_of(other).is_loaded


def test_a_forked_worker_cannot_use_a_graphics_card(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(tiny_model)
    shim = shim_of(model)
    # No graphics card is here: torch's device without memory stands for one.
    shim._model.to("meta")
    monkeypatch.setattr(shim, "_pid", -1)
    with pytest.raises(RuntimeError, match="n_process > 1 with the model on meta"):
        model.predict([spacy.blank("en")(TEXT)])


@pytest.mark.parametrize(("parent", "expected"), [(None, 2), (SimpleNamespace(), 1)])
def test_what_comes_out_of_a_pickle_keeps_to_one_thread_in_a_worker_alone(
    parent: object, expected: int, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_module, "parent_process", lambda: parent)
    model = pickle.loads(pickle.dumps(make_model(tiny_model)))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model.predict([spacy.blank("en")(TEXT)])
        assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(n_threads)
