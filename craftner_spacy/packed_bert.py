"""BERT for inference on the processor: windows end to end, weights laid out once.

torch's linear layers hold weights as a matrix, and at each call oneDNN, which multiplies for torch on
processors, lays them out anew. torch's compiler has operators that take weights laid out before, and that do
what goes before or follows a product in the same pass. They are there without the compiler.

oneDNN makes kernels for each shape that it meets, in 1 to 2 ms, and keeps them, in 0.5 MB. So shapes are few.
"""

from copy import deepcopy
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import BertForTokenClassification, PretrainedConfig
from transformers.activations import GELUActivation
from transformers.modeling_outputs import TokenClassifierOutput
from transformers.models.bert.modeling_bert import BertSelfAttention

MOST_POSITIONS = 512
"""Wordpieces in a window up to which scores of attention are written out: they are as many as its square."""

ROW_STEP = 64
"""The wordpieces of a batch are made up to a multiple of so many, or of an eighth to a quarter of them."""

WIDTH_STEP = 32
"""In attention, windows are made up to a multiple of so many wordpieces. With 16 the small model was 1.5%
faster, and took twice the memory for kernels."""

GROUP_PIECES = 512
"""Windows whose attention is computed at once have so many wordpieces at most, or are one. With 1,024 the
small model took the same time, and more memory."""

SUMS = (1e-20, 1e35)
"""What sums of exponentials are between, if no exponential or product with a value overflowed (at 3e38), and
none was lost (below 1e-38) that counts."""


def can_pack() -> bool:
    """Whether this torch and this processor have what `PackedLinear` needs."""
    return all(
        hasattr(torch.ops.mkldnn, name)
        for name in ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
    ) and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class PackedLinear(nn.Module):
    """A linear layer for inference on the processor, its weights laid out for oneDNN's kernels."""

    def __init__(self, linear: nn.Linear, activation: str = "none") -> None:
        """activation (str): what is done with each output in the same pass: 'none' or 'gelu'."""
        super().__init__()
        self.activation = activation
        self.algorithm = "none" if activation == "gelu" else ""
        self.bias = linear.bias
        # No parameter: nothing but the operator can read it.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """inputs (..., n_in), RETURNS (..., n_out)."""
        return torch.ops.mkldnn._linear_pointwise(
            inputs, self.weight, self.bias, self.activation, [], self.algorithm
        )

    def forward_and_add(self, inputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """inputs (..., n_in), others (..., n_out). RETURNS (..., n_out): the sum of others and what the layer
        without an activation gives."""
        return torch.ops.mkldnn._linear_pointwise.binary(inputs, others, self.weight, self.bias, "add")


def pack(network: nn.Module) -> None:
    """Put a `PackedLinear` in place of each linear layer; of BERT's kind with the GELU that follows it."""
    for module in list(network.modules()):
        activation = getattr(module, "intermediate_act_fn", None)
        if isinstance(activation, GELUActivation) and isinstance(module.dense, nn.Linear):
            module.dense = PackedLinear(module.dense, "gelu")
            module.intermediate_act_fn = nn.Identity()
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child))


