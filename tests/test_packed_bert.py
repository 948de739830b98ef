"""BERT for inference on the processor: what it gives is what the network itself gives."""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from tiny_models import make_tiny_model
from torch import nn
from transformers import BertConfig, BertForTokenClassification

from craftner_spacy import packed_bert
from craftner_spacy.packed_bert import (
    GROUP_PIECES,
    PackedBert,
    PackedLinear,
    can_pack,
    group_windows,
    pack,
)
from craftner_spacy.sources import load_folder

INPUTS = {
    "input_ids": torch.tensor([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
}


@pytest.mark.parametrize("activation", ["none", "gelu"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_gives_what_the_layer_gives(activation: str, bias: bool) -> None:
    torch.manual_seed(0)
    linear, inputs = nn.Linear(12, 7, bias=bias), torch.randn(2, 3, 12)
    with torch.inference_mode():
        expected = linear(inputs)
        if activation == "gelu":
            expected = nn.functional.gelu(expected)
        found = PackedLinear(linear, activation)(inputs)
    assert found.shape == (2, 3, 7)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_roberta"])
def test_a_packed_network_gives_what_the_network_gives(folder: str, request: pytest.FixtureRequest) -> None:
    network = load_folder(request.getfixturevalue(folder)).transformer.eval()
    packed = deepcopy(network)
    pack(packed)
    assert not any(type(module) is nn.Linear for module in packed.modules())
    activations = [m.activation for m in packed.modules() if isinstance(m, PackedLinear)]
    assert activations.count("gelu") == network.config.num_hidden_layers
    with torch.inference_mode():
        expected, found = network(**INPUTS).logits, packed(**INPUTS).logits
    assert torch.allclose(found, expected, atol=1e-5)


def test_an_activation_of_another_kind_stays(tiny_model: Path) -> None:
    network = load_folder(tiny_model).transformer.eval()
    for layer in network.bert.encoder.layer:
        layer.intermediate.intermediate_act_fn = nn.Tanh()
    packed = deepcopy(network)
    pack(packed)
    with torch.inference_mode():
        assert torch.allclose(packed(**INPUTS).logits, network(**INPUTS).logits, atol=1e-5)


def test_nothing_is_packed_where_torch_or_the_processor_lacks_what_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operators = dict.fromkeys(("_linear_pointwise", "_reorder_linear_weight"), print)
    for lacking in ({}, operators, {**operators, "_is_mkldnn_bf16_supported": lambda: False}):
        monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace(**lacking))
        assert not can_pack()
    monkeypatch.setattr(
        torch.ops, "mkldnn", SimpleNamespace(**operators, _is_mkldnn_bf16_supported=lambda: True)
    )
    assert can_pack()


@given(st.lists(st.integers(1, 600), max_size=80))
def test_every_wordpiece_is_in_one_group_at_its_own_place(lengths: list[int]) -> None:
    groups = group_windows(lengths, torch.float32)
    rows = 0
    windows = iter(lengths)
    for group in groups:
        sizes = [next(windows) for _ in group.is_own]
        assert group.first == rows
        rows += sum(sizes)
        assert group.end == rows
        assert group.width - 32 < min(sizes)
        assert max(sizes) <= group.width
        assert len(sizes) == 1 or len(sizes) * group.width <= GROUP_PIECES
        assert len(sizes).bit_count() == 1
        assert group.is_own.flatten(1).sum(dim=1).tolist() == sizes
        assert group.reads[group.writes].tolist() == list(range(group.first, group.end))
        assert group.is_full == all(size == group.width for size in sizes)
    assert rows == sum(lengths)
    assert next(windows, None) is None


def padded(lengths: list[int], vocabulary: int) -> dict[str, torch.Tensor]:
    """Windows of random wordpieces."""
    mask = torch.tensor([[int(i < n) for i in range(max(lengths))] for n in lengths])
    ids = torch.randint(5, vocabulary, mask.shape, generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids * mask, "attention_mask": mask}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> BertForTokenClassification:
    folder = make_tiny_model(tmp_path_factory.mktemp("packed"), max_positions=128)
    return load_folder(folder).transformer.eval()


@pytest.fixture(scope="module")
def packed(network: BertForTokenClassification) -> PackedBert:
    return PackedBert(network, torch.float32)


@given(st.lists(st.integers(1, 128), min_size=1, max_size=12))
def test_it_gives_what_the_network_gives(
    network: BertForTokenClassification, packed: PackedBert, lengths: list[int]
) -> None:
    inputs = padded(lengths, network.config.vocab_size)
    own = inputs["attention_mask"].bool()
    with torch.inference_mode():
        expected, found = network(**inputs).logits, packed(**inputs).logits
    assert found.shape == expected.shape
    assert torch.allclose(found[own], expected[own], atol=1e-5)
    assert not found[~own].any()


def test_windows_do_not_see_each_other(packed: PackedBert) -> None:
    inputs = padded([40, 30, 30, 17], packed.network.config.vocab_size)
    with torch.inference_mode():
        together = packed(**inputs).logits
        for i, n in enumerate([40, 30, 30, 17]):
            alone = packed(**{name: given[i : i + 1, :n] for name, given in inputs.items()}).logits
            assert torch.allclose(together[i, :n], alone[0], atol=1e-5)


@pytest.mark.parametrize("factor", [-40.0, 40.0])
@pytest.mark.parametrize("lengths", [[32, 32, 32], [37, 20]])
def test_scores_too_large_for_an_exponential(
    network: BertForTokenClassification, factor: float, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sharp = deepcopy(network)
    # One of two heads, so that the other's are right as they are.
    attention = sharp.bert.encoder.layer[0].attention.self
    with torch.no_grad():
        attention.query.bias[: attention.attention_head_size] += factor
        attention.key.bias[: attention.attention_head_size] += 40.0
        attention.key.weight[: attention.attention_head_size] *= 30.0
    exactly: list[int] = []
    attend = packed_bert._attend_exactly

    def count(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        exactly.append(len(queries))
        return attend(queries, keys, values)

    monkeypatch.setattr(packed_bert, "_attend_exactly", count)
    inputs = padded(lengths, network.config.vocab_size)
    own = inputs["attention_mask"].bool()
    with torch.inference_mode():
        expected, found = sharp(**inputs).logits, PackedBert(sharp, torch.float32)(**inputs).logits
    assert sum(exactly) == len(lengths)
    assert torch.allclose(found[own], expected[own], atol=1e-4)


def test_shapes_of_products_are_few(packed: PackedBert, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: set[int] = set()
    forward = PackedLinear.forward

    def record(layer: PackedLinear, inputs: torch.Tensor) -> torch.Tensor:
        rows.add(len(inputs))
        return forward(layer, inputs)

    monkeypatch.setattr(PackedLinear, "forward", record)
    with torch.inference_mode():
        for n_windows in (1, 3, 9):
            for length in range(60, 120, 7):
                packed(**padded([length] * n_windows, packed.network.config.vocab_size))
    assert rows <= {64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280}


@pytest.mark.parametrize(
    ("setting", "fits"),
    [
        ({}, True),
        ({"position_embedding_type": "relative_key"}, False),
        ({"is_decoder": True}, False),
    ],
)
def test_which_networks_fit(setting: dict[str, object], fits: bool) -> None:
    config = BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        **setting,
    )
    network = BertForTokenClassification(config)
    assert PackedBert.fits(network, 512) is fits
    assert not PackedBert.fits(network, 513)
    assert not PackedBert.fits(network.bert, 512)
