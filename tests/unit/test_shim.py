"""The shim: the network for inference and when it is made, batches, windows, bytes, and worker processes."""

import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import spacy
import torch
from spacy.util import registry
from tiny_pipelines import make_model

from craftner_spacy import shim as shim_module
from craftner_spacy.inference import padding, precision, unpadded_bert
from craftner_spacy.inference.network import InferenceNetwork
from craftner_spacy.inference.packed_linear import can_pack
from craftner_spacy.inference.padding import PaddedNetwork
from craftner_spacy.inference.unpadded_bert import UnpaddedBert
from craftner_spacy.model import TokenClassifier, get_shim, load
from craftner_spacy.shim import max_window
from craftner_spacy.types import Ints

TEXT = "The kinase in mouse brain was expressed in stem cells of yeast with receptor and calcium in water"


def dtypes(network: InferenceNetwork) -> set[torch.dtype]:
    """The types of the parameters of a network for inference on the CPU."""
    if isinstance(network, UnpaddedBert):
        return {weights.dtype for weights in network.bert.parameters()}
    assert isinstance(network, PaddedNetwork)
    return {weights.dtype for weights in network.network.parameters()}


@pytest.mark.parametrize("taken", ["fp32", "bf16"])
def test_the_network_is_made_once_in_the_precision_that_auto_takes(
    tiny_model: Path, taken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "prefers_int8", lambda device: False)
    monkeypatch.setattr(precision, "has_bf16_units", lambda device: taken == "bf16")
    model = make_model(tiny_model, precision="auto")
    doc = spacy.blank("en")(TEXT)
    with caplog.at_level("INFO", logger="craftner_spacy.shim"):
        model.predict([doc])
        model.predict([doc])
    messages = [
        record.message for record in caplog.records if "is used for inference on cpu" in record.message
    ]
    assert messages == [f"{taken} is used for inference on cpu"]
    shim = get_shim(model)
    assert shim.inference_precision == taken
    assert (torch.bfloat16 in dtypes(shim.inference_network)) is (taken == "bf16")
    assert {weights.dtype for weights in shim.network.parameters()} == {torch.float32}


def test_padding_counts_for_the_size_of_a_batch(
    tiny_roberta: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, bool]] = []
    make_padded, make_unpadded = padding.min_cost_batches, unpadded_bert.greedy_batches

    def record_padded(lengths: Ints, max_pieces: int) -> list[Ints]:
        calls.append((int(lengths.max()), True))
        return make_padded(lengths, max_pieces)

    def record_unpadded(lengths: Ints, max_pieces: int) -> list[Ints]:
        calls.append((int(lengths.max()), False))
        return make_unpadded(lengths, max_pieces)

    monkeypatch.setattr(padding, "min_cost_batches", record_padded)
    monkeypatch.setattr(shim_module, "min_cost_batches", record_padded)
    monkeypatch.setattr(unpadded_bert, "greedy_batches", record_unpadded)
    batches: dict[Path, list[tuple[int, bool]]] = {}
    for folder in (tiny_roberta, tiny_model):
        calls = batches[folder] = []
        model = make_model(folder, precision="bf16")
        model.predict([spacy.blank("en")("mouse")])
        model.begin_update([spacy.blank("en")("mouse")])
    [(in_inference, is_padded), (in_training, is_padded_in_training)] = batches[tiny_roberta]
    assert (in_inference, is_padded) == (32, True)
    assert (in_training < 32, is_padded_in_training) == (True, True)
    assert [is_padded for _, is_padded in batches[tiny_model]] == [not can_pack(), True]


def test_no_network_for_inference_is_made_before_there_are_wordpieces(tiny_model: Path) -> None:
    model = make_model(tiny_model)
    model.predict([spacy.blank("en")("")])
    assert get_shim(model)._inference is None
    model.predict([spacy.blank("en")(TEXT)])
    assert get_shim(model)._inference is not None
    get_shim(model).to_device("cpu", 0)
    assert get_shim(model)._inference is None


@pytest.mark.parametrize(("positions", "expected"), [({"max_position_embeddings": 60}, 60), ({}, 77)])
def test_a_window_is_as_long_as_tokenizer_and_positions_allow(
    positions: dict[str, int], expected: int
) -> None:
    # A network that counts distances between wordpieces, as XLNet does, has no positions to run out of.
    tokenizer = SimpleNamespace(model_max_length=77)
    network = SimpleNamespace(config=SimpleNamespace(**positions), base_model=SimpleNamespace())
    assert max_window(tokenizer, network) == expected


def test_windows_leave_room_for_special_pieces_and_for_the_offset_of_positions(
    tiny_model: Path, tiny_roberta: Path
) -> None:
    assert get_shim(make_model(tiny_model)).max_pieces == 512 - 2
    # Of its 130 positions two belong to the padding's offset.
    assert get_shim(make_model(tiny_roberta)).max_pieces == 130 - 2 - 2


def test_bytes_of_a_model_that_is_not_loaded_hold_no_weights(tiny_model: Path) -> None:
    get_spans = registry.get("span_getters", "spacy-transformers.strided_spans.v1")(128, 96)
    model, other = (TokenClassifier(str(tiny_model), get_spans, "main", "first", "fp32") for _ in range(2))
    other.from_bytes(model.to_bytes())
    assert not get_shim(other).is_loaded
    assert get_shim(other).tokenizer is None
    assert get_shim(other).network is None
    load(model)
    other.from_bytes(model.to_bytes())
    assert get_shim(other).is_loaded


def test_a_forked_worker_cannot_use_a_gpu(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(tiny_model)
    shim = get_shim(model)
    # Torch's device without memory stands for a GPU, which the tests do without.
    shim.network.to("meta")
    monkeypatch.setattr(shim, "_pid", -1)
    with pytest.raises(ValueError, match="n_process > 1 with the model on meta"):
        model.predict([spacy.blank("en")(TEXT)])


@pytest.mark.parametrize(("parent", "expected"), [(None, 2), (SimpleNamespace(), 1)])
def test_an_unpickled_model_keeps_to_one_thread_only_in_a_worker(
    parent: object, expected: int, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shim_module, "parent_process", lambda: parent)
    model = pickle.loads(pickle.dumps(make_model(tiny_model)))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model.predict([spacy.blank("en")(TEXT)])
        assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(n_threads)


def test_a_forked_worker_keeps_to_one_thread(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(tiny_model)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model.predict([spacy.blank("en")(TEXT)])
        assert torch.get_num_threads() == 2
        monkeypatch.setattr(get_shim(model), "_pid", -1)
        model.predict([spacy.blank("en")(TEXT)])
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(n_threads)
