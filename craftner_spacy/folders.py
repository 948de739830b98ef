"""From a plain folder to tokenizer and network, and back.

A folder is laid out as on the Hugging Face hub: ``config.json``, ``tokenizer.json`` (or what it is
made from) and ``model.safetensors`` (``pytorch_model.bin`` is read, never written). No code that
comes with a model is run, and no pickle but tensors is read.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from pickle import UnpicklingError
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError
from spacy_transformers.data_classes import HFObjects
from thinc.api import get_torch_default_device
from tokenizers import Tokenizer
from transformers import (
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
)
from transformers.utils import logging as transformers_logging

from .folder_settings import find_config_class, known_settings, read_settings, tokenizer_files
from .locking import LOADING
from .tags import has_tag_names, make_tags, read_tags

logger = logging.getLogger(__name__)

_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_OUTPUT = {
    "return_dict": True,
    "torchscript": False,
    "output_attentions": False,
    "output_hidden_states": False,
}
"""What a network returns is not its settings' to choose."""


_VOCABULARIES = (
    "tokenizer.json vocab.txt vocab.json merges.txt tokenizer.model sentencepiece.bpe.model spiece.model "
    "spm.model bpe.codes vocab.bpe"
).split()
"""Files of which a tokenizer is made: one of them has to be there."""


