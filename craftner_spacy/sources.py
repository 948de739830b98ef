"""From the name of a model to its tokenizer and network, and from these to a plain folder.

A folder is laid out as on the Hugging Face hub: ``config.json``, ``tokenizer.json`` (or what it is
made from) and ``model.safetensors`` (``pytorch_model.bin`` is read, never written). No code that
comes with a model is run, and no pickle but tensors is read.
"""

import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from pickle import UnpicklingError
from tempfile import TemporaryDirectory
from typing import Any

import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_url, snapshot_download
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HFValidationError
from huggingface_hub.file_download import repo_folder_name
from safetensors import SafetensorError
from spacy_transformers.data_classes import HFObjects
from thinc.api import get_torch_default_device
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from .decoding import TagScheme
from .labels import LABELS

logger = logging.getLogger(__name__)

BIOBERT = "StivenLancheros/biobert-base-cased-v1.2-finetuned-ner-CRAFT_AugmentedTransfer_EN"
ALIASES = {"small": str(Path(__file__).parent / "small"), "biobert": BIOBERT}

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", flags=re.ASCII)
_REVISION = re.compile(r"\w[\w.+/-]*", flags=re.ASCII)
_LABEL = re.compile(r"[\w .+/-]+")
_SETTINGS = (
    "*config.json",
    "*.txt",
    "tokenizer.json",
    "*_map.json",
    "vocab.json",
    "added_tokens.json",
    "*.model",
)
_SAFETENSORS = ("model*.safetensors", "model.safetensors.index.json")
_TORCH_BIN = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
_WAYS_OUT = "allowed are 'small', 'biobert', the id of a model on the hub ('owner/name') or a folder"


def find_folder(name: str, revision: str) -> Path:
    """The folder that holds a model's files; a model of the hub is fetched if the cache lacks it.

    name (str): 'small' (shipped with the package), 'biobert', a hub id or a folder.
    revision (str): branch, tag or commit, for a model of the hub.
    RAISES: ValueError if the name is none of these or the revision has odd characters, FileNotFoundError
        if there is no such folder or it holds no model, ConnectionError if the hub cannot be asked or has no
        such model.
    """
    source = ALIASES.get(name, name)
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _checked(folder, name)
    if Path(source).is_absolute() or source.startswith((".", "~")):
        raise FileNotFoundError(f"[model] name = {name!r}: there is no folder {str(folder)!r}; {_WAYS_OUT}")
    if not _HUB_ID.fullmatch(source) or ".." in source or "--" in source:
        raise ValueError(f"[model] name = {name!r} is neither a folder nor the id of a model; {_WAYS_OUT}")
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise ValueError(
            f"[model] revision = {revision!r}: allowed are the name of a branch or tag, or a commit's hash"
        )
    return _checked(_fetch(source, revision), name)


def _fetch(hub_id: str, revision: str) -> Path:
    """The folder in the hub's cache that holds one commit's files, settings and weights."""
    try:
        cached = _cached_files(hub_id)
        folder = Path(
            snapshot_download(hub_id, revision=revision, allow_patterns=[*_SETTINGS, *_SAFETENSORS])
        )
        if not _has_weights(folder):
            # By the commit that the folder is named after: a branch may have moved on.
            folder = Path(
                snapshot_download(hub_id, revision=folder.name, allow_patterns=[*_SETTINGS, *_TORCH_BIN])
            )
        if not set(folder.iterdir()) <= cached:
            _refuse_mixture(hub_id, folder)
    except (OSError, HFValidationError) as err:
        raise ConnectionError(
            f"[model] name = {hub_id!r}, revision = {revision!r}: the hub could not give this model, and the "
            f"cache does not hold it ({_root_cause(err)}). Check name, "
            "revision and network; or fetch the model where there is a network, save the pipeline with "
            "nlp.to_disk() and load that; or use name = 'small', which needs no network."
        ) from err
    return folder


def _cached_files(hub_id: str) -> set[Path]:
    """What the cache holds of any commit."""
    return set(Path(HF_HUB_CACHE, repo_folder_name(repo_id=hub_id, repo_type="model")).glob("snapshots/*/*"))


