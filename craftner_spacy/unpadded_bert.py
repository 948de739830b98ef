"""BERT for inference on the processor: windows stand end to end, and no wordpiece is there to pad another.

oneDNN, which multiplies for torch on processors, makes kernels for each shape that it meets, and keeps them:
1.5 to 11 ms and 0.5 MB each in bf16, on two cores of an AMD EPYC with AVX512-BF16. So shapes are few.
"""

from copy import deepcopy
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import BertForTokenClassification
from transformers.modeling_outputs import TokenClassifierOutput
from transformers.models.bert.modeling_bert import BertSelfAttention

from .packed_linear import PackedLinear, pack
from .windows import round_up

MOST_POSITIONS = 512
"""Wordpieces in a window up to which scores of attention are written out: they are as many as its square."""

ROW_STEP = 32
"""The wordpieces of a batch, up to 512, are made up to a multiple of so many; more to one of an eighth to a
quarter of themselves."""

WIDTH_STEP = 32
"""In attention, windows are made up to a multiple of so many wordpieces. With 16 the small model was 1.5%
faster on that EPYC, and took twice the memory for kernels."""

GROUP_PIECES = 512
"""Windows whose attention is computed at once have so many wordpieces at most, or are one. With 1,024 the
small model took the same time there, and more memory."""

SUMS = (1e-20, 1e35)
"""What sums of exponentials are between, if none overflowed (at 3e38), not even times a value of up to 3,000,
and none was lost (below 1e-38) that counts."""


def rows_for(n_pieces: int) -> int:
    """How many rows the wordpieces of a batch are made up to.

    >>> [rows_for(n) for n in (1, 64, 200, 513, 1100, 2040)]
    [32, 64, 224, 640, 1280, 2048]
    """
    step = ROW_STEP if n_pieces <= 512 else 2 ** (n_pieces - 1).bit_length() // 8
    return round_up(n_pieces, step)


class Group(NamedTuple):
    """Windows of a batch whose attention is computed at once, made up to one width.

    first (int): the row in which their wordpieces begin.
    lengths: wordpieces of each window; their rows follow one another.
    width (int): how many wordpieces each is made up to.
    """

    first: int
    lengths: list[int]
    width: int


def group_windows(lengths: list[int]) -> list[Group]:
    """Group neighbouring windows that are made up to the same width, as many as are a power of two.

    lengths: wordpieces of each window, one at least; their rows follow one another.

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
    """BERT's self-attention for windows that stand end to end.

    Queries, keys and values come from one product. The softmax is written as what it is, exponentials divided
    by their sum; the sum comes out of the product with the values, each of which has a one behind it. What
    makes a window up has zeros for all that, so that no score needs a mask.
    """

    def __init__(self, attention: BertSelfAttention, dtype: torch.dtype) -> None:
        """attention (BertSelfAttention): with absolute positions; it stays as it is."""
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
        self.together = PackedLinear(
            torch.cat([query[0] * scale, key[0], values.view(-1, n_in)]).to(dtype),
            torch.cat([query[1] * scale, key[1], ones.view(-1)]).to(dtype),
        )

    def forward(self, states: torch.Tensor, groups: list[Group]) -> torch.Tensor:
        """states (n_rows, n_in). RETURNS (n_rows, n_inner): zeros for rows that are in no group."""
        n_inner, size = self.n_heads * self.size, self.size
        together = self.together(states)
        attended = states.new_zeros(len(states), self.n_heads, size)
        for first, lengths, width in groups:
            n, rows = len(lengths), slice(first, first + sum(lengths))
            made_up = together.new_zeros(n, width, together.shape[1])
            for place, window in zip(made_up, together[rows].split(lengths), strict=True):
                place[: len(window)] = window
            queries, keys, values = (
                part.unflatten(2, (self.n_heads, -1)).transpose(1, 2).flatten(0, 1)
                for part in made_up.split([n_inner, n_inner, n_inner + self.n_heads], dim=2)
            )
            found = _attend(queries, keys, values).view(n, self.n_heads, width, size).transpose(1, 2)
            for place, window in zip(attended[rows].split(lengths), found, strict=True):
                place.copy_(window[: len(place)])
        return attended.flatten(1)


def _attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Attention of each wordpiece to those that have a one behind their values.

    queries, keys (n, width, size), values (n, width, size + 1). RETURNS (n, width, size).
    """
    found = torch.bmm(torch.bmm(queries, keys.transpose(1, 2)).exp_(), values)
    sums = found[:, :, -1]
    attended = found[:, :, :-1] / found[:, :, -1:]
    least, most = torch.aminmax(sums)
    if not (least > SUMS[0] and most < SUMS[1]):
        is_wrong = ~((sums > SUMS[0]) & (sums < SUMS[1])).all(dim=1)
        attended[is_wrong] = _attend_exactly(queries[is_wrong], keys[is_wrong], values[is_wrong])
    return attended


