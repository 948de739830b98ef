"""The Thinc model: documents in, logits of their words out, through a Hugging Face token classifier."""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from spacy.tokens import Doc, Span
from thinc.api import ArgsKwargs, Model
from thinc.layers.pytorchwrapper import forward as pytorch_forward

from .inference.padding import pad
from .inference.precision import PRECISIONS
from .pooling import POOLINGS, pool, unpool
from .progress import report_progress
from .shim import TokenClassifierShim
from .sources import find_folder
from .types import Floats, Ints
from .windows import Windows, make_windows
from .wordpieces import SpecialPieces, Wordpieces, split_texts

logger = logging.getLogger(__name__)

SpanGetter = Callable[[Iterable[Doc]], list[list[Span]]]
Batch = tuple[Ints, Ints]
"""Concatenated windows: wordpieces (n_pieces,), and the length of each window (n_windows,)."""
MAX_LOGIT = 1e30
"""Logits beyond this number are no scores; differences and sums of others stay finite."""
_NO_MEMORY = re.compile("can't allocate memory|not enough memory|out of memory")


class WordScores(NamedTuple):
    """What the model says of one document.

    chars (n_words, 2): start and end of each word, in characters; only words that a window holds are listed.
    logits (n_words, n_tags): score of each tag.
    n_uncovered (int): words that no span of the span getter covers.
    starts (n_runs,): the words at which a run of words begins, the first word among them. No span holds words
        of two runs: they were not read together, and no entity reaches from one into the other.
    """

    chars: Ints
    logits: Floats
    n_uncovered: int
    starts: Ints


def TokenClassifier(  # noqa: N802 (architectures of spaCy are named like classes)
    name: str, get_spans: SpanGetter, revision: str, pooling: str, precision: str
) -> Model[list[Doc], list[WordScores]]:
    """Make a token classifier. Nothing is loaded yet: weights come at `load`, or from disk or bytes.

    name (str): 'small', 'biobert', the id of a model on the Hugging Face hub, or a folder.
    get_spans (Callable): a span getter of spacy-transformers; its spans are what the encoder reads at once.
    revision (str): branch, tag or commit of a hub model.
    pooling (str): the logits of a word are those of its 'first' wordpiece, or their 'mean' or 'max'.
    precision (str): 'fp32', 'bf16', 'int8' (on the CPU), or 'auto'; see `inference.precision`.
    RETURNS (Model): its input is a list of Doc, its output a list of `WordScores`.
    RAISES: ValueError for an unknown pooling or precision or an empty name.
    """
    if not name:
        raise ValueError("[model] name is empty: allowed are 'small', 'biobert', a hub id or a folder")
    if pooling not in POOLINGS:
        raise ValueError(f"[model] pooling = {pooling!r}: allowed are {', '.join(POOLINGS)}")
    if precision not in PRECISIONS:
        raise ValueError(f"[model] precision = {precision!r}: allowed are {', '.join(PRECISIONS)}")
    network: Model = Model(
        "hf-token-classifier",
        pytorch_forward,
        attrs={"convert_inputs": _to_torch, "convert_outputs": _from_torch},
        shims=[TokenClassifierShim(precision)],
    )
    return Model(
        "token_classifier",
        forward,
        layers=[network],
        attrs={
            "name": name,
            "revision": revision,
            "pooling": pooling,
            "get_spans": get_spans,
            "batch_tokens": 2048,
        },
    )


def get_shim(model: Model) -> TokenClassifierShim:
    """The shim that holds tokenizer and network of a `TokenClassifier`."""
    return cast(TokenClassifierShim, model.layers[0].shims[0])


def load(model: Model, labels: Sequence[str] | None = None) -> None:
    """Load the weights that the model's name stands for; a model of the hub is fetched if need be.

    labels: labels to be known, for training; see `folders.load_folder`.
    RAISES: what `sources.find_folder` and `folders.load_folder` raise.
    """
    get_shim(model).load(find_folder(model.attrs["name"], model.attrs["revision"]), labels)


