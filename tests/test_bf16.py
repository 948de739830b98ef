"""Inference in bf16: what of the processor is asked for, and layers whose weights are laid out once."""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from craftner_spacy import bf16
from craftner_spacy.bf16 import PackedLinear, can_pack, copy_in_bf16, has_bf16_units, pack
from craftner_spacy.sources import load_folder

INPUTS = {
    "input_ids": torch.tensor([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"amx_bf16": True}, True),
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "avx2": True}, False),
        ({}, False),
    ],
)
def test_units_of_the_processor(
    found: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert has_bf16_units("cpu") is expected
    assert has_bf16_units("mps") is False


@pytest.mark.parametrize("has_units", [True, False])
def test_units_of_a_graphics_card_are_real_ones(has_units: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_supported(including_emulation: bool) -> bool:
        return has_units or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert has_bf16_units("cuda") is has_units


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


@pytest.mark.parametrize("packs", [True, False])
def test_the_copy_is_in_bf16_with_attention_written_out_and_the_own_weights_stay(
    tiny_model: Path, packs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_folder(tiny_model).transformer.eval()
    if not packs:
        monkeypatch.setattr(bf16, "can_pack", lambda: False)
    copy = copy_in_bf16(network, max_pieces=512)
    assert copy.config._attn_implementation == "eager"
    assert {p.dtype for p in copy.parameters()} == {torch.bfloat16}
    assert any(isinstance(module, PackedLinear) for module in copy.modules()) is bf16.can_pack()
    assert network.config._attn_implementation == "sdpa"
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    with torch.inference_mode():
        assert copy(**INPUTS).logits.float() == pytest.approx(network(**INPUTS).logits, abs=0.2)
    assert copy_in_bf16(network, max_pieces=513).config._attn_implementation == "sdpa"


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
