"""Linear layers for inference on the processor, their weights laid out once.

torch's linear layers hold weights as a matrix, and at each call oneDNN, which multiplies for torch on
processors, lays them out anew. torch's compiler has operators that take weights laid out before, and that do
what goes before or follows a product in the same pass. They are there without the compiler.
"""

import torch
from torch import nn
from transformers.activations import GELUActivation


def can_pack() -> bool:
    """Whether this torch and this processor have what a `PackedLinear` in bf16 needs."""
    return all(
        hasattr(torch.ops.mkldnn, name)
        for name in ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
    ) and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class PackedLinear(nn.Module):
    """A linear layer for inference on the processor. It cannot be serialized: keep what it was made of."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, activation: str = "none") -> None:
        """
        weight (n_out, n_in), bias (n_out,): in fp32 or bf16; what is multiplied is of the same type.
        activation (str): what is done with each output in the same pass: 'none' or 'gelu'.
        """
        super().__init__()
        self.activation = activation
        self.algorithm = "none" if activation == "gelu" else ""
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        # No parameter: nothing but the operator can read it.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """inputs (..., n_in), RETURNS (..., n_out)."""
        return torch.ops.mkldnn._linear_pointwise(
            inputs, self.weight, self.bias, self.activation, [], self.algorithm
        )

    def forward_and_add(self, inputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """The sum of `others` and of what a layer without an activation gives.

        inputs (..., n_in), others (..., n_out). RETURNS (..., n_out).
        """
        return torch.ops.mkldnn._linear_pointwise.binary(inputs, others, self.weight, self.bias, "add")


def pack(network: nn.Module) -> None:
    """Put a `PackedLinear` in place of each linear layer; of BERT's kind with the GELU that follows it."""
    for module in list(network.modules()):
        activation = getattr(module, "intermediate_act_fn", None)
        dense = getattr(module, "dense", None)
        if isinstance(activation, GELUActivation) and type(dense) is nn.Linear:
            module.dense = PackedLinear(dense.weight, dense.bias, "gelu")
            module.intermediate_act_fn = nn.Identity()
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child.weight, child.bias))
