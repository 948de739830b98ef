"""Inference in bf16: where it is worth it, and the network for it."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import TokenClassifierOutput

from .packed_bert import PackedBert, can_pack, copy_as, pack

LENGTH_STEP = 32
"""Where windows are padded, it is to a multiple of so many wordpieces on the processor, where each new shape
costs time and memory (see `packed_bert`)."""


def has_bf16_units(device: str) -> bool:
    """Whether the device multiplies matrices in bf16 faster than in fp32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))


def copy_in_bf16(network: Any, max_pieces: int) -> Any:
    """A copy of a Hugging Face network for inference in bf16, on the same device.

    max_pieces (int): the longest window that the network takes, in wordpieces.
    RETURNS: takes input_ids and attention_mask (n_windows, n_pieces), gives logits as the network does.
    """
    on_cpu = network.device.type == "cpu"
    if on_cpu and can_pack() and PackedBert.fits(network, max_pieces):
        return PackedBert(network, torch.bfloat16)
    copy = copy_as(network, torch.bfloat16)
    if on_cpu and can_pack():
        pack(copy)
    return PaddedNetwork(copy, max_pieces) if on_cpu else copy


class PaddedNetwork(nn.Module):
    """A network whose windows are padded to one of few lengths."""

    def __init__(self, network: nn.Module, max_pieces: int) -> None:
        super().__init__()
        self.network = network
        self.max_pieces = max_pieces

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> TokenClassifierOutput:
        """input_ids, attention_mask (n_windows, n_pieces). RETURNS: with logits of the same windows."""
        length = input_ids.shape[1]
        more = (0, min(-(-length // LENGTH_STEP) * LENGTH_STEP, self.max_pieces) - length)
        output = self.network(
            input_ids=functional.pad(input_ids, more), attention_mask=functional.pad(attention_mask, more)
        )
        return TokenClassifierOutput(logits=output.logits[:, :length])
