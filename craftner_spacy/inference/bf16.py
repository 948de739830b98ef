"""The network for inference in bf16."""

from copy import deepcopy
from typing import Any

import torch
from transformers import BertForTokenClassification

from .network import InferenceNetwork
from .packed_linear import PackedLinear, can_pack, pack
from .padding import PaddedNetwork
from .unpadded_bert import UnpaddedAttention, UnpaddedBert

WIDTH_STEP = 32
"""On the CPU, windows are padded to a multiple of this number of wordpieces, since each new shape of a
product takes time and memory (see `unpadded_bert`)."""


def make_bf16_network(network: Any, max_pieces: int, padding: int) -> InferenceNetwork:
    """A copy of a Hugging Face network for inference in bf16, on the same device.

    network: in fp32; it stays as it is.
    max_pieces (int): the longest window that the network reads, in wordpieces, special tokens included.
    padding (int): the vocabulary id of the padding.
    """
    copy = type(network).from_pretrained(
        None,
        config=network.config,
        state_dict=network.state_dict(),
        torch_dtype=torch.bfloat16,
        attn_implementation=network.config._attn_implementation,
    )
    copy = copy.to(network.device).eval().requires_grad_(False)
    if network.device.type != "cpu":
        return PaddedNetwork(copy, padding)
    if can_pack():
        if UnpaddedBert.fits(network, max_pieces):
            return pack_bert(network, copy)
        pack(copy)
    return PaddedNetwork(copy, padding, WIDTH_STEP, max_pieces)


def pack_bert(network: BertForTokenClassification, copy: BertForTokenClassification) -> UnpaddedBert:
    """A network with packed weights.

    network: in fp32; it stays as it is.
    copy: a copy in the dtype of the computation; it becomes a part of the network and is changed.
    """

    def make_linear(weight: torch.Tensor, bias: torch.Tensor) -> PackedLinear:
        return PackedLinear(weight.to(copy.dtype), bias.to(copy.dtype))

    for layer, original in zip(copy.bert.encoder.layer, network.bert.encoder.layer, strict=True):
        layer.attention.self = UnpaddedAttention(original.attention.self, make_linear)
    pack(copy.bert)
    return UnpaddedBert(copy.bert, deepcopy(network.classifier).requires_grad_(False))
