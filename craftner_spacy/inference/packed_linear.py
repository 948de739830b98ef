"""Linear layers for inference on the CPU, with weights that are packed once.

torch's linear layers hold weights as a matrix, and oneDNN, torch's library for matrix products on CPUs, packs
them into its own layout at each call. torch's compiler has operators that take packed weights and compute an
activation or a sum in the same pass. They can be used without the compiler.
"""

import torch
from torch import nn
from transformers.activations import GELUActivation


def can_pack() -> bool:
    """Whether this version of torch and this CPU have what a `PackedLinear` in bf16 needs."""
    return all(
        hasattr(torch.ops.mkldnn, name)
        for name in ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
    ) and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class PackedLinear(nn.Module):
    """A linear layer for inference on the CPU. It cannot be serialized."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, activation: str = "none") -> None:
        """Pack the weights of a linear layer.

        weight (n_out, n_in), bias (n_out,): in fp32 or bf16; the inputs have to be of the same dtype.
        activation (str): applied to the outputs in the same pass: 'none' or 'gelu'.
        """
        super().__init__()
        self.activation = activation
        self.algorithm = "none" if activation == "gelu" else ""
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        # Not a parameter: only the operator can read the packed layout.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute outputs (..., n_out) of inputs (..., n_in)."""
        return torch.ops.mkldnn._linear_pointwise(
            inputs, self.weight, self.bias, self.activation, [], self.algorithm
        )

    def forward_and_add(self, inputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """The outputs of a layer without an activation, added to `others`.

        inputs (..., n_in), others (..., n_out). RETURNS (..., n_out).
        """
        return torch.ops.mkldnn._linear_pointwise.binary(inputs, others, self.weight, self.bias, "add")


def pack(network: nn.Module) -> None:
    """Replace each linear layer by a `PackedLinear`; in BERT-like networks with the GELU that follows it."""
    for module in list(network.modules()):
        activation = getattr(module, "intermediate_act_fn", None)
        dense = getattr(module, "dense", None)
        if isinstance(activation, GELUActivation) and type(dense) is nn.Linear:
            module.dense = PackedLinear(dense.weight, dense.bias, "gelu")
            module.intermediate_act_fn = nn.Identity()
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child.weight, child.bias))
