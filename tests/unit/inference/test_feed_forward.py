"""BERT's feed-forward layers in integers of 8 bits: large hidden units do not spoil the others."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from craftner_spacy.inference.feed_forward import N_OUTLIERS, make_feed_forward
from craftner_spacy.inference.int8 import can_quantize
from craftner_spacy.inference.quantized_linear import Ranges

pytestmark = pytest.mark.skipif(not can_quantize(), reason="this version of torch lacks the operators")


@pytest.mark.parametrize("n_hidden", [4, 96])
@pytest.mark.parametrize("outlier", [1.0, 40.0])
def test_outputs_are_near_those_in_fp32(n_hidden: int, outlier: float) -> None:
    torch.manual_seed(0)
    first, second = (nn.Linear(n, m).requires_grad_(False) for n, m in ((24, n_hidden), (n_hidden, 24)))
    first.weight[2] *= outlier
    weights = first.weight.clone(), second.weight.clone()
    states = torch.randn(64, 24)
    hidden = functional.gelu(first(states))
    ranges = [Ranges(*torch.aminmax(inputs, dim=0)) for inputs in (states, hidden)]
    start, end = make_feed_forward(first, second, *ranges)
    assert torch.equal(first.weight, weights[0]), "the layers given stay as they are"
    assert torch.equal(second.weight, weights[1])
    integers = start(states)
    assert integers.dtype == torch.uint8
    expected = second(hidden)
    outputs = end.forward_and_add(integers, states.clone()) - states
    assert float((outputs - expected).abs().mean() / expected.abs().mean()) < 0.03
    assert end.weight.shape == (min(N_OUTLIERS, n_hidden), 24)
