"""BERT for inference on the CPU, without padding: the windows of a batch are concatenated.

oneDNN, torch's library for matrix products on CPUs, makes kernels for each new shape and keeps them: 1.5 to
11 ms and 0.5 MB each in bf16, measured on two cores of an AMD EPYC with AVX512-BF16. So the number of shapes
is kept small: rows and widths are rounded up.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import BertForTokenClassification, BertModel
from transformers.models.bert.modeling_bert import BertSelfAttention

from ..batching import greedy_batches, round_up
from ..types import Ints
from .network import InferenceNetwork

MakeLinear = Callable[[torch.Tensor, torch.Tensor], nn.Module]

MAX_POSITIONS = 512
"""The longest window, in wordpieces, whose attention scores are computed whole: they grow by its square."""

ROW_STEP = 32
"""A batch of up to 512 wordpieces is padded to a multiple of this number. A larger one is padded to a
multiple of an eighth of the next power of two, so that there are few sizes."""

WIDTH_STEP = 32
"""In attention, windows are padded to a multiple of this number of wordpieces. With 16 the small model was
1.5% faster on that CPU, and took twice the memory for kernels."""

GROUP_PIECES = 512
"""The most wordpieces in a group of windows whose attention is computed at once; a longer window is a group
alone. With 1,024 the small model took the same time on that CPU, and more memory."""

SAFE_SUM_RANGE = (1e-20, 1e35)
"""The range in which a sum of exponentials can be trusted. Above it a term, or its product with a value of up
to 3,000, may have overflowed (3e38); below it a term that matters may have been lost (1e-38)."""


def rows_for(n_pieces: int) -> int:
    """The number of rows that a batch is padded to.

    n_pieces (int): wordpieces of the batch.

    >>> [rows_for(n) for n in (1, 64, 200, 513, 1100, 2040)]
    [32, 64, 224, 640, 1280, 2048]
    """
    step = ROW_STEP if n_pieces <= 512 else 2 ** (n_pieces - 1).bit_length() // 8
    return round_up(n_pieces, step)


class Group(NamedTuple):
    """Windows of a batch whose attention is computed at once, padded to one width.

    first (int): the row of their first wordpiece.
    lengths: wordpieces of each window; their rows follow one another.
    width (int): wordpieces that each is padded to.
    """

    first: int
    lengths: list[int]
    width: int


def group_windows(lengths: list[int]) -> list[Group]:
    """Group neighbouring windows that are padded to the same width; the size of a group is a power of two.

    lengths: wordpieces of each window, at least one; their rows follow one another.

    >>> group_windows([40, 33, 48])
    [Group(first=0, lengths=[40, 33], width=64), Group(first=73, lengths=[48], width=64)]
    """
    groups = []
    first = 0
    for width, same in groupby(lengths, lambda length: round_up(length, WIDTH_STEP)):
        left = list(same)
        while left:
            n = min(len(left), max(1, GROUP_PIECES // width)).bit_length() - 1
            groups.append(Group(first, left[: 2**n], width))
            first += sum(left[: 2**n])
            left = left[2**n :]
    return groups


class UnpaddedAttention(nn.Module):
    """BERT's self-attention for windows that are concatenated.

    Queries, keys and values come from one product. The softmax is computed by its definition, exponentials
    divided by their sum. The sum is the last column of the product with the values, each of which is
    followed by a 1. Padding has zeros for queries, keys, values and that 1, so that no mask is needed.
    """

    def __init__(self, attention: BertSelfAttention, make_linear: MakeLinear) -> None:
        """Take the weights of a layer.

        attention (BertSelfAttention): with absolute positions; it stays as it is.
        make_linear: makes the layer that computes queries, keys and values, from its weights (n_out, n_in)
            and bias (n_out,) in fp32.
        """
        super().__init__()
        self.n_heads, self.size = attention.num_attention_heads, attention.attention_head_size
        query, key, value = (
            (layer.weight.detach().float(), layer.bias.detach().float())
            for layer in (attention.query, attention.key, attention.value)
        )
        n_in = query[0].shape[1]
        values = value[0].new_zeros(self.n_heads, self.size + 1, n_in)
        values[:, : self.size] = value[0].view(self.n_heads, self.size, n_in)
        ones = value[1].new_ones(self.n_heads, self.size + 1)
        ones[:, : self.size] = value[1].view(self.n_heads, self.size)
        scale = self.size**-0.5
        self.qkv_proj = make_linear(
            torch.cat([query[0] * scale, key[0], values.view(-1, n_in)]),
            torch.cat([query[1] * scale, key[1], ones.view(-1)]),
        )

    def forward(self, states: torch.Tensor, groups: list[Group]) -> torch.Tensor:
        """Attend within windows.

        states (n_rows, n_in). RETURNS (n_rows, n_inner): zeros for rows that are in no group.
        """
        n_inner, size = self.n_heads * self.size, self.size
        projected = self.qkv_proj(states)
        attended = states.new_zeros(len(states), self.n_heads, size)
        for first, lengths, width in groups:
            n, rows = len(lengths), slice(first, first + sum(lengths))
            padded = projected.new_zeros(n, width, projected.shape[1])
            for place, window in zip(padded, projected[rows].split(lengths), strict=True):
                place[: len(window)] = window
            queries, keys, values = (
                part.unflatten(2, (self.n_heads, -1)).transpose(1, 2).flatten(0, 1)
                for part in padded.split([n_inner, n_inner, n_inner + self.n_heads], dim=2)
            )
            context = _attend(queries, keys, values).view(n, self.n_heads, width, size).transpose(1, 2)
            for place, window in zip(attended[rows].split(lengths), context, strict=True):
                place.copy_(window[: len(place)])
        return attended.flatten(1)


def _attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Attention of each wordpiece to those whose values are followed by a 1.

    queries, keys (n, width, size), values (n, width, size + 1). RETURNS (n, width, size).
    """
    weighted = torch.bmm(torch.bmm(queries, keys.transpose(1, 2)).exp_(), values)
    sums = weighted[:, :, -1]
    attended = weighted[:, :, :-1] / weighted[:, :, -1:]
    least, most = torch.aminmax(sums)
    if not (least > SAFE_SUM_RANGE[0] and most < SAFE_SUM_RANGE[1]):
        is_unsafe = ~((sums > SAFE_SUM_RANGE[0]) & (sums < SAFE_SUM_RANGE[1])).all(dim=1)
        attended[is_unsafe] = _attend_exactly(queries[is_unsafe], keys[is_unsafe], values[is_unsafe])
    return attended


