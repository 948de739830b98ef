"""Inference in bf16: where it is worth it, and the network for it."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import TokenClassifierOutput

from .packed_linear import can_pack, pack
from .unpadded_bert import UnpaddedBert
from .windows import round_up

LENGTH_STEP = 32
"""Where windows are padded on the processor, it is to a multiple of so many wordpieces, since each new shape
costs time and memory (see `unpadded_bert`)."""


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

    network: in fp32; it stays as it is.
    max_pieces (int): the longest window that the network takes, in wordpieces.
    RETURNS: takes input_ids and attention_mask (n_windows, n_pieces), gives logits as the network does, in
        bf16 or fp32. On the processor its attribute `pads_to` says to a multiple of how many wordpieces it
        pads windows; 0: it does not.
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
        return copy
    if can_pack():
        if UnpaddedBert.fits(network, max_pieces):
            return UnpaddedBert(network, copy)
        pack(copy)
    return PaddedNetwork(copy, max_pieces)


class PaddedNetwork(nn.Module):
    """A network whose windows are padded to one of few lengths."""

    pads_to = LENGTH_STEP

    def __init__(self, network: nn.Module, max_pieces: int) -> None:
        """max_pieces (int): the longest window that the network takes, in wordpieces."""
        super().__init__()
        self.network = network
        self.max_pieces = max_pieces

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> TokenClassifierOutput:
        """input_ids, attention_mask (n_windows, n_pieces). RETURNS: with logits of the same windows."""
        length = input_ids.shape[1]
        more = (0, max(0, min(round_up(length, LENGTH_STEP), self.max_pieces) - length))
        output = self.network(
            input_ids=functional.pad(input_ids, more), attention_mask=functional.pad(attention_mask, more)
        )
        return TokenClassifierOutput(logits=output.logits[:, :length])
