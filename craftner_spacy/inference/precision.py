"""The numeric precision of inference: which there are, which one `auto` takes, and the network for each."""

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch

from .bf16 import make_bf16_network
from .calibration import observe, probability_change
from .int8 import can_quantize, make_int8_network
from .network import InferenceNetwork
from .padding import PaddedNetwork
from .units import has_bf16_units, is_slow_in_int8, prefers_int8

logger = logging.getLogger(__name__)

Precision = Literal["auto", "fp32", "bf16", "int8"]
PRECISIONS: tuple[str, ...] = get_args(Precision)

MAX_CHANGE = 0.007
"""The most by which int8 may change the probabilities of a sample for `auto` to take it. With the small model
1.2 to 1.4% of the entities differ from those of fp32 for each 0.01 of it (seven ways to quantize, of 0.003 to
0.019), so this is about 1% of the entities; int8 as it is has 0.0034."""


class Inference(NamedTuple):
    """A network for inference, and its precision: 'fp32', 'bf16' or 'int8'."""

    precision: str
    network: InferenceNetwork


def training_precision(precision: str, device: str) -> str:
    """The precision of the operations in training.

    precision (str): one of `PRECISIONS`; ``auto`` is bf16 where the device has units for it.
    device (str): the device's type.
    RETURNS (str): 'fp32' or 'bf16'.

    >>> training_precision("int8", "cpu")
    'fp32'
    """
    in_bf16 = precision == "bf16" or (precision == "auto" and has_bf16_units(device))
    return "bf16" if in_bf16 else "fp32"


def make_inference(
    network: Any,
    precision: str,
    max_pieces: int,
    padding: int,
    sample: Callable[[], Sequence[torch.Tensor]],
) -> Inference:
    """Make the network for inference in a precision, on the device of the network given.

    ``auto`` takes int8 where it is the fastest and hardly changes what the network says of the sample, else
    bf16 where the device has units for it, else fp32.

    network: a token classifier of Hugging Face, in fp32; in fp32 it is used as it is, else copied.
    precision (str): one of `PRECISIONS`.
    max_pieces (int): the longest window that the network reads, in wordpieces, special tokens included.
    padding (int): the vocabulary id of the padding.
    sample (Callable): gives windows of text, vocabulary ids (n_pieces,), for int8; see `calibration`.
    RAISES: ValueError for int8 on another device than the CPU; ImportError for int8 with a version of torch
        that lacks the operators.
    """
    device = network.device.type
    if precision == "int8":
        _check_int8(network.device)
    if precision == "int8" or (precision == "auto" and prefers_int8(device) and can_quantize()):
        windows = sample()
        observed = observe(network.eval(), windows)
        quantized = make_int8_network(network, max_pieces, padding, observed.ranges)
        if precision == "int8":
            return Inference("int8", quantized)
        change = probability_change(quantized, windows, observed.probabilities)
        if change <= MAX_CHANGE:
            return Inference("int8", quantized)
        logger.info("int8 changes the probabilities of a sample by %.3f: it is not used", change)
    if precision == "bf16" or (precision == "auto" and has_bf16_units(device)):
        return Inference("bf16", make_bf16_network(network, max_pieces, padding))
    return Inference("fp32", PaddedNetwork(network.eval(), padding))


def _check_int8(device: torch.device) -> None:
    """Raise an error where int8 cannot be computed, warn where it is slow."""
    if device.type != "cpu":
        raise ValueError(
            f"[model] precision = 'int8' with the model on {device}: it is for the CPU; allowed there are "
            "auto, fp32, bf16"
        )
    if not can_quantize():
        raise ImportError(
            f"[model] precision = 'int8': torch {torch.__version__} has no operators for it on this CPU; "
            "allowed are auto, fp32, bf16"
        )
    if is_slow_in_int8():
        warnings.warn(
            "[model] precision = 'int8': this CPU has neither AVX512 nor VNNI, so int8 is far slower than "
            "fp32; auto takes what is fast",
            stacklevel=2,
        )