def rows_for(n_pieces: int) -> int:
    """How many rows wordpieces are made up to.

    >>> [rows_for(n) for n in (1, 64, 200, 513, 1100, 2040)]
    [64, 64, 256, 640, 1280, 2048]
    """
    step = max(ROW_STEP, 2 ** (n_pieces - 1).bit_length() // 8)
    return -(-n_pieces // step) * step


class Group(NamedTuple):
    """Windows of a batch whose attention is computed at once, made up to one width.

    first, end (int): the rows in which their wordpieces stand.
    width (int): how many wordpieces each is made up to.
    reads (n_windows * width,): the row of each of them; any row for those that make a window up.
    writes (end - first,): where among them the rows' own wordpieces stand.
    is_own (n_windows, 1, width, 1): 1 for a window's own wordpieces, 0 for those that make it up.
    """

    first: int
    end: int
    width: int
    reads: torch.Tensor
    writes: torch.Tensor
    is_own: torch.Tensor

    @property
    def is_full(self) -> bool:
        return len(self.reads) == self.end - self.first


def group_windows(lengths: list[int], dtype: torch.dtype) -> list[Group]:
    """Group neighbouring windows that are made up to the same width, as many as are a power of two.

    lengths: wordpieces of each window; their rows follow one another.
    dtype (torch.dtype): of `Group.is_own`.

    >>> groups = group_windows([40, 33, 48, 20], torch.float32)
    >>> [(group.first, group.end, group.width, len(group.is_own)) for group in groups]
    [(0, 73, 64, 2), (73, 121, 64, 1), (121, 141, 32, 1)]
    """
    groups = []
    first = 0
    for width, same in groupby(lengths, lambda length: -(-length // WIDTH_STEP) * WIDTH_STEP):
        left = list(same)
        while left:
            n = min(len(left), max(1, GROUP_PIECES // width)).bit_length() - 1
            chosen, left = left[: 2**n], left[2**n :]
            sizes = torch.tensor(chosen)[:, None]
            places = torch.arange(width)
            is_own = places < sizes
            end = first + sum(chosen)
            starts = first + sizes.cumsum(0) - sizes
            groups.append(
                Group(
                    first,
                    end,
                    width,
                    torch.where(is_own, starts + places, first).view(-1),
                    is_own.view(-1).nonzero()[:, 0],
                    is_own[:, None, :, None].to(dtype),
                )
            )
            first = end
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
        n_inner, n_in = query[0].shape
        values = torch.zeros(self.n_heads, self.size + 1, n_in)
        values[:, : self.size] = value[0].view(self.n_heads, self.size, n_in)
        ones = torch.ones(self.n_heads, self.size + 1)
        ones[:, : self.size] = value[1].view(self.n_heads, self.size)
        scale = self.size**-0.5
        together = nn.Linear(n_in, 3 * n_inner + self.n_heads)
        with torch.no_grad():
            together.weight.copy_(torch.cat([query[0] * scale, key[0], values.view(-1, n_in)]))
            together.bias.copy_(torch.cat([query[1] * scale, key[1], ones.view(-1)]))
        self.together = PackedLinear(together.to(dtype).requires_grad_(False))

    def forward(self, states: torch.Tensor, groups: list[Group]) -> torch.Tensor:
        """states (n_rows, n_in). RETURNS (n_rows, n_inner): zeros for rows that are in no group."""
        n_inner, size = self.n_heads * self.size, self.size
        together = self.together(states)
        attended = states.new_zeros(len(states), n_inner)
        for group in groups:
            rows = (
                together[group.first : group.end] if group.is_full else together.index_select(0, group.reads)
            )
            n, width = len(group.is_own), group.width
            queries, keys, values = (
                part.view(n, width, self.n_heads, -1).transpose(1, 2).contiguous()
                for part in rows.split([n_inner, n_inner, n_inner + self.n_heads], dim=1)
            )
            if not group.is_full:
                values.mul_(group.is_own)
            found = _attend(queries.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1))
            found = found.view(n, self.n_heads, width, size).transpose(1, 2)
            if group.is_full:
                attended[group.first : group.end].view(found.shape).copy_(found)
            else:
                attended[group.first : group.end] = found.reshape(-1, n_inner).index_select(0, group.writes)
        return attended


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


class PackedBert(nn.Module):
    """A BERT token classifier for inference: called as the network that it was made of, on the processor."""

    def __init__(self, network: BertForTokenClassification, dtype: torch.dtype) -> None:
        """
        network (BertForTokenClassification): in fp32, and one that `fits`; it stays as it is.
        dtype (torch.dtype): of the encoder; the classifier stays in fp32.
        """
        super().__init__()
        copy = copy_as(network, dtype)
        for layer, original in zip(copy.bert.encoder.layer, network.bert.encoder.layer, strict=True):
            layer.attention.self = UnpaddedAttention(original.attention.self, dtype)
        pack(copy.bert)
        copy.classifier = deepcopy(network.classifier).requires_grad_(False)
        self.network = copy
        self.dtype = dtype

    @staticmethod
    def fits(network: Any, max_pieces: int) -> bool:
        """Whether a network is of the kind, and its windows, `max_pieces` long at most, are short enough."""
        config: PretrainedConfig = network.config
        return (
            type(network) is BertForTokenClassification
            and config.position_embedding_type == "absolute"
            and not config.is_decoder
            and max_pieces <= MOST_POSITIONS
        )

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> TokenClassifierOutput:
        """input_ids, attention_mask (n_windows, n_pieces): each window's own wordpieces stand first.

        RETURNS: with logits (n_windows, n_pieces, n_tags), zeros for what is not a window's own.
        """
        own = attention_mask.view(-1).nonzero()[:, 0]
        groups = group_windows(attention_mask.sum(dim=1).tolist(), self.dtype)
        n_more = rows_for(len(own)) - len(own)
        ids = functional.pad(input_ids.view(-1)[own], (0, n_more))[None]
        positions = functional.pad(own % input_ids.shape[1], (0, n_more))[None]
        bert = self.network.bert
        states = bert.embeddings(
            input_ids=ids, position_ids=positions, token_type_ids=torch.zeros_like(ids)
        ).squeeze(0)
        for layer in bert.encoder.layer:
            attended = layer.attention.self(states, groups)
            output = layer.attention.output
            states = output.LayerNorm(output.dense.forward_and_add(attended, states))
            output = layer.output
            states = output.LayerNorm(output.dense.forward_and_add(layer.intermediate(states), states))
        # Few tags: in bf16 this would take as long, and kernels of its own.
        found = self.network.classifier(states[: len(own)].float())
        logits = found.new_zeros(input_ids.numel(), found.shape[1])
        logits[own] = found
        return TokenClassifierOutput(logits=logits.view(*input_ids.shape, -1))


def copy_as(network: Any, dtype: torch.dtype, attention: str | None = None) -> Any:
    """A copy of a Hugging Face network for inference, on the same device.

    attention (str): its `attn_implementation`, if it is to be another.
    """
    copy = type(network).from_pretrained(
        None,
        config=network.config,
        state_dict=network.state_dict(),
        torch_dtype=dtype,
        attn_implementation=attention or network.config._attn_implementation,
    )
    return copy.to(network.device).eval()
