"""Concatenated windows to rows of equal length and back, and the network that reads such rows."""

from collections.abc import Sequence
from typing import Any

import torch

from ..batching import min_cost_batches, round_up
from ..types import Ints
from .network import InferenceNetwork


def pad(
    pieces: torch.Tensor, lengths: Sequence[int], width: int, padding: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put each window in a separate row, padded to a width.

    pieces (n_pieces,): the windows, concatenated.
    lengths (n_windows,): wordpieces of each window.
    width (int): of the rows; at least the longest window.
    padding (int): the vocabulary id of the padding.
    RETURNS: ids and attention mask, both (n_windows, width), int64. ``rows[mask.bool()]`` takes the padding
        out of anything that has a value for each position.

    >>> ids, mask = pad(torch.tensor([7, 8, 9]), [1, 2], width=3, padding=0)
    >>> ids.tolist(), mask.tolist()
    ([[7, 0, 0], [8, 9, 0]], [[1, 0, 0], [1, 1, 0]])
    """
    sizes = torch.tensor(lengths, device=pieces.device)
    mask = torch.arange(width, device=pieces.device) < sizes[:, None]
    ids = pieces.new_full(mask.shape, padding)
    ids[mask] = pieces
    return ids, mask.long()


class PaddedNetwork(InferenceNetwork):
    """A network of Hugging Face, whose windows are padded to a multiple of `step` wordpieces."""

    def __init__(self, network: Any, padding: int, step: int = 1, max_width: int | None = None) -> None:
        """Read rows by a network.

        network: from input_ids and attention_mask (n_windows, width) to logits (n_windows, width, n_tags).
        padding (int): the vocabulary id of the padding.
        step (int): a batch is padded to its longest window, rounded up to a multiple of this.
        max_width (int | None): the longest row that the network takes; None: any.
        """
        self.network = network
        self.padding = padding
        self.step = step
        self.max_width = max_width

    def __call__(self, pieces: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        longest = max(lengths)
        width = round_up(longest, self.step)
        if self.max_width is not None:
            width = max(longest, min(width, self.max_width))
        ids, mask = pad(pieces, lengths, width, self.padding)
        return self.network(input_ids=ids, attention_mask=mask).logits[mask.bool()]

    def make_batches(self, lengths: Ints, max_pieces: int) -> list[Ints]:
        """Windows of like length go together; see `batching.min_cost_batches`."""
        return min_cost_batches(round_up(lengths, self.step), max_pieces)
