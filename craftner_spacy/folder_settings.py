"""What the settings in a model's folder may say: they are read and checked before transformers sees them.

Keys of settings can make transformers run code that comes with a model, fetch code or weights from other
repositories, or open any file of the machine, some of them in spite of ``trust_remote_code=False`` and
``local_files_only=True``. So code, quantizers, adapters and other repositories are refused wherever they are
named, and files are plain names in the folder. Of what is left, only settings that the model's class has are
used.
"""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

CONFIG, TOKENIZER_CONFIG, SPECIAL_TOKENS = "config.json", "tokenizer_config.json", "special_tokens_map.json"
_SETTINGS = (CONFIG, TOKENIZER_CONFIG, SPECIAL_TOKENS, "added_tokens.json")
_ADAPTER = "adapter_config.json"
_WEIGHTS = (".safetensors", ".bin")

_REFUSED = {
    "auto_map": "code that comes with a model is not run",
    "custom_pipelines": "code that comes with a model is not run",
    "_auto_class": "code that comes with a model is not run",
    "use_kernels": "kernels of the hub are not run",
    "quantization_config": "quantized weights are not read",
    "detectron2_config_args": "models of other libraries are not read",
    "gguf_file": "weights are model.safetensors or pytorch_model.bin",
    "attribute_map": "it would rename other settings",
    "sub_configs": "it would rename other settings",
    "init_inputs": "the settings of a tokenizer have names",
    "tokenizer_object": "a tokenizer is read from tokenizer.json or its vocabulary",
    "__slow_tokenizer": "a tokenizer is read from tokenizer.json or its vocabulary",
}
"""Keys that are refused at any depth, unless their value is empty, and why."""

_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
_DTYPES = ("float64", "float32", "float16", "bfloat16", "auto")
_CHOICES = {
    "attn_implementation": _ATTENTION,
    "_attn_implementation": _ATTENTION,
    "_attn_implementation_internal": _ATTENTION,
    "dtype": _DTYPES,
    "torch_dtype": _DTYPES,
}
"""What is allowed for keys whose values transformers looks up elsewhere: any other attention on the hub. The
attention that is used is not the settings' to choose."""

_FILE = re.compile(r"\w*(_file|_files|_path|_dir|_spm)|transformers_weights")
_NEVER_OPENED = ("special_tokens_map_file", "name_or_path", "_name_or_path")
_PLAIN_NAME = re.compile(r"[\w+-][\w .+-]*")

MAX_NUMBER = 10_000_000
MAX_LAYERS = 1_000
"""No model is larger; one that says so would take all memory or time before its weights are looked at."""
_N_LAYERS = re.compile(r"(num_(hidden_)?|n_)layers?")


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of config.json, after those of all files of the folder were checked.

    folder (Path): a model's folder.
    RAISES: OSError if a file holds no settings; ValueError if a setting is not allowed.
    """
    if (folder / _ADAPTER).exists():
        raise ValueError(
            f"{str(folder / _ADAPTER)!r}: adapters are not read, since they can name other models and code; "
            "merge the adapter into the model's weights and remove the file"
        )
    for path in [folder / name for name in _SETTINGS if (folder / name).is_file()]:
        _check_keys(path, _read_json(path))
    for path in sorted(folder.glob("*.index.json")):
        _check_index(path, _read_json(path))
    return _read_json(folder / CONFIG)


def find_config_class(folder: Path, settings: dict[str, Any]) -> type[PretrainedConfig] | None:
    """The class of a model's config; None if its settings name no type, as in folders of old.

    RAISES: ValueError if transformers has no token classifier of this type.
    """
    if "model_type" not in settings:
        return None
    model_type = settings["model_type"]
    config_class = CONFIG_MAPPING[model_type] if model_type in list(CONFIG_MAPPING) else None
    if config_class not in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING:
        allowed = "allowed are types of which transformers has a token classifier"
        raise ValueError(_error(folder / CONFIG, "model_type", model_type, allowed))
    return config_class


def known_settings(
    folder: Path, settings: dict[str, Any], config_class: type[PretrainedConfig]
) -> dict[str, Any]:
    """Those settings that a config has, with values of the types that it has; others do nothing.

    RAISES: ValueError if a value has another type, or no model has a number as large.
    """
    defaults = config_class()
    names = {*vars(defaults), *inspect.signature(config_class).parameters, *config_class.attribute_map}
    names = {name for name in names if not name.startswith("_")} | {"num_labels", "transformers_weights"}
    known = {name: value for name, value in settings.items() if name in names}
    for name, value in known.items():
        allowed = _allowed(name, value, getattr(defaults, name, None))
        if allowed:
            raise ValueError(_error(folder / CONFIG, name, value, f"allowed {allowed}"))
    return known


def tokenizer_files(folder: Path) -> dict[str, str]:
    """The paths of the files that a tokenizer's settings name; transformers would not look in the folder.

    RAISES: OSError if a file holds no settings.
    """
    paths = [folder / name for name in (TOKENIZER_CONFIG, SPECIAL_TOKENS) if (folder / name).is_file()]
    return {
        name: str(folder / value)
        for path in paths
        for name, value in _read_json(path).items()
        if isinstance(value, str) and _names_file(folder, name)
    }


def _read_json(path: Path) -> dict[str, Any]:
    damaged = f"{str(path)!r}: the model's files are damaged or do not belong together"
    try:
        settings = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError, RecursionError) as err:
        raise OSError(f"{damaged} ({type(err).__name__}: {err})") from err
    if not isinstance(settings, dict):
        raise OSError(f"{damaged} (it holds no settings)")
    return settings


def _items(settings: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values at any depth."""
    pending = [settings]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield from value.items()
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def _check_keys(path: Path, settings: dict[str, Any]) -> None:
    """Refuse settings that name code, other repositories, or files outside the folder."""
    for key, value in _items(settings):
        if key in _REFUSED and value:
            raise ValueError(_error(path, key, value, _REFUSED[key]))
        if key in _CHOICES:
            for chosen in value.values() if isinstance(value, dict) else [value]:
                if chosen is not None and chosen not in _CHOICES[key]:
                    allowed = f"allowed are {', '.join(_CHOICES[key])}"
                    raise ValueError(_error(path, key, chosen, allowed))
        if key == "tokenizer_class" and value is not None and not _is_fast(value):
            allowed = "it has no fast tokenizer in transformers: offsets in the text are needed"
            raise ValueError(_error(path, key, value, allowed))
        if _names_file(path.parent, key):
            for file in value if isinstance(value, list) else [value]:
                if file is not None:
                    _check_file(path, key, file)