def _attend_exactly(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The same in fp32, and with the softmax that takes away the largest score first."""
    scores = torch.bmm(queries.float(), keys.float().transpose(1, 2))
    scores = scores.masked_fill(values[:, None, :, -1] == 0, float("-inf"))
    return torch.bmm(torch.softmax(scores, dim=-1), values[:, :, :-1].float()).to(values.dtype)


class UnpaddedBert(nn.Module):
    """A BERT token classifier for inference on the processor, called as the network that it was made of."""

    pads_to = 0
    """See `bf16.copy_in_bf16`."""

    def __init__(self, network: BertForTokenClassification, copy: BertForTokenClassification) -> None:
        """
        network (BertForTokenClassification): in fp32, and one that `fits`; it stays as it is.
        copy (BertForTokenClassification): a copy for inference, of the type to be computed in; it becomes a
            part of this one, and changes. The classifier, of few tags, is computed in fp32: in bf16 it would
            take as long, and kernels of its own.
        """
        super().__init__()
        for layer, original in zip(copy.bert.encoder.layer, network.bert.encoder.layer, strict=True):
            layer.attention.self = UnpaddedAttention(original.attention.self, copy.dtype)
        pack(copy.bert)
        self.bert = copy.bert
        self.classifier = deepcopy(network.classifier).requires_grad_(False)

    @staticmethod
    def fits(network: Any, max_pieces: int) -> bool:
        """Whether a network is a BERT token classifier that reads both ways and has absolute positions, and
        its windows, `max_pieces` long at most, are not too long to be read so."""
        return (
            type(network) is BertForTokenClassification
            and network.config.position_embedding_type == "absolute"
            and not network.config.is_decoder
            and max_pieces <= MOST_POSITIONS
        )

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> TokenClassifierOutput:
        """
        input_ids, attention_mask (n_windows, n_pieces): each window's own wordpieces stand first; there is
            one at least.
        RETURNS: with logits (n_windows, n_pieces, n_tags) in fp32, zeros for what is not a window's own.
        """
        own = attention_mask.reshape(-1).nonzero()[:, 0]
        groups = group_windows(attention_mask.sum(dim=1).tolist())
        more = (0, rows_for(len(own)) - len(own))
        ids = functional.pad(input_ids.reshape(-1)[own], more)[None]
        # The place in its window of each wordpiece.
        positions = functional.pad(own % input_ids.shape[1], more)[None]
        states = self.bert.embeddings(
            input_ids=ids, position_ids=positions, token_type_ids=torch.zeros_like(ids)
        ).squeeze(0)
        for layer in self.bert.encoder.layer:
            attended = layer.attention.self(states, groups)
            output = layer.attention.output
            states = output.LayerNorm(output.dense.forward_and_add(attended, states))
            output = layer.output
            states = output.LayerNorm(output.dense.forward_and_add(layer.intermediate(states), states))
        found = self.classifier(states.float())[: len(own)]
        logits = found.new_zeros(input_ids.numel(), found.shape[1])
        logits[own] = found
        return TokenClassifierOutput(logits=logits.view(*input_ids.shape, -1))
