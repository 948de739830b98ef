"""The ranges of the inputs of a network's linear layers, from a small sample of text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..windows import cut_range
from ..wordpieces import SpecialPieces, split_texts
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


def observe_ranges(network: nn.Module, windows: Sequence[torch.Tensor]) -> dict[nn.Module, Ranges]:
    """The ranges of the inputs of each linear layer that the network uses for these windows.

    network: a token classifier of Hugging Face, in fp32; it stays as it is.
    windows: vocabulary ids of each window (n_pieces,).
    """
    ranges: dict[nn.Module, Ranges] = {}

    def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        rows = inputs[0].detach().flatten(0, -2)
        if layer in ranges:
            ranges[layer] = ranges[layer].take(rows)
        else:
            ranges[layer] = Ranges(*torch.aminmax(rows, dim=0))

    hooks = [
        layer.register_forward_pre_hook(note) for layer in network.modules() if isinstance(layer, nn.Linear)
    ]
    try:
        with torch.inference_mode():
            for window in windows:
                network(input_ids=window[None], attention_mask=torch.ones_like(window[None]))
    finally:
        for hook in hooks:
            hook.remove()
    return ranges
