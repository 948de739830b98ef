"""The two linear layers after BERT's attention, in integers of 8 bits."""

import torch
from torch import nn
from torch.nn import functional

from .quantized_linear import IntegerProduct, Integers, QuantizedLinear, Ranges, fit_integers

N_OUTLIERS = 8
"""The hidden units that are computed in fp32: those with the largest outputs. One or two of them may be
several times as large as all others ("LLM.int8()": Dettmers et al. 2022, arXiv 2208.07339)."""


class FirstLayer(QuantizedLinear):
    """The layer that makes the hidden units, and their GELU."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, ranges: Ranges, outputs: Integers) -> None:
        """Quantize and pack the weights.

        weight (n_hidden, n_in), bias (n_hidden,): in fp32.
        ranges (Ranges): of the inputs.
        outputs (Integers): how the hidden units become integers.
        """
        super().__init__(weight, bias, ranges)
        self.outputs = outputs

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The hidden units (n_rows, n_hidden), uint8, of inputs (n_rows, n_in) in fp32."""
        return self.product.gelu(self.quantize(inputs), self.outputs)


class SecondLayer(nn.Module):
    """The layer that reads the hidden units, and those of them that are computed in fp32."""

    def __init__(
        self, product: IntegerProduct, weight: torch.Tensor, bias: torch.Tensor, output_weight: torch.Tensor
    ) -> None:
        """Take the weights.

        product (IntegerProduct): with the hidden units as integers.
        weight (n_outliers, n_in), bias (n_outliers,): of the units computed in fp32.
        output_weight (n_outliers, n_in): what these units are multiplied with.
        """
        super().__init__()
        self.product = product
        self.weight, self.bias, self.output_weight = weight, bias, output_weight

    def forward_and_add(self, hidden: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """The output of both layers, added to their input.

        hidden (n_rows, n_hidden): what the first layer gave.
        states (n_rows, n_in): what it was given. RETURNS (n_rows, n_in).
        """
        outliers = functional.gelu(functional.linear(states, self.weight, self.bias))
        return self.product.add(hidden, torch.addmm(states, outliers, self.output_weight))


def make_feed_forward(
    first: nn.Linear, second: nn.Linear, inputs: Ranges, hidden: Ranges
) -> tuple[FirstLayer, SecondLayer]:
    """Both layers for inference.

    first, second (nn.Linear): with a GELU between them; they stay as they are.
    inputs, hidden (Ranges): of the inputs of each.
    """
    outliers = hidden.high.topk(min(N_OUTLIERS, len(hidden.high))).indices
    weight, bias, output_weight = (w.detach().clone() for w in (first.weight, first.bias, second.weight))
    apart = weight[outliers], bias[outliers], output_weight[:, outliers].T.contiguous()
    others = torch.ones(len(weight), dtype=torch.bool)
    others[outliers] = False
    weight[outliers], bias[outliers], output_weight[:, outliers] = 0.0, 0.0, 0.0
    integers = fit_integers(float(hidden.low.min()), float((hidden.high * others).max()))
    product = IntegerProduct(output_weight, second.bias.detach(), integers)
    return FirstLayer(weight, bias, inputs, integers), SecondLayer(product, *apart)