def _refuse_mixture(hub_id: str, folder: Path) -> None:
    """Ask once more for the tags of a commit's files, now that all are here.

    The hub's client never asks again for a file that it has of a commit. Where a download broke off and a
    hub gives other files under the same commit when it is gone on with, settings of one model would meet
    weights of another. What is not the hub's any more leaves the cache.

    RAISES: OSError if a file has changed.
    """
    changed = [
        path
        for path in sorted(folder.iterdir())
        # Without links, as on Windows, the cache does not tell the tags.
        if path.is_symlink()
        and path.resolve().name
        != get_hf_file_metadata(hf_hub_url(hub_id, path.name, revision=folder.name)).etag
    ]
    for path in changed:
        path.unlink()
    if changed:
        names = ", ".join(path.name for path in changed)
        raise OSError(
            f"{names}: changed on the hub under commit {folder.name} while being fetched; try again"
        )


def _root_cause(err: BaseException) -> str:
    """What went wrong first: the hub's client wraps the server's answer in a remark on its cache."""
    while err.__cause__ is not None:
        err = err.__cause__
    return f"{type(err).__name__}: {next(iter(str(err).strip().splitlines()), 'no reason given')}"


def _has_weights(folder: Path) -> bool:
    return any(any(folder.glob(pattern)) for pattern in (*_SAFETENSORS, *_TORCH_BIN))


def _checked(folder: Path, name: str) -> Path:
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    if not _has_weights(folder):
        missing.append("model.safetensors or pytorch_model.bin")
    if missing:
        raise FileNotFoundError(
            f"[model] name = {name!r}: {str(folder)!r} holds no model: no {' and no '.join(missing)}"
        )
    return folder


def load_folder(folder: Path, labels: Sequence[str] | None = None) -> HFObjects:
    """Tokenizer and network from a folder, on spaCy's device, weights in 32 bits.

    folder (Path): laid out as on the hub.
    labels: labels that the network must know. One that does not know them all, an encoder without
        a classifier for one, gets a new classifier with random weights for these labels (for training).
        None: the network must bring its own.
    RAISES: ValueError if the tokenizer is not a fast one, the labels are nameless or unfit for BIO tags,
        or the network has no token classifier; OSError if files are damaged or do not belong together.
    """
    try:
        with _quiet_transformers():
            _check_settings(folder)
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            try:
                tokenizer = AutoTokenizer.from_pretrained(
                    folder, use_fast=True, local_files_only=True, trust_remote_code=False
                )
            except Exception:
                _check_tokenizer(folder)
                raise
            if not tokenizer.is_fast:
                raise ValueError(
                    f"{str(folder)!r} has no fast tokenizer (tokenizer.json): offsets in the text are needed"
                )
            new_classifier = labels is not None and not _knows(config.id2label, labels)
            if new_classifier:
                assert labels is not None
                _set_tags(config, labels)
            read_tags(config.id2label)
            network, info = AutoModelForTokenClassification.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                torch_dtype=torch.float32,
                ignore_mismatched_sizes=new_classifier,
                output_loading_info=True,
            )
    except (
        OSError,
        RuntimeError,
        KeyError,
        EOFError,
        UnpicklingError,
        SafetensorError,
        AttributeError,
    ) as err:
        reason = str(err).strip().splitlines()[0] if str(err).strip() else "no reason given"
        raise OSError(
            f"{str(folder)!r}: the model's files are damaged or do not belong together "
            f"({type(err).__name__}: {reason})"
        ) from err
    _check_fit(network, info, folder, new_classifier)
    if _lowercases_by_default(tokenizer, folder):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, use_fast=True, do_lower_case=False, local_files_only=True, trust_remote_code=False
        )
        logger.warning("%s: the vocabulary is cased and its tokenizer does not say so: case is kept", folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    network.to(get_torch_default_device())
    return HFObjects(tokenizer, network, None)


def _check_settings(folder: Path) -> None:
    """Refuse damaged settings before transformers reads them, whose errors speak of other things."""
    for name in ("config.json", "tokenizer_config.json", "special_tokens_map.json"):
        path = folder / name
        if path.is_file():
            try:
                settings = json.loads(path.read_text(encoding="utf8"))
            except ValueError as err:
                raise OSError(f"{name}: {err}") from err
            if not isinstance(settings, dict):
                raise OSError(f"{name} holds no settings")


def _check_tokenizer(folder: Path) -> None:
    """Say what is wrong with tokenizer.json, where transformers failed and may speak of other things."""
    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            Tokenizer.from_file(str(path))
        except Exception as err:  # the library has no narrower type for it
            raise OSError(f"tokenizer.json: {err}") from err


def save_folder(hf_model: HFObjects, folder: Path, dtype: torch.dtype) -> None:
    """Write tokenizer and network as a plain folder, from which `load_folder` reads them.

    All files are written elsewhere first and moved into their places then: the folder may be the one that
    the model was loaded from, whose weights may still be mapped into memory, and where writing fails it
    stays as it was.

    folder (Path): made if it is not there; files with other names in it stay.
    dtype (torch.dtype): of the weights in the file.
    """
    network = hf_model.transformer
    if network.dtype != dtype:
        network = deepcopy(network).to(dtype)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".saving-", dir=folder) as written, _quiet_transformers():
        network.save_pretrained(written, safe_serialization=True)
        hf_model.tokenizer.save_pretrained(written, legacy_format=False)
        for path in sorted(Path(written).iterdir()):
            path.replace(folder / path.name)


