"""Inference in integers of 8 bits on the CPU: where it can be done, and the network for it."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from transformers import BertForTokenClassification
from transformers.activations import GELUActivation

from .bf16 import has_bf16_units
from .calibration import observe_ranges
from .feed_forward import make_feed_forward
from .network import InferenceNetwork
from .padding import PaddedNetwork
from .quantized_linear import QuantizedLinear, Ranges
from .unpadded_bert import UnpaddedAttention, UnpaddedBert


def can_quantize() -> bool:
    """Whether this version of torch has the operators."""
    return all(hasattr(torch.ops.onednn, name) for name in ("qlinear_prepack", "qlinear_pointwise"))


def make_int8_network(
    network: Any, max_pieces: int, padding: int, sample: Sequence[torch.Tensor]
) -> InferenceNetwork:
    """A network for inference in int8. Weights that are not quantized are shared with the network given.

    network: a token classifier of Hugging Face, in fp32, on the CPU; it stays as it is.
    max_pieces (int): the longest window that the network reads, in wordpieces, special tokens included.
    padding (int): the vocabulary id of the padding.
    sample: windows of text, vocabulary ids (n_pieces,), which show the ranges of numbers.
    RAISES: ImportError if this version of torch lacks the operators.
    """
    if not can_quantize():
        raise ImportError(
            f"[model] precision = 'int8': torch {torch.__version__} has no operators for it on this CPU; "
            "allowed are auto, fp32, bf16"
        )
    network.eval()
    copy = deepcopy(network, {id(weight): weight for weight in network.parameters()})
    ranges = observe_ranges(copy, sample)
    if UnpaddedBert.fits(network, max_pieces) and _has_gelu(network):
        return _quantize_bert(copy, ranges)
    for module in list(copy.base_model.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Linear and layer in ranges:
                setattr(module, name, _quantize(layer, ranges))
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
