"""What a small sample of text shows: the ranges of inputs of layers, and the effect of precision."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from ..windows import cut_range
from ..wordpieces import SpecialPieces, split_texts
from .network import InferenceNetwork
from .quantized_linear import Ranges

SAMPLE = tuple((Path(__file__).parent / "sample.txt").read_text(encoding="utf8").splitlines())
"""Paragraphs of our own in the manner of papers: names, numbers, units, references, captions."""

N_SPREAD = 128
"""Wordpieces from all over the vocabulary in the sample, for words that its text does not have."""


def sample_windows(tokenizer: Any, special: SpecialPieces, max_pieces: int) -> list[torch.Tensor]:
    """The wordpieces of the sample as the encoder reads them.

    tokenizer: see `wordpieces.split_texts`.
    max_pieces (int): the longest window, in wordpieces, special tokens not counted.
    RETURNS: the vocabulary ids of each window (n_pieces,), int64.
    """
    texts = [text.ids.tolist() for text in split_texts(tokenizer, SAMPLE)]
    texts.append(list(range(0, len(tokenizer), -(-len(tokenizer) // N_SPREAD))))
    return [
        torch.tensor([*special.prefix, *ids[start:end], *special.suffix])
        for ids in texts
        for start, end in cut_range(0, len(ids), max_pieces)
    ]


class Observed(NamedTuple):
    """What a network computes of a sample.

    ranges: of the inputs of each linear layer that is used, by the layer's name in the network.
    probabilities (n_pieces, n_tags): of the tags of each wordpiece.
    """

    ranges: dict[str, Ranges]
    probabilities: torch.Tensor


def observe(network: nn.Module, windows: Sequence[torch.Tensor]) -> Observed:
    """Compute a sample and note the ranges of the inputs of linear layers.

    network: a token classifier of Hugging Face, in fp32 and ready for inference; it stays as it is.
    windows: vocabulary ids of each window (n_pieces,).
    """
    ranges: dict[str, Ranges] = {}

    def note(name: str, layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        rows = inputs[0].detach().flatten(0, -2)
        ranges[name] = ranges[name].take(rows) if name in ranges else Ranges(*torch.aminmax(rows, dim=0))

    hooks = [
        layer.register_forward_pre_hook(partial(note, name))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        with torch.inference_mode():
            logits = [
                network(input_ids=window[None], attention_mask=torch.ones_like(window[None])).logits[0]
                for window in windows
            ]
    finally:
        for hook in hooks:
            hook.remove()
    return Observed(ranges, torch.softmax(torch.cat(logits), dim=-1))


def probability_change(
    network: InferenceNetwork, windows: Sequence[torch.Tensor], probabilities: torch.Tensor
) -> float:
    """How much probability a network gives to other tags than it should, as a mean over wordpieces.

    windows: vocabulary ids of each window (n_pieces,).
    probabilities (n_pieces, n_tags): what it should give.
    RETURNS (float): from 0 to 1; NaN if scores are NaN.
    """
    with torch.inference_mode():
        logits = network(torch.cat(list(windows)), [len(window) for window in windows])
        moved = (torch.softmax(logits.float(), dim=-1) - probabilities).abs().sum(dim=-1) / 2
    return float(moved.mean())
