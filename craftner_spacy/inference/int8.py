"""The network for inference in integers of 8 bits on the CPU."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from transformers import BertForTokenClassification
from transformers.activations import GELUActivation

from .feed_forward import make_feed_forward
from .network import InferenceNetwork
from .padding import PaddedNetwork
from .quantized_linear import QuantizedLinear, Ranges
from .units import has_bf16_units
from .unpadded_bert import UnpaddedAttention, UnpaddedBert


def can_quantize() -> bool:
    """Whether this version of torch has the operators."""
    return all(hasattr(torch.ops.onednn, name) for name in ("qlinear_prepack", "qlinear_pointwise"))


def make_int8_network(
    network: Any, max_pieces: int, padding: int, ranges: Mapping[str, Ranges]
) -> InferenceNetwork:
    """A network for inference in int8. Weights that are not quantized are shared with the network given.

    network: a token classifier of Hugging Face, in fp32, on the CPU; it stays as it is.
    max_pieces (int): the longest window that the network reads, in wordpieces, special tokens included.
    padding (int): the vocabulary id of the padding.
    ranges: of the inputs of its linear layers, by name; layers that have none are not quantized.
    """
    copy = deepcopy(network, {id(weight): weight for weight in network.parameters()}).eval()
    by_layer = {copy.get_submodule(name): layer_ranges for name, layer_ranges in ranges.items()}
    if UnpaddedBert.fits(network, max_pieces) and _has_gelu(network):
        return _quantize_bert(copy, by_layer)
    for module in list(copy.base_model.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Linear and layer in by_layer:
                setattr(module, name, _quantize(layer, by_layer))
    return PaddedNetwork(copy, padding)


def _has_gelu(network: BertForTokenClassification) -> bool:
    layers = network.bert.encoder.layer
    return all(isinstance(layer.intermediate.intermediate_act_fn, GELUActivation) for layer in layers)


def _quantize(layer: nn.Linear, ranges: Mapping[nn.Module, Ranges]) -> QuantizedLinear:
    bias = None if layer.bias is None else layer.bias.detach()
    return QuantizedLinear(layer.weight.detach(), bias, ranges[layer])


def _quantize_bert(copy: BertForTokenClassification, ranges: Mapping[nn.Module, Ranges]) -> UnpaddedBert:
    """The network with quantized weights; the copy becomes a part of it and is changed."""
    dtype = torch.bfloat16 if has_bf16_units("cpu") else torch.float32
    for layer in copy.bert.encoder.layer:
        attention, output = layer.attention, layer.output
        inputs = ranges[attention.self.query]

        def make_linear(weight: torch.Tensor, bias: torch.Tensor, inputs: Ranges = inputs) -> QuantizedLinear:
            return QuantizedLinear(weight, bias, inputs, dtype)

        attention.self = UnpaddedAttention(attention.self, make_linear)
        attention.output.dense = _quantize(attention.output.dense, ranges)
        first, second = layer.intermediate.dense, output.dense
        layer.intermediate, output.dense = make_feed_forward(first, second, ranges[first], ranges[second])
    return UnpaddedBert(copy.bert, copy.classifier)
