"""Settings of a model's folder that name code, other repositories or files, or have values of other types."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import make_tiny_model
from transformers import BertConfig, DistilBertConfig, modeling_utils
from transformers.models.auto import auto_factory

from craftner_spacy.folder_settings import find_config_class, known_settings, read_settings, tokenizer_files
from craftner_spacy.folders import load_folder

CONFIG = {"model_type": "bert"}


def write(folder: Path, name: str = "config.json", **settings: Any) -> Path:
    """A folder with these settings; config.json has a type in any case."""
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf8")
    (folder / name).write_text(
        json.dumps((CONFIG if name == "config.json" else {}) | settings), encoding="utf8"
    )
    return folder


def refused(folder: Path, name: str, key: str) -> str:
    """The error of settings that are refused: it names file and key."""
    with pytest.raises(ValueError, match=rf"{re.escape(name)}': {key} = ") as caught:
        read_settings(folder)
    return str(caught.value)


# Code and other repositories


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("_attn_implementation", "attacker/evil:fn"),
        ("_attn_implementation_internal", "attacker/evil:fn"),
        ("attn_implementation", {"text_config": "attacker/evil:fn"}),
        ("_attn_implementation", "kernel_attacker_evil"),
        ("_attn_implementation", ["sdpa"]),
        ("auto_map", {"AutoTokenizer": ["attacker/evil--x.T", None]}),
        ("custom_pipelines", {"ner": {"impl": "evil.P"}}),
        ("quantization_config", {"quant_method": "quark"}),
        ("use_kernels", True),
        ("_auto_class", "AutoConfig"),
        ("attribute_map", {"_attn_implementation_internal": "x"}),
        ("sub_configs", {"x": "y"}),
        ("gguf_file", "x.gguf"),
        ("init_inputs", ["/etc/passwd"]),
        ("tokenizer_object", "x"),
        ("torch_dtype", "hub"),
        ("tokenizer_class", "AutoModel"),
        ("tokenizer_class", "AutoTokenizer"),
        ("tokenizer_class", "../x"),
        ("tokenizer_class", 7),
    ],
)
@pytest.mark.parametrize("depth", [0, 1])
def test_keys_that_name_code_are_refused_at_any_depth(
    name: str, key: str, value: Any, depth: int, tmp_path: Path
) -> None:
    settings = {key: value}
    if depth:
        settings = {"text_config": [settings]}
    refused(write(tmp_path, name, **settings), name, key if not isinstance(value, dict) else r"\w+")


@pytest.mark.parametrize(
    "settings",
    [
        {"_attn_implementation": "sdpa", "_attn_implementation_autoset": True, "auto_map": None},
        {"attn_implementation": None, "torch_dtype": "bfloat16", "quantization_config": {}},
        {"tokenizer_class": "BertTokenizer", "_name_or_path": "someone/else", "_commit_hash": "0" * 40},
    ],
)
def test_what_saved_models_have_is_allowed(settings: dict[str, Any], tmp_path: Path) -> None:
    assert read_settings(write(tmp_path, **settings)) == CONFIG | settings


def test_attention_of_the_hub_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(modeling_utils, "is_kernels_available", lambda: True, raising=False)
    monkeypatch.setattr(modeling_utils, "get_kernel", fetched.append, raising=False)
    config = json.loads((make_tiny_model(tmp_path) / "config.json").read_text(encoding="utf8"))
    config["_attn_implementation"] = "attacker/evil:fn"
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf8")
    with pytest.raises(
        ValueError, match="_attn_implementation = 'attacker/evil:fn': allowed are eager, sdpa"
    ):
        load_folder(tmp_path)
    assert fetched == []


def test_attention_and_outputs_are_not_the_settings_to_choose(tmp_path: Path) -> None:
    config = json.loads((make_tiny_model(tmp_path) / "config.json").read_text(encoding="utf8"))
    config |= {"_attn_implementation": "eager", "return_dict": False, "torchscript": True}
    config |= {"output_attentions": True, "output_hidden_states": True, "_auto_class": None, "unknown": "x"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf8")
    network = load_folder(tmp_path).transformer
    assert network.config._attn_implementation == "sdpa"
    assert network.config.use_return_dict
    assert not hasattr(network.config, "unknown")
    assert list(network(torch.tensor([[1, 2]]))) == ["logits"]


def test_adapters_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if peft were installed: the weights would be those of the other model.
    monkeypatch.setattr(auto_factory, "is_peft_available", lambda: True)
    other = make_tiny_model(tmp_path / "other", seed=1)
    folder = make_tiny_model(tmp_path / "model")
    adapter = json.dumps({"base_model_name_or_path": str(other)})
    (folder / "adapter_config.json").write_text(adapter, encoding="utf8")
    with pytest.raises(ValueError, match=r"adapter_config\.json': adapters are not read"):
        load_folder(folder)


# Files


@pytest.mark.parametrize(
    "file", ["../vocab.txt", "/etc/passwd", "a/../vocab.txt", "..", ".", "", "none.txt", 7]
)
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("config.json", "transformers_weights"),
        ("tokenizer_config.json", "vocab_file"),
        ("tokenizer_config.json", "fast_tokenizer_files"),
        ("special_tokens_map.json", "merges_file"),
    ],
)
def test_files_are_plain_names_in_the_folder(name: str, key: str, file: object, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "vocab.txt").touch()
    (folder / "vocab.txt").touch()
    assert read_settings(write(folder, name, **{key: "vocab.txt"}))
    assert read_settings(write(folder, name, **{key: None}))
    message = refused(write(folder, name, **{key: [file] if key.endswith("files") else file}), name, key)
    assert "allowed are plain names of files in the folder" in message


def test_files_of_a_tokenizer_are_those_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tiny_model(tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    # The working folder has another vocabulary of that name, without the words.
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\n", encoding="utf8")
    monkeypatch.chdir(tmp_path)
    settings = {"tokenizer_class": "BertTokenizer", "vocab_file": "vocab.txt", "do_lower_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf8")
    assert load_folder(folder).tokenizer.tokenize("mouse") == ["mouse"]


def test_files_that_old_settings_name_and_nothing_opens_are_allowed(tmp_path: Path) -> None:
    old = {"special_tokens_map_file": "/cache/x", "tokenizer_file": "/cache/y"}
    folder = write(tmp_path, "tokenizer_config.json", **old)
    assert read_settings(folder)
    assert tokenizer_files(folder) == {}
    (folder / "tokenizer.json").touch()
    refused(folder, "tokenizer_config.json", "tokenizer_file")


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "pytorch_model.bin.index.json"])
def test_files_of_an_index_are_plain_names_of_weights(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").touch()
    (tmp_path / "a.txt").touch()
    index: dict[str, Any] = {"metadata": {}, "weight_map": {"x": "a.safetensors"}}
    assert read_settings(write(tmp_path, name, **index))
    for file in ("../a.safetensors", str(tmp_path / "a.safetensors"), "a.txt", "b.bin", None):
        refused(write(tmp_path, name, **index | {"weight_map": {"x": file}}), name, "weight_map")
    refused(write(tmp_path, name, weight_map={"x": "a.safetensors"}), name, "weight_map")


# Types


@pytest.mark.parametrize("model_type", ["made-up", "clip", "", None, 7, ["bert"]])
def test_types_without_a_token_classifier_are_refused(model_type: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model_type = .*: allowed are types of which transformers has"):
        find_config_class(tmp_path, {"model_type": model_type})
    assert find_config_class(tmp_path, {"model_type": "bert"}) is BertConfig
    assert find_config_class(tmp_path, {}) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("return_dict", "yes"),
        ("return_dict", 0),
        ("torchscript", "false"),
        ("hidden_size", "32"),
        ("num_hidden_layers", None),
        ("num_attention_heads", True),
        ("layer_norm_eps", "1e-12"),
        ("layer_norm_eps", float("nan")),
        ("hidden_act", 1),
        ("max_position_embeddings", 10**9),
        ("num_hidden_layers", 10**6),
        ("num_labels", 10**9),
        ("vocab_size", float("inf")),
        ("id2label", ["O"]),
        ("id2label", {"0": "O", "2": "B-Cell"}),
        ("id2label", {"0": 7}),
    ],
)
def test_values_of_other_types_are_refused(key: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"config\.json': {key} = .*: allowed (are|is) "):
        known_settings(tmp_path, {key: value}, BertConfig)


def test_settings_that_a_config_does_not_have_do_nothing(tmp_path: Path) -> None:
    settings = {"hidden_size": 32, "pad_token_id": None, "hidden_dropout_prob": 0, "id2label": {"0": "O"}}
    others = {"save_pretrained": 1, "_commit_hash": "x", "foo": {}}
    assert known_settings(tmp_path, settings | others, BertConfig) == settings
    # DistilBERT calls the hidden size "dim", and takes both names.
    assert known_settings(tmp_path, {"dim": 32, "hidden_size": 32}, DistilBertConfig) == {
        "dim": 32,
        "hidden_size": 32,
    }