def _is_fast(name: Any) -> bool:
    """Whether a name is that of a class of tokenizers that has, or is, a fast one."""
    fast = f"{name}".removesuffix("Fast") + "Fast"
    found = tokenizer_class_from_name(fast) if fast.isidentifier() else None
    return isinstance(found, type) and issubclass(found, PreTrainedTokenizerFast)


def _names_file(folder: Path, key: str) -> bool:
    """Whether transformers opens the file that is the value of a key."""
    if key in _NEVER_OPENED or (key == "tokenizer_file" and not (folder / "tokenizer.json").is_file()):
        return False
    return _FILE.fullmatch(key) is not None


def _check_index(path: Path, index: dict[str, Any]) -> None:
    """Refuse an index of weights whose files are outside the folder or hold no weights."""
    files = index.get("weight_map")
    if not isinstance(files, dict) or not isinstance(index.get("metadata"), dict):
        allowed = "allowed are the files of the weights by name, and metadata"
        raise ValueError(_error(path, "weight_map", files, allowed))
    for file in sorted({str(file) for file in files.values()}):
        _check_file(path, "weight_map", file)
        if not file.endswith(_WEIGHTS):
            raise ValueError(_error(path, "weight_map", file, f"allowed are {', '.join(_WEIGHTS)}"))


def _check_file(path: Path, key: str, file: Any) -> None:
    if not isinstance(file, str) or not _PLAIN_NAME.fullmatch(file) or not (path.parent / file).is_file():
        raise ValueError(_error(path, key, file, "allowed are plain names of files in the folder"))


def _allowed(name: str, value: Any, default: Any) -> str | None:
    """What is allowed in place of a value, by the type of its default; None if the value is.

    >>> _allowed("hidden_size", "32", 768), _allowed("hidden_size", 32, 768)
    ('are numbers', None)
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    most = MAX_LAYERS if _N_LAYERS.fullmatch(name) else MAX_NUMBER
    if is_number and not abs(value) <= most:
        return f"are numbers up to {most:,}"
    if name == "id2label" and value is not None and not _names_outputs(value):
        return "are names of the outputs 0, 1, ..."
    if isinstance(default, int | float) and not isinstance(default, bool):
        return None if is_number or (value is None and name.endswith("_id")) else "are numbers"
    for kind, allowed in ((bool, "are true and false"), (str, "is a text"), (dict, "is a mapping")):
        if isinstance(default, kind) and value is not None and not isinstance(value, kind):
            return allowed
    return None


def _names_outputs(labels: Any) -> bool:
    """Whether it names a network's outputs from 0 on."""
    return (
        isinstance(labels, dict)
        and set(labels) == {str(i) for i in range(len(labels))}
        and all(isinstance(label, str) for label in labels.values())
    )


def _error(path: Path, key: str, value: Any, reason: str) -> str:
    shown = repr(value)
    return f"{str(path)!r}: {key} = {shown if len(shown) <= 120 else shown[:120] + '...'}: {reason}"