def saved_dtype(folder: Path) -> torch.dtype:
    """The type of the weights in a folder, as its config.json tells; 32 bits if it does not."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return config.torch_dtype if isinstance(config.torch_dtype, torch.dtype) else torch.float32


def read_tags(id2label: dict[int, str]) -> TagScheme:
    """The tags of a network, from its configuration.

    id2label (dict[int, str]): name of each output. If the labels are the six of CRAFT but for their
        case (the hub writes ``B-GENE``), they are spelt as this package spells them; others stay.
    RAISES: ValueError if names are missing (``LABEL_0``), hold unfit characters, or are not BIO.

    >>> read_tags({0: "B-GENE_OR_GENE_PRODUCT", 1: "O"}).labels
    ('GENE_OR_GENE_PRODUCT',)
    """
    tags = [id2label[i] for i in range(len(id2label))]
    if any(re.fullmatch(r"LABEL_\d+", tag) for tag in tags):
        raise ValueError(
            f"the model's labels have no names: {', '.join(tags)}. Name them in the id2label of its "
            "config.json ('O', 'B-Protein', 'I-Protein', ...), or train it here with labelled examples"
        )
    for tag in tags:
        if not is_fit_label(tag):
            raise ValueError(
                f"the model's tag {tag!r} has characters other than letters, digits, space and _ - . / +"
            )
    spelling = {label.casefold(): label for label in LABELS}
    if {tag[2:].casefold() for tag in tags if tag != "O"} == set(spelling):
        tags = [tag if tag == "O" else tag[:2] + spelling[tag[2:].casefold()] for tag in tags]
    return TagScheme(tuple(tags))


def is_fit_label(name: str) -> bool:
    """Whether a label or tag may stand in a page: displaCy writes labels into HTML as they are.

    >>> is_fit_label("B-Cell"), is_fit_label("<b>Cell")
    (True, False)
    """
    return _LABEL.fullmatch(name) is not None


def _knows(id2label: dict[int, str], labels: Sequence[str]) -> bool:
    """Whether a network with these outputs already has all the labels."""
    if any(re.fullmatch(r"LABEL_\d+", tag) for tag in id2label.values()):
        return False
    return set(labels) <= set(read_tags(id2label).labels)


def _set_tags(config: Any, labels: Sequence[str]) -> None:
    names = sorted(set(labels))
    tags = [f"B-{name}" for name in names] + [f"I-{name}" for name in names] + ["O"]
    config.num_labels = len(tags)
    config.id2label = dict(enumerate(tags))
    config.label2id = {tag: i for i, tag in enumerate(tags)}


def _check_fit(network: Any, info: dict[str, Any], folder: Path, new_classifier: bool) -> None:
    """Refuse weights that leave parts of the network random, but for a classifier meant to be new."""
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


def _lowercases_by_default(tokenizer: Any, folder: Path) -> bool:
    """Whether a cased vocabulary is about to be read in lower case because no file says otherwise.

    Some hub folders of cased BERTs hold a bare vocab.txt; the library then takes them for uncased.
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
    """Keep the library's remarks on new classifiers and unused weights from the user's console."""
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
