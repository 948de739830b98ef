"""The Thinc model: documents in, scores of their words out, through a Hugging Face token classifier."""

import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import srsly
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import ArgsKwargs, Model, Optimizer
from thinc.layers.pytorchwrapper import forward as pytorch_forward

from .bf16 import copy_in_bf16, has_bf16_units
from .decoding import TagScheme
from .int8 import Int8Network
from .sources import find_folder, load_folder, read_tags, save_folder, saved_dtype
from .windows import Windows, batch_windows, make_windows, round_up
from .wordpieces import SpecialPieces, Wordpieces, special_pieces, split_texts

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
SpanGetter = Callable[[Iterable[Doc]], list[list[Span]]]
POOLINGS = ("first", "mean", "max")
Precision = Literal["auto", "fp32", "bf16", "int8"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
_NO_MEMORY = re.compile("can't allocate memory|not enough memory|out of memory")


class WordScores(NamedTuple):
    """What the model says of one document.

    chars (n_words, 2): start and end of each word, in characters.
    logits (n_words, n_tags): score of each tag; only words that stand in a window are listed.
    n_unread (int): words that no span of the span getter covers.
    starts (n_runs,): the words at which a run of words begins, the first one among them. Runs have no span
        in common: what stands in two of them was not read together, and is no entity.
    """

    chars: Ints
    logits: Floats
    n_unread: int
    starts: Ints


def TokenClassifier(  # noqa: N802 (architectures of spaCy are named like classes)
    name: str, get_spans: SpanGetter, revision: str, pooling: str, precision: str
) -> Model[list[Doc], list[WordScores]]:
    """Make a token classifier. Nothing is loaded yet: weights come at `load`, or from disk or bytes.

    name (str): 'small', 'biobert', the id of a model on the Hugging Face hub, or a folder.
    get_spans (Callable): a span getter of spacy-transformers; its spans are what the encoder reads at once.
    revision (str): branch, tag or commit of a hub model.
    pooling (str): which score a word has from its wordpieces: that of the 'first', their 'mean' or 'max'.
    precision (str): 'fp32', 'bf16', 'int8' (on the processor, with the extra of that name), or 'auto': bf16
        where the processor multiplies matrices in it, fp32 elsewhere.
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


class TokenClassifierShim(HFShim):
    """Holds tokenizer and network. Serialized as a plain Hugging Face folder, without pickle.

    Inference in bf16 or int8 works on a copy of the weights that is made once; training in bf16 keeps the
    weights in fp32 and casts in each operation (autocast), and so in int8 it is training in fp32.
    """

    def __init__(self, precision: str) -> None:
        super().__init__(HFObjects(None, None, None), grad_scaler_config={})
        self.precision = precision
        self._folder_dtype = torch.float32
        self._set(HFObjects(None, None, None))

    def _set(self, hf_model: HFObjects) -> None:
        self._hfmodel = hf_model
        self._model = hf_model.transformer
        self._fast: Any = None
        # The process that it is used in; none yet where it comes out of a pickle.
        self._pid: int | None = os.getpid()
        self.scheme: TagScheme | None = None
        self.special = SpecialPieces([], [], 0)
        self.max_pieces = 0
        if self._model is not None:
            self.scheme = read_tags(self._model.config.id2label)
            self.special = special_pieces(hf_model.tokenizer)
            self.max_pieces = _max_pieces(hf_model) - len(self.special.prefix) - len(self.special.suffix)

    @property
    def is_loaded(self) -> bool:
        return self._model is not None

    @property
    def inference_precision(self) -> str:
        """What `precision` stands for on the model's device: 'fp32', 'bf16' or 'int8'."""
        if self.precision != "auto":
            return self.precision
        return "bf16" if has_bf16_units(self.device.type) else "fp32"

    @property
    def for_inference(self) -> Any:
        """The network as it is used for inference; it is made when it is first asked for.

        RAISES: ValueError for int8 on a graphics card, ImportError for int8 without its extra.
        """
        if self._fast is None:
            self._fast = self._make_fast()
        return self._fast

    def predict(self, inputs: ArgsKwargs) -> torch.Tensor:
        with torch.inference_mode():
            return self.for_inference(**inputs.kwargs).logits

    def to_device(self, device_type: str, device_id: int) -> None:
        super().to_device(device_type, device_id)
        self._fast = None

    def __getstate__(self) -> dict[str, Any]:
        # What is made for one processor is made anew on another.
        return {**self.__dict__, "_fast": None, "_pid": None}

    def _make_fast(self) -> Any:
        precision = self.inference_precision
        logger.info("%s is used for inference on %s", precision, self.device)
        if precision == "bf16":
            return copy_in_bf16(self._model, _max_pieces(self._hfmodel))
        if precision == "int8":
            if self.device.type != "cpu":
                raise ValueError(
                    f"[model] precision = 'int8' with the model on {self.device}: it is for the processor; "
                    "allowed there are auto, fp32, bf16"
                )
            return Int8Network(self._model, _max_pieces(self._hfmodel), torch.get_num_threads())
        return self._model.eval()

    def enter_process(self) -> None:
        """In another process than before, make ready to run there: a worker keeps to one thread.

        RAISES: RuntimeError if it was forked, and the weights are on a graphics card, which it cannot use.
        """
        if self._pid == os.getpid():
            return
        is_forked = self._pid is not None
        if is_forked and self.device.type != "cpu":
            raise RuntimeError(
                f"n_process > 1 with the model on {self.device}: a worker that was forked cannot use it. "
                "Use n_process = 1 with the graphics card, or the processor with more"
            )
        if is_forked or parent_process() is not None:
            # A forked process has not the parent's thread pool, and waiting for it would hang.
            torch.set_num_threads(1)
        if isinstance(self._fast, Int8Network):
            self._fast.reopen(n_threads=1)
        self._pid = os.getpid()

    def begin_update(self, inputs: ArgsKwargs) -> tuple[Any, Callable]:
        self._fast = None
        in_bf16 = self.inference_precision == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=in_bf16):
            output, backprop = super().begin_update(inputs)
        return output.logits, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        super().finish_update(optimizer)
        self._fast = None
        self._folder_dtype = torch.float32

    def load(self, folder: Path, labels: Sequence[str] | None = None) -> None:
        """Read tokenizer and network from a folder; see `sources.load_folder` for what is raised."""
        self._set(load_folder(folder, labels))
        self._folder_dtype = saved_dtype(folder)

    def save(self, folder: Path) -> None:
        """Write tokenizer and network; weights that were not trained since keep their type."""
        save_folder(self._hfmodel, folder, self._folder_dtype)

    def to_bytes(self) -> bytes:
        if not self.is_loaded:
            return srsly.msgpack_dumps({})
        with TemporaryDirectory() as folder:
            self.save(Path(folder))
            return srsly.msgpack_dumps(
                {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
            )

    def from_bytes(self, bytes_data: bytes) -> "TokenClassifierShim":
        files = srsly.msgpack_loads(bytes_data)
        if files:
            with TemporaryDirectory() as folder:
                for name, content in files.items():
                    (Path(folder) / Path(name).name).write_bytes(content)
                self.load(Path(folder))
        return self


def shim_of(model: Model) -> TokenClassifierShim:
    """The shim that holds tokenizer and network of a `TokenClassifier`."""
    shim = model.layers[0].shims[0]
    assert isinstance(shim, TokenClassifierShim)
    return shim


def load(model: Model, labels: Sequence[str] | None = None) -> None:
    """Load the weights that the model's name stands for; a model of the hub is fetched if need be.

    labels: labels to be known, for training; see `sources.load_folder`.
    RAISES: what `sources.find_folder` and `sources.load_folder` raise.
    """
    shim_of(model).load(find_folder(model.attrs["name"], model.attrs["revision"]), labels)


def is_out_of_memory(err: BaseException) -> bool:
    """Whether the processor or the graphics card had no memory left; on the former torch has no type for it.

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
    """
    shim = shim_of(model)
    shim.enter_process()
    texts = split_texts(shim._hfmodel.tokenizer, [doc.text for doc in docs])
    windows = [
        make_windows(_chars(spans), text.word_chars, text.word_pieces, shim.max_pieces)
        for spans, text in zip(model.attrs["get_spans"](docs), texts, strict=True)
    ]
    n_outer = len(shim.special.prefix) + len(shim.special.suffix)
    lengths = [w.pieces[:, 1] - w.pieces[:, 0] for w in windows]
    all_lengths = np.concatenate([np.zeros(0, dtype=np.int64), *lengths])
    firsts = np.concatenate([[0], np.cumsum(all_lengths)]).astype(np.int64)
    ids = [
        text.ids[start:end]
        for text, w in zip(texts, windows, strict=True)
        for start, end in w.pieces.tolist()
    ]
    n_tags = len(shim.scheme.tags) if shim.scheme else 0
    flat = np.zeros((int(firsts[-1]), n_tags), dtype=np.float32)
    widths = all_lengths + n_outer
    # A network of Hugging Face's own pads to the longest window of a batch.
    pads_to = 1 if is_train or not len(widths) else getattr(shim.for_inference, "pads_to", 1)
    padded = round_up(widths, pads_to) if pads_to else widths
    batches = batch_windows(padded, model.attrs["batch_tokens"], pads_to > 0)
    backprops = []
    n_prefix = len(shim.special.prefix)
    pending = batches[::-1]
    while pending:
        batch = pending.pop()
        try:
            logits, step = model.layers[0](
                _pad([ids[i] for i in batch], int(widths[batch].max()), shim.special), is_train
            )
        except (RuntimeError, MemoryError) as err:
            if is_train or len(batch) == 1 or not is_out_of_memory(err):
                raise
            half = len(batch) // 2
            logger.warning("out of memory with %d windows at once: halved; lower batch_tokens", len(batch))
            pending += [batch[half:], batch[:half]]
            continue
        backprops.append(step)
        for row, i in enumerate(batch.tolist()):
            flat[firsts[i] : firsts[i + 1]] = logits[row, n_prefix : n_prefix + all_lengths[i]]

    pooled, scores = [], []
    offset = 0
    for text, w in zip(texts, windows, strict=True):
        words = np.flatnonzero(w.owner >= 0)
        pieces = _owned_pieces(text, w, words) + firsts[offset + w.owner[words]][:, None]
        offset += len(w.pieces)
        pooled.append(pieces)
        logits = _pool(flat, pieces, model.attrs["pooling"])
        starts = np.flatnonzero(~w.goes_on[words])
        scores.append(WordScores(text.word_chars[words], logits, len(w.owner) - len(words), starts))

    def backprop(d_logits: list[Floats]) -> list[Doc]:
        d_flat = np.zeros_like(flat)
        for pieces, gradient in zip(pooled, d_logits, strict=True):
            _unpool(flat, d_flat, pieces, gradient, model.attrs["pooling"])
        for batch, step in zip(batches, backprops, strict=True):
            d_batch = np.zeros((len(batch), int(widths[batch].max()), n_tags), dtype=np.float32)
            for row, i in enumerate(batch.tolist()):
                d_batch[row, n_prefix : n_prefix + all_lengths[i]] = d_flat[firsts[i] : firsts[i + 1]]
            step(d_batch)
        return list(docs)

    return scores, backprop


def _chars(spans: list[Span]) -> Ints:
    return np.array([(s.start_char, s.end_char) for s in spans], dtype=np.int64).reshape(-1, 2)


def _owned_pieces(text: Wordpieces, windows: Windows, words: Ints) -> Ints:
    """Wordpieces of each word, counted from the start of its window; cut where the window ends. (n, 2)"""
    window = windows.pieces[windows.owner[words]]
    pieces = text.word_pieces[words]
    return (
        np.stack([np.maximum(pieces[:, 0], window[:, 0]), np.minimum(pieces[:, 1], window[:, 1])], 1)
        - window[:, :1]
    )


def _pad(ids: list[Ints], width: int, special: SpecialPieces) -> tuple[Ints, Ints]:
    """Ids with special pieces, and the mask. Both (n_windows, width)."""
    n_outer = len(special.prefix) + len(special.suffix)
    padded = np.full((len(ids), width), special.padding, dtype=np.int64)
    mask = np.zeros((len(ids), width), dtype=np.int64)
    for i, row in enumerate(ids):
        padded[i, : len(row) + n_outer] = np.concatenate([special.prefix, row, special.suffix])
        mask[i, : len(row) + n_outer] = 1
    return padded, mask


def _pool(flat: Floats, pieces: Ints, pooling: str) -> Floats:
    """Scores of words from those of their pieces. flat (n_pieces, n_tags), pieces (n_words, 2)."""
    if pooling == "first" or not len(pieces):
        return flat[pieces[:, 0]]
    reduce = np.add if pooling == "mean" else np.maximum
    # A sentinel row lets the last range end at the end of the array.
    rows = np.concatenate([flat, np.zeros((1, flat.shape[1]), dtype=flat.dtype)])
    pooled = reduce.reduceat(rows, pieces.reshape(-1), axis=0)[::2]
    return pooled / (pieces[:, 1:] - pieces[:, :1]) if pooling == "mean" else pooled


def _unpool(flat: Floats, d_flat: Floats, pieces: Ints, gradient: Floats, pooling: str) -> None:
    """Add the gradient of words to that of their pieces."""
    if pooling == "first":
        d_flat[pieces[:, 0]] += gradient
        return
    for (start, end), row in zip(pieces.tolist(), gradient, strict=True):
        if pooling == "mean":
            d_flat[start:end] += row / (end - start)
        else:
            d_flat[start + flat[start:end].argmax(axis=0), np.arange(len(row))] += row


def _to_torch(model: Model, batch: tuple[Ints, Ints], is_train: bool) -> tuple[ArgsKwargs, Callable]:
    device = cast(TokenClassifierShim, model.shims[0]).device
    ids, mask = (torch.from_numpy(array).to(device) for array in batch)
    return ArgsKwargs(args=(), kwargs={"input_ids": ids, "attention_mask": mask}), lambda d_inputs: []


def _from_torch(model: Model, outputs: tuple[Any, torch.Tensor], is_train: bool) -> tuple[Floats, Callable]:
    logits = outputs[1]

    def to_gradient(d_logits: Floats) -> ArgsKwargs:
        gradient = torch.from_numpy(d_logits).to(logits.device, logits.dtype)
        return ArgsKwargs(args=((logits,),), kwargs={"grad_tensors": [gradient]})

    return logits.detach().float().cpu().numpy(), to_gradient


def _max_pieces(hf_model: HFObjects) -> int:
    """The most wordpieces the encoder has positions for, special pieces included."""
    limits = [hf_model.tokenizer.model_max_length]
    positions = getattr(hf_model.transformer.config, "max_position_embeddings", None)
    if positions:
        # RoBERTa counts its positions from behind the padding's index.
        embeddings = getattr(hf_model.transformer.base_model, "embeddings", None)
        padding = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
        limits.append(positions if padding is None else positions - padding - 1)
    return min(limits)