def is_out_of_memory(err: BaseException) -> bool:
    """Whether the CPU or the GPU had no memory left; torch has no type for the former.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shape mismatch"))
    (True, False)
    """
    if isinstance(err, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(err, RuntimeError) and bool(_NO_MEMORY.search(str(err)))


def forward(
    model: Model[list[Doc], list[WordScores]], docs: Sequence[Doc], is_train: bool
) -> tuple[list[WordScores], Callable[[list[Floats]], list[Doc]]]:
    """Score the words of each document: windows of all documents are batched together.

    In inference, a batch that there is no memory for is halved, down to a single window.

    RETURNS: a `WordScores` for each document, and the backward pass, which takes the gradients of their
        logits, (n_words, n_tags) each.
    RAISES: ValueError in inference if logits are NaN or infinite.
    """
    shim = get_shim(model)
    shim.prepare_process()
    texts = split_texts(shim.tokenizer, [doc.text for doc in docs])
    windows = [
        make_windows(_chars(spans), text.word_chars, text.word_pieces, shim.max_pieces)
        for spans, text in zip(model.attrs["get_spans"](docs), texts, strict=True)
    ]
    pieces = [
        ids for text, w in zip(texts, windows, strict=True) for ids in _window_pieces(text, w, shim.special)
    ]
    lengths = np.array([len(ids) for ids in pieces], dtype=np.int64)
    # All windows, concatenated: where each one begins.
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n_tags = len(shim.scheme.tags) if shim.scheme else 0
    flat = np.zeros((int(offsets[-1]), n_tags), dtype=np.float32)
    steps = []
    n_done = 0
    pending = shim.make_batches(lengths, model.attrs["batch_tokens"], is_train)[::-1]
    while pending:
        batch = pending.pop()
        try:
            logits, backprop_batch = model.layers[0](
                (np.concatenate([pieces[i] for i in batch]), lengths[batch]), is_train
            )
        except (RuntimeError, MemoryError) as err:
            if is_train or len(batch) == 1 or not is_out_of_memory(err):
                raise
            half = len(batch) // 2
            logger.warning("out of memory with %d windows at once: halved; lower batch_tokens", len(batch))
            pending += [batch[half:], batch[:half]]
            continue
        rows = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in batch])
        flat[rows] = logits
        steps.append((rows, backprop_batch))
        n_done += len(rows)
        report_progress(n_done, len(flat))

    scores, pieces_of_words = [], []
    first_window = 0
    for doc, text, w in zip(docs, texts, windows, strict=True):
        words = np.flatnonzero(w.window_of_word >= 0)
        starts = offsets[first_window + w.window_of_word[words]] + len(shim.special.prefix)
        word_pieces = _pieces_in_window(text, w, words) + starts[:, None]
        first_window += len(w.pieces)
        pieces_of_words.append(word_pieces)
        logits = pool(flat, word_pieces, model.attrs["pooling"])
        if not is_train and not (np.abs(logits) < MAX_LOGIT).all():
            raise ValueError(
                f"[model] name = {model.attrs['name']!r}: in precision {shim.inference_precision!r} its "
                f"scores of the document {doc.text[:60]!r} are NaN or infinite: weights are damaged"
            )
        scores.append(
            WordScores(
                chars=text.word_chars[words],
                logits=logits,
                n_uncovered=len(w.window_of_word) - len(words),
                starts=np.flatnonzero(~w.continues_span[words]),
            )
        )

    def backprop(d_logits: list[Floats]) -> list[Doc]:
        d_flat = np.zeros_like(flat)
        for word_pieces, gradient in zip(pieces_of_words, d_logits, strict=True):
            unpool(flat, d_flat, word_pieces, gradient, model.attrs["pooling"])
        for rows, backprop_batch in steps:
            backprop_batch(d_flat[rows])
        return list(docs)

    return scores, backprop


def _chars(spans: list[Span]) -> Ints:
    return np.array([(s.start_char, s.end_char) for s in spans], dtype=np.int64).reshape(-1, 2)


def _window_pieces(text: Wordpieces, windows: Windows, special: SpecialPieces) -> list[Ints]:
    """Vocabulary ids of each window, special tokens included."""
    return [
        np.concatenate([special.prefix, text.ids[start:end], special.suffix]).astype(np.int64)
        for start, end in windows.pieces.tolist()
    ]


def _pieces_in_window(text: Wordpieces, windows: Windows, words: Ints) -> Ints:
    """Wordpieces of each word, from the start of its window on, cut where the window ends: (n_words, 2)."""
    window = windows.pieces[windows.window_of_word[words]]
    pieces = text.word_pieces[words]
    return (
        np.stack([np.maximum(pieces[:, 0], window[:, 0]), np.minimum(pieces[:, 1], window[:, 1])], 1)
        - window[:, :1]
    )


def _to_torch(model: Model, batch: Batch, is_train: bool) -> tuple[ArgsKwargs, Callable]:
    """In inference, concatenated windows; in training, padded rows, which Hugging Face's networks take."""
    shim = cast(TokenClassifierShim, model.shims[0])
    pieces = torch.from_numpy(batch[0]).to(shim.device)
    lengths = batch[1].tolist()
    if not is_train:
        return ArgsKwargs(args=(pieces, lengths), kwargs={}), lambda d_inputs: []
    ids, mask = pad(pieces, lengths, max(lengths), shim.special.padding)
    return ArgsKwargs(args=(), kwargs={"input_ids": ids, "attention_mask": mask}), lambda d_inputs: []


def _from_torch(model: Model, outputs: tuple[Batch, Any], is_train: bool) -> tuple[Floats, Callable]:
    """Logits (n_pieces, n_tags), and what turns their gradient into that of the network's output."""
    (_, lengths), logits = outputs
    if not is_train:
        return logits.float().cpu().numpy(), lambda d_logits: ArgsKwargs(args=(), kwargs={})
    is_piece = torch.arange(logits.shape[1]) < torch.from_numpy(lengths)[:, None]

    def to_gradient(d_logits: Floats) -> ArgsKwargs:
        gradient = torch.zeros_like(logits)
        gradient[is_piece] = torch.from_numpy(d_logits).to(logits.device, logits.dtype)
        return ArgsKwargs(args=((logits,),), kwargs={"grad_tensors": [gradient]})

    return logits.detach()[is_piece].float().cpu().numpy(), to_gradient
