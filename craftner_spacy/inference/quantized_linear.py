"""Linear layers for inference on the CPU whose products are computed in integers of 8 bits.

Inputs become unsigned integers by a scale and a zero point of the layer, which are fixed: a text has the same
scores alone and beside others. Weights become signed integers by a scale for each output. oneDNN, torch's
library for matrix products on CPUs, multiplies them, and computes an activation or a sum in the same pass.

Some inputs of BERT-like networks have a much larger range than the others, and would decide the scale of
all. So each input is shifted to the middle of its range, and divided by a factor by which its weights are
multiplied ("SmoothQuant": Xiao et al. 2023, arXiv 2211.10438).
"""

import math
from typing import NamedTuple

import torch
from torch import nn

LARGEST = 255
"""The largest integer that an input becomes."""

SMOOTHING = 0.8
"""The share of an input's range that its factor takes, as an exponent: 0 leaves all ranges as they are, 1
makes them equal."""


MARGIN = 2.0
"""How far inputs may leave the ranges that the sample shows, on both sides of the middle. Of 1, 1.5 and 2 the
small model keeps as many entities with any; a vocabulary that the sample hardly shows needs 2."""


class Ranges(NamedTuple):
    """The least and the largest value of each input of a layer, in some text.

    low, high (n_in,): in fp32.
    """

    low: torch.Tensor
    high: torch.Tensor

    def take(self, inputs: torch.Tensor) -> "Ranges":
        """The ranges with those of `inputs` (n_rows, n_in) included.

        >>> Ranges(torch.tensor([0.0]), torch.tensor([1.0])).take(torch.tensor([[3.0], [2.0]])).high.item()
        3.0
        """
        low, high = torch.aminmax(inputs, dim=0)
        return Ranges(torch.minimum(self.low, low), torch.maximum(self.high, high))


class Integers(NamedTuple):
    """How numbers become unsigned integers of 8 bits: divided by `scale`, and `zero_point` added."""

    scale: float
    zero_point: int


def fit_integers(low: float, high: float) -> Integers:
    """The scale and the zero point that spread a range over all integers; 0 stays exact.

    A range that is no number, of damaged weights, gives a scale that is none, and so outputs that are none.

    >>> fit_integers(-1.0, 254.0)
    Integers(scale=1.0, zero_point=1)
    """
    if not math.isfinite(high - low):
        return Integers(math.nan, 0)
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / LARGEST, 1e-12)
    return Integers(scale, round(-low / scale))


class QuantizedLinear(nn.Module):
    """A linear layer with weights in 8 bits. It cannot be serialized."""

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        ranges: Ranges,
        output_dtype: torch.dtype = torch.float32,
    ) -> None:
        """Quantize and pack the weights of a linear layer.

        weight (n_out, n_in), bias (n_out,): in fp32.
        ranges (Ranges): of the inputs.
        output_dtype (torch.dtype): fp32 or bf16.
        """
        super().__init__()
        middle, half = (ranges.low + ranges.high) / 2, (ranges.high - ranges.low) / 2
        factors = smoothing_factors(half, weight)
        reach = MARGIN * float((half / factors).max())
        integers = fit_integers(-reach, reach)
        steps = factors * integers.scale
        self.multiplier = 1 / steps
        # Half an integer more: the conversion to integers cuts off.
        self.shift = integers.zero_point + 0.5 - middle / steps
        self.product = IntegerProduct(weight * factors, _bias(weight, bias) + weight @ middle, integers)
        self.output_dtype = output_dtype

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute outputs (n_rows, n_out) of inputs (n_rows, n_in) in fp32."""
        return self.product(self.quantize(inputs), self.output_dtype)

    def forward_and_add(self, inputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """The outputs, added to `others`; see `PackedLinear.forward_and_add`."""
        return self.product.add(self.quantize(inputs), others)

    def quantize(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs (n_rows, n_in) as integers, uint8; those outside the ranges get the nearest one."""
        shifted = torch.addcmul(self.shift, inputs, self.multiplier).clamp_(0, LARGEST)
        # By way of int32: torch converts fp32 to 8 bits without vector instructions, five times slower.
        return shifted.to(torch.int32).to(torch.uint8)


def smoothing_factors(half: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The number that each input of a layer is divided by.

    half (n_in,): half the range of each input.
    weight (n_out, n_in): the layer's weights.
    RETURNS (n_in,): their mean is 1.

    >>> smoothing_factors(torch.tensor([1.0, 1.0]), torch.tensor([[2.0, -2.0]])).tolist()
    [1.0, 1.0]
    """
    ranges, weights = half.clamp(min=1e-5), weight.abs().amax(dim=0).clamp(min=1e-5)
    factors = ranges**SMOOTHING / weights ** (1 - SMOOTHING)
    return factors / factors.mean()


class IntegerProduct:
    """The product of integers with a layer's weights, which are packed once, and what follows it."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, inputs: Integers) -> None:
        """Quantize and pack the weights.

        weight (n_out, n_in), bias (n_out,): in fp32.
        inputs (Integers): how the inputs became integers.
        """
        self.inputs = inputs
        self.scales = weight.abs().amax(dim=1).clamp(min=1e-12) / 127
        self.zero_points = torch.zeros(len(weight), dtype=torch.int64)
        self.bias = bias
        integers = (weight / self.scales[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(integers, None)

    def __call__(self, inputs: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The outputs (n_rows, n_out), in fp32 or bf16, of integers (n_rows, n_in)."""
        return self._compute(inputs, Integers(1.0, 0), dtype, "none")

    def gelu(self, inputs: torch.Tensor, outputs: Integers) -> torch.Tensor:
        """The GELU of the outputs (n_rows, n_out), as integers."""
        return self._compute(inputs, outputs, torch.uint8, "gelu")

    def add(self, inputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """The outputs in fp32, added to `others` (n_rows, n_out), which is overwritten."""
        return torch.ops.onednn.qlinear_pointwise.binary(
            inputs, *self.inputs, self.weight, self.scales, self.zero_points, others, self.bias,
            1.0, 0, torch.float32, 1.0, 0, "sum", 1.0, "none", [], "",
        )  # fmt: skip

    def _compute(
        self, inputs: torch.Tensor, outputs: Integers, dtype: torch.dtype, activation: str
    ) -> torch.Tensor:
        return torch.ops.onednn.qlinear_pointwise(
            inputs, *self.inputs, self.weight, self.scales, self.zero_points, self.bias,
            *outputs, dtype, activation, [], "none" if activation == "gelu" else "",
        )  # fmt: skip


def _bias(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return weight.new_zeros(len(weight)) if bias is None else bias
