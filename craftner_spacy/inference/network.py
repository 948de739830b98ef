"""The interface of networks for inference."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from ..types import Ints


class InferenceNetwork(ABC):
    """A token classifier as it is used for inference; each backend pads windows as it likes, or not at all.

    The windows of a batch are concatenated without padding, special tokens included, and so are their logits.
    """

    @abstractmethod
    def __call__(self, pieces: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Score the wordpieces of a batch of windows.

        pieces (n_pieces,): vocabulary ids, int64, on the network's device.
        lengths (n_windows,): wordpieces of each window, at least one; their sum is n_pieces.
        RETURNS (n_pieces, n_tags): logits, in any floating type.
        """

    @abstractmethod
    def make_batches(self, lengths: Ints, max_pieces: int) -> list[Ints]:
        """Group windows into batches that the backend reads fast.

        lengths (n_windows,): wordpieces of each window, special tokens included.
        max_pieces (int): the most wordpieces in a batch, padding included. A longer window is a batch alone.
        RETURNS: indices of the windows of each batch.
        """
