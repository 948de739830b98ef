"""The tiny models of the tests have the shape of real ones."""

import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from tiny_models import HUB_TAGS, make_tiny_model
from transformers import AutoModelForTokenClassification, AutoTokenizer


def test_shape_of_the_hub_model(tiny_model: Path, no_network: list[object]) -> None:
    config = json.loads((tiny_model / "config.json").read_text())
    assert config["model_type"] == "bert"
    assert config["architectures"] == ["BertForTokenClassification"]
    assert config["id2label"] == {str(i): tag for i, tag in enumerate(HUB_TAGS)}
    assert config["label2id"] == {tag: i for i, tag in enumerate(HUB_TAGS)}
    assert sorted(path.name for path in tiny_model.iterdir()) == [
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    assert tokenizer.tokenize("Mouse spermatocytes, SirT1-null") == (
        "M ##ous ##e spermatocytes , S ##i ##r ##T ##1 - n ##u ##l ##l".split()
    )
    assert tokenizer.model_max_length == 512
    assert not no_network


@pytest.mark.parametrize("weights", ["safetensors", "bin"])
def test_weights_are_seeded_in_either_format(
    weights: Literal["safetensors", "bin"], tiny_model: Path, tmp_path: Path
) -> None:
    torch.manual_seed(99)
    other = make_tiny_model(tmp_path / weights, weights=weights, decoy=True)
    assert (other / "pytorch_model.bin").exists() == (weights == "bin")
    assert (other / "training_args.bin").exists()
    states = [
        AutoModelForTokenClassification.from_pretrained(path).state_dict() for path in (tiny_model, other)
    ]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_roberta_positions_begin_after_the_padding(tiny_roberta: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_roberta)
    model = AutoModelForTokenClassification.from_pretrained(tiny_roberta)
    full = tokenizer("β " * 500, truncation=True, return_tensors="pt")
    assert full["input_ids"].shape == (1, 128)
    assert model(**full).logits.shape == (1, 128, 13)


def test_an_encoder_has_no_tags(tmp_path: Path) -> None:
    config = json.loads((make_tiny_model(tmp_path, architecture="encoder") / "config.json").read_text())
    assert config["architectures"] == ["BertModel"]
    assert "id2label" not in config
