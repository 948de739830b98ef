"""Inference in whole numbers of 8 bits, for processors without units for bf16. Extra ``[int8]``.

Weights are rounded once, to 7 bits, by the range of each output; what they are multiplied with is rounded to
8 bits at each call, by its range over the whole batch (dynamic quantization). So scores differ a little with
what else is in the batch. All but the products with weights stays in fp32.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers.modeling_outputs import TokenClassifierOutput

from .padding import PaddedNetwork

NEEDS = (
    "precision = 'int8' needs onnx, onnxruntime and onnxscript: pip install '.[int8]' in a checkout of "
    "craftner_spacy"
)


class Int8Network(PaddedNetwork):
    """A token classifier in ONNX Runtime, on the CPU."""

    def __init__(self, network: torch.nn.Module, max_pieces: int, padding: int, n_threads: int) -> None:
        """Export the network and round its weights: takes some seconds.

        network: a token classifier of Hugging Face, on the CPU.
        max_pieces (int): the longest window that it reads, in wordpieces, special tokens included.
        padding (int): the vocabulary id of the padding.
        n_threads (int): threads of the session.
        RAISES: ImportError if the extra is not installed.
        """
        super().__init__(self._run, padding)
        self._quantized = quantize(network, max_pieces)
        self._inherited: list[Any] = []
        self._open(n_threads)

    def prepare_process(self) -> None:
        # The threads of the inherited session did not come along: to end it would wait for them for ever.
        self._inherited.append(self._session)
        self._open(n_threads=1)

    def _open(self, n_threads: int) -> None:
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.intra_op_num_threads = n_threads
        # Waiting in a loop would take the other threads' time, torch's and the tokenizer's.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = InferenceSession(self._quantized, options, providers=["CPUExecutionProvider"])

    def _run(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> TokenClassifierOutput:
        inputs = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        [logits] = self._session.run(["logits"], inputs)
        return TokenClassifierOutput(logits=torch.from_numpy(logits))


def quantize(network: torch.nn.Module, max_pieces: int) -> bytes:
    """A token classifier as an ONNX model with 8-bit matrix products; its own weights stay as they are.

    max_pieces (int): the longest window that the network takes, in wordpieces.
    RETURNS: the model's bytes; its inputs are input_ids and attention_mask (n_windows, n_pieces), int64, its
        output logits (n_windows, n_pieces, n_tags), float32.
    RAISES: ImportError if the extra is not installed.
    """
    try:
        import onnxscript  # noqa: F401 (torch asks for it late, and less clearly)
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as err:
        raise ImportError(NEEDS) from err
    # More than one of each, which torch would take for a constant.
    ids = torch.ones((2, 3), dtype=torch.int64)
    shape = {0: torch.export.Dim("windows"), 1: torch.export.Dim("pieces", max=max_pieces)}
    with TemporaryDirectory() as folder, _quiet_exporter():
        exported, prepared, quantized = (Path(folder) / name for name in ("fp32", "prepared", "int8"))
        torch.onnx.export(
            network.eval(),
            f=exported,
            kwargs={"input_ids": ids, "attention_mask": torch.ones_like(ids)},
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": shape, "attention_mask": shape},
        )
        quant_pre_process(exported, prepared, skip_symbolic_shape=True)
        quantize_dynamic(
            prepared,
            quantized,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            # Sums of 8-bit weights overflow, unseen, on processors without units for them.
            reduce_range=True,
        )
        return quantized.read_bytes()


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep to itself what torch's exporter says of its own workings, and of torchvision."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
