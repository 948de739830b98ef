"""The numeric precision of inference: which there are, which one `auto` takes, and the network for each."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch

from .bf16 import has_bf16_units, make_bf16_network
from .int8 import make_int8_network
from .network import InferenceNetwork
from .padding import PaddedNetwork

Precision = Literal["auto", "fp32", "bf16", "int8"]
PRECISIONS: tuple[str, ...] = get_args(Precision)


def resolve_precision(precision: str, device: str) -> str:
    """What a setting stands for on a device: ``auto`` is bf16 where it is faster than fp32, else fp32.

    precision (str): one of `PRECISIONS`.
    device (str): the device's type.
    RETURNS (str): 'fp32', 'bf16' or 'int8'.

    >>> resolve_precision("int8", "cpu")
    'int8'
    """
    if precision != "auto":
        return precision
    return "bf16" if has_bf16_units(device) else "fp32"


def make_network(
    network: Any,
    precision: str,
    max_pieces: int,
    padding: int,
    sample: Callable[[], Sequence[torch.Tensor]],
) -> InferenceNetwork:
    """The network for inference in a precision, on the device of the network given.

    network: a token classifier of Hugging Face, in fp32; in fp32 it is used as it is, else copied.
    precision (str): 'fp32', 'bf16' or 'int8'.
    max_pieces (int): the longest window that the network reads, in wordpieces, special tokens included.
    padding (int): the vocabulary id of the padding.
    sample (Callable): gives windows of text, vocabulary ids (n_pieces,), for int8; see `make_int8_network`.
    RAISES: ValueError for int8 on another device than the CPU; ImportError for int8 with a version of torch
        that lacks the operators.
    """
    if precision == "bf16":
        return make_bf16_network(network, max_pieces, padding)
    if precision == "int8":
        if network.device.type != "cpu":
            raise ValueError(
                f"[model] precision = 'int8' with the model on {network.device}: it is for the CPU; allowed "
                "there are auto, fp32, bf16"
            )
        return make_int8_network(network, max_pieces, padding, sample())
    return PaddedNetwork(network.eval(), padding)
