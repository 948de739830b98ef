"""The Thinc shim that holds tokenizer and network."""

import logging
import os
from collections.abc import Callable, Sequence
from multiprocessing import parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import srsly
import torch
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import ArgsKwargs, Optimizer

from .batching import min_cost_batches
from .folders import load_folder, save_folder, saved_dtype
from .inference.calibration import sample_windows
from .inference.network import InferenceNetwork
from .inference.precision import Inference, make_inference, training_precision
from .locking import LOADING
from .tags import TagScheme, read_tags
from .types import Ints
from .wordpieces import SpecialPieces, special_pieces

logger = logging.getLogger(__name__)


class TokenClassifierShim(HFShim):
    """Holds tokenizer and network. Serialized as a plain Hugging Face folder, without pickle.

    Inference in bf16 or int8 uses a copy of the weights that is made once. Training in bf16 keeps the weights
    in fp32 and casts in each operation (autocast); with int8 as the setting, training is in fp32.

    scheme (TagScheme | None): the network's tags; None while nothing is loaded.
    special (SpecialPieces): what stands around each window.
    max_pieces (int): the longest window, in wordpieces, special tokens not counted.
    """

    def __init__(self, precision: str) -> None:
        super().__init__(HFObjects(None, None, None), grad_scaler_config={})
        self.precision = precision
        self._folder_dtype = torch.float32
        self._set(HFObjects(None, None, None))

    def _set(self, hf_model: HFObjects) -> None:
        self._hfmodel = hf_model
        self._inference: Inference | None = None
        # The process that it is used in; None after unpickling.
        self._pid: int | None = os.getpid()
        self.scheme: TagScheme | None = None
        self.special = SpecialPieces([], [], 0)
        self.max_pieces = 0
        network = hf_model.transformer
        if network is not None:
            self.scheme = read_tags(network.config.id2label)
            self.special = special_pieces(hf_model.tokenizer)
            self.max_pieces = max_window(hf_model.tokenizer, network) - self.special.number
        # Last: for other threads it is the sign that everything is set.
        self._model = network

    @property
    def is_loaded(self) -> bool:
        return self._model is not None

    @property
    def tokenizer(self) -> Any:
        """The fast tokenizer; None while nothing is loaded."""
        return self._hfmodel.tokenizer

    @property
    def network(self) -> Any:
        """The network of Hugging Face, in fp32; None while nothing is loaded."""
        return self._model

    @property
    def inference_precision(self) -> str:
        """The precision of `inference_network`: 'fp32', 'bf16' or 'int8'.

        RAISES: as `inference_network`.
        """
        return self._make_inference().precision

    @property
    def inference_network(self) -> InferenceNetwork:
        """The network for inference; it is made when it is first asked for.

        RAISES: ValueError for int8 on a GPU; ImportError for int8 if torch lacks the operators.
        """
        return self._make_inference().network

    def _make_inference(self) -> Inference:
        inference = self._inference
        if inference is None:
            with LOADING:
                inference = self._inference
                if inference is None:
                    max_width = self.max_pieces + self.special.number
                    self._inference = inference = make_inference(
                        self.network, self.precision, max_width, self.special.padding, self._sample_windows
                    )
                    logger.info("%s is used for inference on %s", inference.precision, self.device)
        return inference

    def _sample_windows(self) -> list[torch.Tensor]:
        return sample_windows(self.tokenizer, self.special, self.max_pieces)

    def make_batches(self, lengths: Ints, max_pieces: int, is_train: bool) -> list[Ints]:
        """Group windows into batches, for training or inference.

        lengths (n_windows,): wordpieces of each window, special tokens included.
        max_pieces (int): the most wordpieces in a batch, padding included.
        RETURNS: indices of the windows of each batch.
        """
        if is_train:
            return min_cost_batches(lengths, max_pieces)
        return self.inference_network.make_batches(lengths, max_pieces) if len(lengths) else []

    def predict(self, inputs: ArgsKwargs) -> torch.Tensor:
        with torch.inference_mode():
            return self.inference_network(*inputs.args)

    def to_device(self, device_type: str, device_id: int) -> None:
        super().to_device(device_type, device_id)
        self._inference = None

    def __getstate__(self) -> dict[str, Any]:
        # The inference network is made for one processor and is made anew on another.
        return {**self.__dict__, "_inference": None, "_pid": None}

    def prepare_process(self) -> None:
        """In another process than before, make ready to run there: a worker keeps to one thread.

        RAISES: ValueError if the process was forked and the weights are on a GPU, which it cannot use.
        """
        if self._pid == os.getpid():
            return
        is_forked = self._pid is not None
        if is_forked and self.device.type != "cpu":
            raise ValueError(
                f"n_process > 1 with the model on {self.device}: a worker that was forked cannot use it. "
                "Use n_process = 1 with the GPU, or the CPU with more"
            )
        if is_forked or parent_process() is not None:
            # A forked process does not have the parent's thread pool, and waiting for it would hang. All
            # backends have torch's threads and no others.
            torch.set_num_threads(1)
        self._pid = os.getpid()

    def begin_update(self, inputs: ArgsKwargs) -> tuple[Any, Callable]:
        self._inference = None
        in_bf16 = training_precision(self.precision, self.device.type) == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=in_bf16):
            output, backprop = super().begin_update(inputs)
        return output.logits, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        super().finish_update(optimizer)
        self._inference = None
        self._folder_dtype = torch.float32

    def load(self, folder: Path, labels: Sequence[str] | None = None) -> None:
        """Read tokenizer and network from a folder.

        folder (Path): a Hugging Face folder.
        labels: see `folders.load_folder`.
        RAISES: what `folders.load_folder` raises.
        """
        hf_model = load_folder(folder, labels)
        self._folder_dtype = saved_dtype(folder)
        self._set(hf_model)

    def save(self, folder: Path) -> None:
        """Write tokenizer and network; weights that were not trained since keep the dtype of their file."""
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


def max_window(tokenizer: Any, network: Any) -> int:
    """The most wordpieces that tokenizer and network allow in a window, special tokens included."""
    limits = [tokenizer.model_max_length]
    positions = getattr(network.config, "max_position_embeddings", None)
    if positions:
        # RoBERTa's positions begin after the padding's index.
        embeddings = getattr(network.base_model, "embeddings", None)
        padding = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
        limits.append(positions if padding is None else positions - padding - 1)
    return min(limits)
