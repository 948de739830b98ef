"""From the name of a model to the folder of its files; the hub's models are fetched into the hub's cache."""

import os
import re
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_url, snapshot_download
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HFValidationError
from huggingface_hub.file_download import repo_folder_name

BIOBERT = "StivenLancheros/biobert-base-cased-v1.2-finetuned-ner-CRAFT_AugmentedTransfer_EN"
ALIASES = {"small": str(Path(__file__).parent / "small"), "biobert": BIOBERT}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", flags=re.ASCII)
_REVISION = re.compile(r"\w[\w.+/-]*", flags=re.ASCII)
_SETTINGS = (
    # Not adapter_config.json, which would have transformers read another model.
    "config.json",
    "tokenizer_config.json",
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
    """The folder that holds a model's files; a model of the hub is fetched if it is not in the cache.

    name (str): 'small' (shipped with the package), 'biobert', a hub id or a folder.
    revision (str): branch, tag or commit, for a model of the hub.
    RAISES: ValueError if the name is none of these or the revision has characters that are not allowed;
        FileNotFoundError if there is no such folder or it holds no model; ConnectionError if the hub cannot
        be reached or has no such model.
    """
    source = ALIASES.get(name, name)
    folder = Path(os.path.expanduser(source))
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


def find_local_folder(name: str, revision: str) -> Path | None:
    """The folder that holds a model's files, if it is on this machine; nothing is fetched, nothing checked.

    name, revision (str): as for `find_folder`.
    RETURNS: the folder; None if there is none.
    """
    source = ALIASES.get(name, name)
    folder = Path(os.path.expanduser(source))
    if folder.is_dir():
        return folder
    try:
        return Path(snapshot_download(source, revision=revision, local_files_only=True))
    except (OSError, ValueError):
        return None


def _fetch(hub_id: str, revision: str) -> Path:
    """The folder in the hub's cache that holds the settings and weights of one commit."""
    try:
        cached = _cached_files(hub_id)
        folder = Path(
            snapshot_download(hub_id, revision=revision, allow_patterns=[*_SETTINGS, *_SAFETENSORS])
        )
        if not _has_weights(folder):
            # By commit, which is the folder's name: a branch may have changed since.
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
    """The files of all commits in the cache."""
    return set(Path(HF_HUB_CACHE, repo_folder_name(repo_id=hub_id, repo_type="model")).glob("snapshots/*/*"))


def _refuse_mixture(hub_id: str, folder: Path) -> None:
    """Compare the cached files of a commit with the hub's, by their entity tags, after the last was fetched.

    The hub's client does not ask again for a file of a commit that it has. If a download was interrupted and
    the hub then gives other files under the same commit, the settings of one model would be used with the
    weights of another. Files that differ are removed from the cache.

    RAISES: OSError if a file has changed.
    """
    changed = [
        path
        for path in sorted(folder.iterdir())
        # Without links, as on Windows, the cache does not show the tags.
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
    """The first error: the hub's client wraps the server's answer, and requests that of the connection."""
    while err.__cause__ is not None:
        err = err.__cause__
    reason = getattr(err.args[0], "reason", None) if err.args else None
    err = reason if isinstance(reason, Exception) else err
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
