"""Inference in bf16: on processors with weights that are laid out once for their units.

torch's linear layers hold weights as a matrix, and at each call oneDNN, which multiplies for torch on
processors, lays them out anew. torch's compiler has operators that take weights laid out before, and that do
what follows a product in the same pass. They are there without the compiler.
"""

from typing import Any

import torch
from torch import nn
from transformers.activations import GELUActivation

MOST_WRITTEN_OUT = 512
"""Wordpieces in a window up to which attention is written out in bf16 on the processor. That took 5 to 20%
less time than the fused kernel with the small model and BERT's shape, in windows of 128 to 512 wordpieces on
two cores of an AMD EPYC with AVX512-BF16; but its memory grows with the square of the window."""

LENGTH_STEP = 16
"""On the processor windows are padded to a multiple of so many wordpieces. oneDNN makes kernels for each
shape that it meets: 1.5 ms for one window of the small model, 11 ms for eight, on that EPYC. The wordpieces
between cost no time that could be measured."""


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
    """
    on_cpu = network.device.type == "cpu"
    written_out = on_cpu and max_pieces <= MOST_WRITTEN_OUT
    copy = type(network).from_pretrained(
        None,
        config=network.config,
        state_dict=network.state_dict(),
        torch_dtype=torch.bfloat16,
        attn_implementation="eager" if written_out else network.config._attn_implementation,
    )
    copy = copy.to(network.device).eval()
    if on_cpu and can_pack():
        pack(copy)
    return copy


def can_pack() -> bool:
    """Whether this torch and this processor have what `PackedLinear` needs."""
    return all(
        hasattr(torch.ops.mkldnn, name)
        for name in ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
    ) and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class PackedLinear(nn.Module):
    """A linear layer in bf16 for inference on the processor, its weights laid out for oneDNN's kernels."""

    def __init__(self, linear: nn.Linear, activation: str = "none") -> None:
        """activation (str): what is done with each output in the same pass: 'none' or 'gelu'."""
        super().__init__()
        self.activation = activation
        self.algorithm = "none" if activation == "gelu" else ""
        self.bias = linear.bias
        # No parameter: nothing but the operator can read it.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """inputs (..., n_in), RETURNS (..., n_out)."""
        return torch.ops.mkldnn._linear_pointwise(
            inputs, self.weight, self.bias, self.activation, [], self.algorithm
        )


def pack(network: nn.Module) -> None:
    """Put a `PackedLinear` in place of each linear layer; of BERT's kind with the GELU that follows it."""
    for module in list(network.modules()):
        activation = getattr(module, "intermediate_act_fn", None)
        if isinstance(activation, GELUActivation) and isinstance(module.dense, nn.Linear):
            module.dense = PackedLinear(module.dense, "gelu")
            module.intermediate_act_fn = nn.Identity()
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child))
