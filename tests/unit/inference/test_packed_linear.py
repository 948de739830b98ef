"""Linear layers with packed weights give what the layers themselves give."""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from craftner_spacy.folders import load_folder
from craftner_spacy.inference.packed_linear import PackedLinear, can_pack, pack

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
        outputs = PackedLinear(linear.weight, linear.bias, activation)(inputs)
    assert outputs.shape == (2, 3, 7)
    assert torch.allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_the_sum_of_a_layer_and_others(bias: bool) -> None:
    torch.manual_seed(0)
    linear, inputs, others = nn.Linear(12, 7, bias=bias), torch.randn(5, 12), torch.randn(5, 7)
    before = others.clone()
    with torch.inference_mode():
        sums = PackedLinear(linear.weight, linear.bias).forward_and_add(inputs, others)
        assert torch.allclose(sums, linear(inputs) + others, atol=1e-5)
    assert torch.equal(others, before)


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_roberta"])
def test_a_packed_network_gives_what_the_network_gives(folder: str, request: pytest.FixtureRequest) -> None:
    network = load_folder(request.getfixturevalue(folder)).transformer.eval()
    packed = deepcopy(network)
    pack(packed)
    assert not any(type(module) is nn.Linear for module in packed.modules())
    activations = [m.activation for m in packed.modules() if isinstance(m, PackedLinear)]
    assert activations.count("gelu") == network.config.num_hidden_layers
    with torch.inference_mode():
        expected, logits = network(**INPUTS).logits, packed(**INPUTS).logits
    assert torch.allclose(logits, expected, atol=1e-5)


def test_another_activation_than_gelu_stays(tiny_model: Path) -> None:
    network = load_folder(tiny_model).transformer.eval()
    for layer in network.bert.encoder.layer:
        layer.intermediate.intermediate_act_fn = nn.Tanh()
    packed = deepcopy(network)
    pack(packed)
    with torch.inference_mode():
        assert torch.allclose(packed(**INPUTS).logits, network(**INPUTS).logits, atol=1e-5)


def test_packing_needs_the_operators_of_torch_and_a_cpu_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    operators = dict.fromkeys(("_linear_pointwise", "_reorder_linear_weight"), print)
    for lacking in ({}, operators, {**operators, "_is_mkldnn_bf16_supported": lambda: False}):
        monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace(**lacking))
        assert not can_pack()
    monkeypatch.setattr(
        torch.ops, "mkldnn", SimpleNamespace(**operators, _is_mkldnn_bf16_supported=lambda: True)
    )
    assert can_pack()
