"""Linear layers in integers of 8 bits: near the layer in fp32, whatever the ranges of its inputs."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from craftner_spacy.inference.int8 import can_quantize
from craftner_spacy.inference.quantized_linear import (
    LARGEST,
    MARGIN,
    IntegerProduct,
    Integers,
    QuantizedLinear,
    Ranges,
    fit_integers,
    smoothing_factors,
)

pytestmark = pytest.mark.skipif(not can_quantize(), reason="this version of torch lacks the operators")


def make_inputs(n_rows: int = 64, n_in: int = 48, outlier: float = 1.0) -> torch.Tensor:
    """Random inputs, of which the first is larger than the others, and of one sign."""
    inputs = torch.randn(n_rows, n_in, generator=torch.Generator().manual_seed(0))
    inputs[:, 0] = outlier * (3 + inputs[:, 0])
    return inputs


def ranges_of(inputs: torch.Tensor) -> Ranges:
    return Ranges(*torch.aminmax(inputs, dim=0))


@pytest.fixture
def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(48, 32).requires_grad_(False)


def relative_error(outputs: torch.Tensor, expected: torch.Tensor) -> float:
    return float((outputs - expected).abs().mean() / expected.abs().mean())


@pytest.mark.parametrize("outlier", [1.0, 30.0])
def test_outputs_are_near_those_in_fp32(layer: nn.Linear, outlier: float) -> None:
    inputs = make_inputs(outlier=outlier)
    quantized = QuantizedLinear(layer.weight, layer.bias, ranges_of(inputs))
    outputs = quantized(inputs)
    assert outputs.dtype == torch.float32
    assert not torch.equal(outputs, layer(inputs))
    assert relative_error(outputs, layer(inputs)) < 0.02


def test_a_layer_without_bias(layer: nn.Linear) -> None:
    inputs = make_inputs()
    outputs = QuantizedLinear(layer.weight, None, ranges_of(inputs))(inputs)
    assert relative_error(outputs, functional.linear(inputs, layer.weight)) < 0.02


def test_outputs_in_bf16(layer: nn.Linear) -> None:
    inputs = make_inputs()
    outputs = QuantizedLinear(layer.weight, layer.bias, ranges_of(inputs), torch.bfloat16)(inputs)
    assert outputs.dtype == torch.bfloat16
    assert relative_error(outputs.float(), layer(inputs)) < 0.02


def test_outputs_added_to_others(layer: nn.Linear) -> None:
    inputs, others = make_inputs(), torch.randn(64, 32)
    quantized = QuantizedLinear(layer.weight, layer.bias, ranges_of(inputs))
    expected = quantized(inputs) + others
    assert torch.allclose(quantized.forward_and_add(inputs, others.clone()), expected, atol=1e-5)


def test_rows_of_several_dimensions(layer: nn.Linear) -> None:
    inputs = make_inputs()
    quantized = QuantizedLinear(layer.weight, layer.bias, ranges_of(inputs))
    assert torch.equal(quantized(inputs.view(8, 8, 48)), quantized(inputs).view(8, 8, 32))


def test_a_row_does_not_depend_on_the_others(layer: nn.Linear) -> None:
    inputs = make_inputs()
    quantized = QuantizedLinear(layer.weight, layer.bias, ranges_of(inputs))
    alone = torch.cat([quantized(row[None]) for row in inputs])
    beside_large_ones = quantized(torch.cat([inputs, 1000 * inputs]))[: len(inputs)]
    assert torch.allclose(alone, beside_large_ones, atol=1e-5)


def test_inputs_outside_the_ranges_get_the_nearest_integer(layer: nn.Linear) -> None:
    inputs = make_inputs()
    quantized = QuantizedLinear(layer.weight, layer.bias, ranges_of(inputs))
    assert quantized.quantize(1e6 * inputs.abs()).unique().tolist() == [LARGEST]
    assert quantized.quantize(-1e6 * inputs.abs()).unique().tolist() == [0]


def test_inputs_are_rounded_to_the_nearest_integer() -> None:
    inputs = torch.linspace(-1, 1, 501)[:, None]
    quantized = QuantizedLinear(torch.ones(1, 1), None, ranges_of(inputs))
    assert float((quantized(inputs) - inputs).abs().max()) <= 1.01 * MARGIN / LARGEST


def test_constant_inputs_and_weights_of_zero() -> None:
    inputs = torch.zeros(4, 3)
    outputs = QuantizedLinear(torch.zeros(2, 3), torch.tensor([1.0, -2.0]), ranges_of(inputs))(inputs)
    assert torch.allclose(outputs, torch.tensor([1.0, -2.0]).expand(4, 2))


def test_zero_is_exact_for_hidden_units() -> None:
    for low, high in ((-0.17, 5.0), (0.5, 3.0), (-4.0, -1.0), (0.0, 0.0)):
        scale, zero_point = fit_integers(low, high)
        assert 0 <= zero_point <= LARGEST
        assert scale > 0


def test_factors_level_the_ranges_of_inputs() -> None:
    half, weight = torch.tensor([30.0, 1.0, 1.0]), torch.ones(2, 3)
    factors = smoothing_factors(half, weight)
    assert float(factors.mean()) == pytest.approx(1.0)
    assert float((half / factors).max() / (half / factors).min()) < 3


def test_the_gelu_as_integers() -> None:
    inputs = torch.arange(0, 200, dtype=torch.uint8).view(50, 4)
    product = IntegerProduct(torch.eye(4), torch.zeros(4), Integers(0.02, 100))
    outputs = fit_integers(-0.17, 2.0)
    values = (product.gelu(inputs, outputs).float() - outputs.zero_point) * outputs.scale
    expected = functional.gelu((inputs.float() - 100) * 0.02)
    assert float((values - expected).abs().max()) < 1.5 * outputs.scale