def _attend_exactly(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The same in fp32, with the softmax that subtracts the largest score first."""
    scores = torch.bmm(queries.float(), keys.float().transpose(1, 2))
    scores = scores.masked_fill(values[:, None, :, -1] == 0, float("-inf"))
    return torch.bmm(torch.softmax(scores, dim=-1), values[:, :, :-1].float()).to(values.dtype)


class UnpaddedBert(InferenceNetwork):
    """A BERT token classifier for inference on the CPU."""

    def __init__(self, bert: BertModel, classifier: nn.Linear) -> None:
        """Take a network that is made for inference.

        bert (BertModel): its attention layers are `UnpaddedAttention`; its linear layers, each with the GELU
            that follows it, are `PackedLinear` or have the same methods.
        classifier (nn.Linear): in fp32: it has few tags, and bf16 would take as long, and kernels of its own.
        """
        self.bert = bert
        self.classifier = classifier

    @staticmethod
    def fits(network: Any, max_pieces: int) -> bool:
        """Whether a network can be computed without padding.

        It has to be a BERT token classifier that attends in both directions, has absolute positions, and
        reads windows of at most `MAX_POSITIONS` wordpieces.

        max_pieces (int): wordpieces of the longest window, special tokens included.
        """
        return (
            type(network) is BertForTokenClassification
            and network.config.position_embedding_type == "absolute"
            and not network.config.is_decoder
            and max_pieces <= MAX_POSITIONS
        )

    def __call__(self, pieces: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        n_pieces = len(pieces)
        groups = group_windows(list(lengths))
        padding = (0, rows_for(n_pieces) - n_pieces)
        ids = functional.pad(pieces, padding)[None]
        positions = torch.cat([torch.arange(length) for length in lengths])
        positions = functional.pad(positions, padding)[None]
        states = self.bert.embeddings(
            input_ids=ids, position_ids=positions, token_type_ids=torch.zeros_like(ids)
        ).squeeze(0)
        for layer in self.bert.encoder.layer:
            attended = layer.attention.self(states, groups)
            output = layer.attention.output
            states = output.LayerNorm(output.dense.forward_and_add(attended, states))
            output = layer.output
            states = output.LayerNorm(output.dense.forward_and_add(layer.intermediate(states), states))
        return self.classifier(states.float())[:n_pieces]

    def make_batches(self, lengths: Ints, max_pieces: int) -> list[Ints]:
        """Batches are filled up; see `batching.greedy_batches`."""
        return greedy_batches(lengths, max_pieces)