def load_folder(folder: Path, labels: Sequence[str] | None = None) -> HFObjects:
    """Tokenizer and network from a folder, on spaCy's device, with weights in fp32.

    folder (Path): laid out as on the hub.
    labels: labels that the network must know, for training. A network that does not know them all, such as an
        encoder without a classifier, gets a new classifier with random weights for these labels. None: the
        network has to have a classifier.
    RAISES: ValueError if the tokenizer is not a fast one, the labels have no names or are not BIO tags, or
        the network has no token classifier; OSError if files are damaged or do not belong together.
    """
    with LOADING, _quiet_transformers():
        settings = read_settings(folder)
        config_class = find_config_class(folder, settings)
        with _explained(folder):
            if config_class is None:
                config_class = type(AutoConfig.from_pretrained(folder, **_LOCAL))
        settings = known_settings(folder, settings, config_class)
        with _explained(folder):
            config = config_class.from_dict(settings | _OUTPUT)
            tokenizer = _load_tokenizer(folder, config)
        if not tokenizer.is_fast:
            raise ValueError(
                f"{str(folder)!r} has no fast tokenizer (tokenizer.json): offsets in the text are needed"
            )
        new_classifier = labels is not None and not _knows(config.id2label, labels)
        if new_classifier:
            assert labels is not None
            _set_tags(config, labels)
        try:
            read_tags(config.id2label)
        except ValueError as err:
            raise ValueError(f"{str(folder)!r}: {err}") from err
        with _explained(folder):
            network, info = AutoModelForTokenClassification.from_pretrained(
                folder,
                config=config,
                **_LOCAL,
                weights_only=True,
                torch_dtype=torch.float32,
                attn_implementation=_attention(config),
                ignore_mismatched_sizes=new_classifier,
                output_loading_info=True,
            )
    _check_fit(network, info, folder, new_classifier)
    _check_weights(network, folder)
    _check_vocabulary(tokenizer, network, folder)
    if _lowercases_by_default(tokenizer, folder):
        with LOADING:
            tokenizer = _load_tokenizer(folder, config, do_lower_case=False)
        logger.warning("%s: the vocabulary is cased and its tokenizer does not say so: case is kept", folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    network.to(get_torch_default_device())
    return HFObjects(tokenizer, network, None)


def _load_tokenizer(folder: Path, config: Any, **settings: Any) -> Any:
    """A fast tokenizer, if there is one; files that its settings name are those of the folder."""
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise OSError(
            "it holds no tokenizer: save the model's own there, or that of the model it was made from: "
            f"AutoTokenizer.from_pretrained(MODEL).save_pretrained({str(folder)!r})"
        )
    try:
        return AutoTokenizer.from_pretrained(
            folder, config=config, use_fast=True, **_LOCAL, **tokenizer_files(folder), **settings
        )
    except Exception:
        _check_tokenizer(folder)
        raise


def _attention(config: Any) -> str:
    """The implementation of attention for a config's network: torch's, or else transformers' own."""
    network_class = MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING[type(config)]
    return "sdpa" if getattr(network_class, "_supports_sdpa", False) else "eager"


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Name the folder in errors of transformers and of the libraries below it."""
    try:
        yield
    except (
        OSError,
        RuntimeError,
        LookupError,
        EOFError,
        UnpicklingError,
        SafetensorError,
        AttributeError,
        ArithmeticError,
        AssertionError,
        ImportError,
        TypeError,
        ValueError,
    ) as err:
        reason = str(err).strip().splitlines()[0] if str(err).strip() else "no reason given"
        raise OSError(
            f"{str(folder)!r}: the model's files are damaged or do not belong together "
            f"({type(err).__name__}: {reason})"
        ) from err


def _check_tokenizer(folder: Path) -> None:
    """Say what is wrong with tokenizer.json: the error of transformers may not name the file."""
    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            Tokenizer.from_file(str(path))
        except Exception as err:  # the library has no narrower type for it
            raise OSError(f"tokenizer.json: {err}") from err


def save_folder(hf_model: HFObjects, folder: Path, dtype: torch.dtype) -> None:
    """Write tokenizer and network as a plain folder, from which `load_folder` reads them.

    All files are written to a temporary folder and then moved: the folder may be the one that the model was
    loaded from, whose weights may still be mapped into memory, and it stays as it was if writing fails.

    folder (Path): made if it is not there; files with other names in it stay.
    dtype (torch.dtype): of the weights in the file.
    """
    network = hf_model.transformer
    if network.dtype != dtype:
        network = deepcopy(network).to(dtype)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".saving-", dir=folder) as written, LOADING, _quiet_transformers():
        network.save_pretrained(written, safe_serialization=True)
        hf_model.tokenizer.save_pretrained(written, legacy_format=False)
        for path in sorted(Path(written).iterdir()):
            path.replace(folder / path.name)


def saved_dtype(folder: Path) -> torch.dtype:
    """The type of the weights in a folder, as its config.json tells; 32 bits if it does not.

    RAISES: what `folder_settings.read_settings` raises.
    """
    settings = read_settings(folder)
    dtype = getattr(torch, str(settings.get("torch_dtype", settings.get("dtype"))), None)
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def saved_labels(folder: Path) -> tuple[str, ...]:
    """The labels of the model in a folder, as its config.json tells; none if it has no valid ones.

    folder (Path): laid out as on the hub; its weights are not read.
    """
    try:
        id2label = {int(index): tag for index, tag in read_settings(folder)["id2label"].items()}
        return read_tags(id2label).labels
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def _knows(id2label: dict[int, str], labels: Sequence[str]) -> bool:
    """Whether a network with these outputs already has all the labels."""
    return has_tag_names(id2label) and set(labels) <= set(read_tags(id2label).labels)


def _set_tags(config: Any, labels: Sequence[str]) -> None:
    tags = make_tags(labels)
    config.num_labels = len(tags)
    config.id2label = dict(enumerate(tags))
    config.label2id = {tag: i for i, tag in enumerate(tags)}


def _check_fit(network: Any, info: dict[str, Any], folder: Path, new_classifier: bool) -> None:
    """Refuse weights that leave parts of the network random, except for a classifier that is to be new."""
    encoder = f"{network.base_model_prefix}."
    lacking = [key for key in info["missing_keys"] if key.startswith(encoder)]
    if lacking:
        raise OSError(
            f"{str(folder)!r}: the weights lack {len(lacking)} parts of the encoder, such as {lacking[0]!r}"
        )
    if info["missing_keys"] and not new_classifier:
        raise ValueError(
            f"{str(folder)!r} holds an encoder without a token classifier: train it first "
            "(python -m spacy train), or name a model that was fine-tuned for token classification"
        )


def _check_weights(network: Any, folder: Path) -> None:
    """Refuse weights that are no numbers: all texts would get the same tags."""
    for name, weights in network.named_parameters():
        # A sum is faster than a look at each, and seldom too large itself.
        if not weights.detach().sum().isfinite() and not weights.isfinite().all():
            raise OSError(f"{str(folder)!r}: the weights {name!r} are damaged: they hold NaN or infinity")


def _check_vocabulary(tokenizer: Any, network: Any, folder: Path) -> None:
    """Refuse a tokenizer with wordpieces that the network cannot read."""
    n_ids = max(tokenizer.get_vocab().values(), default=-1) + 1
    n_embeddings = getattr(network.get_input_embeddings(), "num_embeddings", n_ids)
    if n_ids > n_embeddings:
        raise ValueError(
            f"{str(folder)!r}: the tokenizer has ids up to {n_ids - 1}, and the network embeddings for those "
            f"below {n_embeddings}: tokenizer and weights do not belong together"
        )


def _lowercases_by_default(tokenizer: Any, folder: Path) -> bool:
    """Whether the tokenizer would lower-case text although the vocabulary is cased.

    Some hub folders of cased BERTs have vocab.txt and no settings; transformers then takes them for uncased.
    """
    if not getattr(tokenizer, "do_lower_case", False) or (folder / "tokenizer.json").is_file():
        return False
    settings = folder / "tokenizer_config.json"
    if settings.is_file() and "do_lower_case" in settings.read_text(encoding="utf8"):
        return False
    words = [piece for piece in tokenizer.get_vocab() if piece.isalpha()]
    return sum(piece != piece.lower() for piece in words) > 0.01 * max(1, len(words))


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Suppress the messages of transformers on new classifiers and unused weights."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
