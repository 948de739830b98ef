"""Folders: what is loaded from them, and the errors of those that are damaged, hostile or have no labels."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import make_tiny_model
from tiny_pipelines import first_logit, make_nlp, read_char_ents
from transformers.utils import logging as transformers_logging

from craftner_spacy import folders
from craftner_spacy.folders import load_folder, save_folder, saved_dtype
from craftner_spacy.tags import read_tags


@pytest.mark.parametrize("weights", ["bin", "safetensors"])
def test_weights_of_both_formats_are_the_same(
    weights: Literal["bin", "safetensors"], tiny_model: Path, tmp_path: Path
) -> None:
    assert first_logit(make_tiny_model(tmp_path, weights=weights)) == first_logit(tiny_model)


@pytest.mark.parametrize(
    ("weights", "file"), [("safetensors", "model.safetensors"), ("bin", "pytorch_model.bin")]
)
@pytest.mark.parametrize("size", [0, 5, 3000])
def test_truncated_weights_are_named(
    weights: Literal["bin", "safetensors"], file: str, size: int, tmp_path: Path
) -> None:
    make_tiny_model(tmp_path, weights=weights)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[:size])
    with pytest.raises(OSError, match="the model's files are damaged or do not belong together"):
        load_folder(tmp_path)


def test_weights_of_another_size_are_named(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "a")
    make_tiny_model(tmp_path / "b", labels=("O", "B-Cell", "I-Cell"))
    shutil.copy(tmp_path / "b" / "config.json", tmp_path / "a")
    with pytest.raises(OSError, match="damaged or do not belong together"):
        load_folder(tmp_path / "a")


def test_weights_without_a_part_of_the_encoder_are_named(tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    file = tmp_path / "model.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "encoder.layer.1" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(OSError, match=r"the weights lack 16 parts of the encoder, such as 'bert\.encoder\."):
        load_folder(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_named(value: float, tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["bert.encoder.layer.0.output.dense.bias"][3] = value
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        OSError, match=r"'bert\.encoder\.layer\.0\.output\.dense\.bias' are damaged: they hold NaN"
    ):
        load_folder(tmp_path)


def test_weights_whose_sum_is_too_large_are_numbers(tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["classifier.bias"][:2] = 3e38
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert load_folder(tmp_path).transformer.classifier.bias.sum().isinf()


def test_a_vocabulary_beyond_the_embeddings_is_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf8"))
    n_pieces = config["vocab_size"]
    config["vocab_size"] -= 1
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf8")
    weights = load_file(tmp_path / "model.safetensors")
    name = "bert.embeddings.word_embeddings.weight"
    weights[name] = weights[name][:-1].clone()
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"has ids up to {n_pieces - 1}, and .* those below {n_pieces - 1}"):
        load_folder(tmp_path)


def test_a_tokenizer_without_offsets_is_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}', encoding="utf8")
    with pytest.raises(ValueError, match="has no fast tokenizer"):
        load_folder(tmp_path)


def test_a_folder_whose_name_tells_the_type_needs_none_in_its_settings(tmp_path: Path) -> None:
    for name in ("my-bert", "mine"):
        folder = make_tiny_model(tmp_path / name)
        settings = json.loads((folder / "config.json").read_text(encoding="utf8"))
        del settings["model_type"]
        (folder / "config.json").write_text(json.dumps(settings), encoding="utf8")
    assert first_logit(tmp_path / "my-bert") == first_logit(make_tiny_model(tmp_path / "whole"))
    with pytest.raises(OSError, match="mine"):
        load_folder(tmp_path / "mine")


def test_what_transformers_says_of_a_tokenizer_whose_files_are_whole_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **settings: object) -> None:
        raise KeyError("odd")

    make_tiny_model(tmp_path)
    monkeypatch.setattr(folders.AutoTokenizer, "from_pretrained", fail)
    with pytest.raises(OSError, match="odd"):
        load_folder(tmp_path)


@pytest.mark.parametrize("cased", [True, False])
def test_case_is_kept_where_the_vocabulary_is_cased_and_no_file_says_so(
    cased: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_tiny_model(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).unlink()
    if not cased:
        vocab = (tmp_path / "vocab.txt").read_text(encoding="utf8")
        lines = [line if line.startswith("[") else line.lower() for line in vocab.splitlines()]
        (tmp_path / "vocab.txt").write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf8")
    pieces = load_folder(tmp_path).tokenizer.tokenize("The Mouse")
    assert pieces[0] == ("The" if cased else "the")
    assert ("the vocabulary is cased" in caplog.text) is cased


@pytest.mark.parametrize("shown", [True, False])
def test_the_logging_of_transformers_is_restored_after_loading(shown: bool, tiny_model: Path) -> None:
    before = transformers_logging.is_progress_bar_enabled()
    try:
        (transformers_logging.enable_progress_bar if shown else transformers_logging.disable_progress_bar)()
        verbosity = transformers_logging.get_verbosity()
        load_folder(tiny_model)
        assert transformers_logging.is_progress_bar_enabled() is shown
        assert transformers_logging.get_verbosity() == verbosity
    finally:
        (transformers_logging.enable_progress_bar if before else transformers_logging.disable_progress_bar)()


def test_hostile_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "model", weights="bin")
    trace = tmp_path / "it-ran"
    with (tmp_path / "model" / "pytorch_model.bin").open("wb") as file:
        torch.save({"classifier.bias": Payload(trace)}, file)
    with pytest.raises(OSError, match="damaged or do not belong together"):
        load_folder(tmp_path / "model")
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists()


class Payload:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_code_of_a_model_is_not_run(tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf8"))
    config["model_type"] = "made-up"
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForTokenClassification": "evil.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf8")
    trace = tmp_path / "it-ran"
    (tmp_path / "evil.py").write_text(f"open({str(trace)!r}, 'w')", encoding="utf8")
    with pytest.raises((OSError, ValueError), match=r"evil|made-up|trust_remote_code|custom code"):
        load_folder(tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null", "\x00\x00"])
def test_damaged_settings_are_named(file: str, content: str, tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    (tmp_path / file).write_text(content, encoding="utf8")
    with pytest.raises(OSError, match="damaged or do not belong together"):
        load_folder(tmp_path)


# Labels


def test_nameless_labels_are_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path, labels=("LABEL_0", "LABEL_1"))
    with pytest.raises(
        ValueError, match=r"labels have no names: LABEL_0, LABEL_1\. Name them in the id2label"
    ):
        load_folder(tmp_path)
    assert read_tags(load_folder(tmp_path, ["Cell"]).transformer.config.id2label).labels == ("Cell",)


@pytest.mark.parametrize("label", ["<script>alert(1)</script>", "a\nb", "x\x1b[31m", "{{7*7}}"])
def test_hostile_labels_are_refused(label: str, tmp_path: Path) -> None:
    make_tiny_model(tmp_path, labels=("O", f"B-{label}"))
    with pytest.raises(ValueError, match="has characters other than letters, digits, space") as caught:
        load_folder(tmp_path)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_labels_that_are_not_bio_are_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path, labels=("NEGATIVE", "POSITIVE"))
    with pytest.raises(ValueError, match="tag 'NEGATIVE' is not of the BIO scheme"):
        load_folder(tmp_path)


@pytest.mark.parametrize("architecture", ["encoder", "masked-lm"])
def test_encoder_is_refused_for_prediction_and_accepted_for_training(
    architecture: Literal["encoder", "masked-lm"], tmp_path: Path
) -> None:
    make_tiny_model(tmp_path, architecture=architecture)
    with pytest.raises(ValueError, match=r"labels have no names|an encoder without a token classifier"):
        load_folder(tmp_path)
    hf_model = load_folder(tmp_path, ["Taxon", "Cell"])
    tags = read_tags(hf_model.transformer.config.id2label).tags
    assert tags == ("B-Cell", "B-Taxon", "I-Cell", "I-Taxon", "O")
    assert tuple(hf_model.transformer.classifier.weight.shape) == (5, 32)


def test_encoder_with_named_labels_is_still_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "tagger")
    make_tiny_model(tmp_path / "encoder", architecture="encoder")
    shutil.copy(tmp_path / "tagger" / "config.json", tmp_path / "encoder")
    with pytest.raises(ValueError, match="holds an encoder without a token classifier: train it first"):
        load_folder(tmp_path / "encoder")


# Saving


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_saved_folder_keeps_its_dtype_and_is_read_in_32_bits(
    dtype: torch.dtype, tiny_model: Path, tmp_path: Path
) -> None:
    hf_model = load_folder(tiny_model)
    save_folder(hf_model, tmp_path / "new" / "model", dtype)
    assert {value.dtype for value in load_file(tmp_path / "new/model/model.safetensors").values()} == {dtype}
    assert saved_dtype(tmp_path / "new" / "model") == dtype
    again = load_folder(tmp_path / "new" / "model").transformer.state_dict()
    for name, value in hf_model.transformer.state_dict().items():
        assert value.dtype == again[name].dtype == torch.float32
        assert torch.equal(again[name], value.to(dtype).float())


def test_a_folder_without_tokenizer_or_with_unknown_tags_says_what_to_do(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model", labels=("B", "I", "O"))
    with pytest.raises(
        ValueError, match=r"model': tag 'B' is not of the BIO scheme.*id2label of config\.json"
    ):
        load_folder(folder)
    for name in ("tokenizer.json", "vocab.txt"):
        (folder / name).unlink()
    with pytest.raises(
        OSError, match=r"model'.*it holds no tokenizer: .*AutoTokenizer\.from_pretrained\(MODEL\)"
    ):
        load_folder(folder)


@pytest.mark.parametrize("prefixes", ["BI", "BILU", "BIES", "I"])
def test_models_with_the_tags_of_other_schemes_find_entities(prefixes: str, tmp_path: Path) -> None:
    labels = ["O", *(f"{prefix}-{label}" for label in ("Cell", "Gene") for prefix in prefixes)]
    nlp = make_nlp(make_tiny_model(tmp_path / "model", labels=labels, seed=4))
    found = read_char_ents(nlp("The mouse kinase of stem cells . In these the water was not expressed ."))
    assert found
    assert {label for *_, label in found} <= {"Cell", "Gene"}
