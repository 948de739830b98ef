"""Hostile models and settings, and texts that take much time."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from processes import run_program

from .frame import attack, craftner, raised, refused, succeeded

REFUSED = "refused in one line that names the file"
EVIL = "someone/evil"
SIGNS = ("-", "−", "/", "+/+", "(", "=", "_", ",", "%", "'s")
"""Runs of these took quadratic time."""


def make_model(folder: Path, **settings: Any) -> Path:
    """A tiny model in a folder, with some settings of its config.json changed."""
    from tiny_models import make_tiny_model

    model = make_tiny_model(folder / "model")
    return change(model, "config.json", **settings)


def change(model: Path, name: str, **settings: Any) -> Path:
    """The folder of a model after settings of a file were changed."""
    path = model / name
    content = json.loads(path.read_text(encoding="utf8")) if path.is_file() else {}
    path.write_text(json.dumps(content | settings), encoding="utf8")
    return model


def load(model: Path) -> Any:
    """What the package loads from a model's folder."""
    from craftner_spacy.folders import load_folder

    return load_folder(model)


def change_weights(model: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """The folder of a model after its weights were changed in place."""
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    edit(weights)
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    return model


# Code of others (1, 2)


@attack(
    "attention from a repository of the hub, with the package kernels",
    item=1,
    expects="no request; " + REFUSED,
)
def kernels(folder: Path) -> str:
    from hub import HubServer, hub_env

    model = make_model(folder, _attn_implementation=f"{EVIL}:fn")
    (model / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": EVIL}), encoding="utf8")
    with HubServer() as server:
        server.add("someone/model", model)
        server.add(EVIL, model)
        env = hub_env(server, folder)
        done = run_program("load_models.py", "someone/model", "--kernels", env=env)
        asked = [request.path for request in server.requests]
    wrong = [path for path in asked if EVIL in path or path.endswith("adapter_config.json")]
    assert not wrong, f"asked for {wrong}"
    assert "allowed are eager, sdpa" in done.stdout, done.stdout
    return done.stdout.strip()


@attack("other ways to name code: in nested settings, renamed, for the tokenizer", item=1, expects=REFUSED)
def code_elsewhere(folder: Path) -> str:
    model = make_model(folder)
    hostile: list[tuple[str, dict[str, Any]]] = [
        ("config.json", {"text_config": {"attn_implementation": f"{EVIL}:fn"}}),
        (
            "config.json",
            {"_attn_implementation_internal": f"{EVIL}:fn", "_attn_implementation_autoset": True},
        ),
        ("config.json", {"attribute_map": {"_attn_implementation_internal": "x"}, "x": f"{EVIL}:fn"}),
        ("config.json", {"auto_map": {"AutoModelForTokenClassification": f"{EVIL}--x.Model"}}),
        ("config.json", {"quantization_config": {"quant_method": "quark"}}),
        ("config.json", {"torch_dtype": "hub"}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": [f"{EVIL}--x.T", None]}}),
        ("tokenizer_config.json", {"tokenizer_class": "AutoModel"}),
        ("special_tokens_map.json", {"tokenizer_object": "x"}),
    ]
    for name, settings in hostile:
        before = (model / name).read_text(encoding="utf8")
        change(model, name, **settings)
        said = raised(ValueError, lambda: load(model), name)
        (model / name).write_text(before, encoding="utf8")
    load(model)
    return f"{len(hostile)} refused, such as {said}"


@attack("a model whose weights are a pickle", item=1, expects="refused in one line; it does not run")
def pickled(folder: Path) -> str:
    model = make_model(folder)
    (model / "model.safetensors").unlink()
    mark = folder / "ran"
    (model / "pytorch_model.bin").write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
    (folder / "in.txt").write_text("Sox9 in mice.", encoding="utf8")
    done = craftner("annotate", folder / "in.txt", "-o", folder / "out.jsonl", "--model", model)
    assert not mark.exists(), "the pickle ran"
    return refused(done, str(model))


@attack("an adapter beside a model, with peft installed", item=2, expects=REFUSED)
def adapter(folder: Path) -> str:
    from transformers.models.auto import auto_factory

    auto_factory.is_peft_available = lambda: True
    model = make_model(folder)
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "x"}', encoding="utf8")
    return raised(ValueError, lambda: load(model), "adapter_config.json")


# Files (3)


@attack("settings and indexes that name files outside the folder", item=3, expects=REFUSED)
def files(folder: Path) -> str:
    make_model(folder)
    shutil.copytree(folder / "model", folder / "other")
    index = {"metadata": {}, "weight_map": {"classifier.bias": "../other/model.safetensors"}}
    hostile: list[tuple[str, dict[str, Any]]] = [
        ("config.json", {"transformers_weights": "../other/model.safetensors"}),
        ("config.json", {"transformers_weights": str(folder / "other" / "model.safetensors")}),
        ("tokenizer_config.json", {"vocab_file": "../other/vocab.txt"}),
        ("tokenizer_config.json", {"tokenizer_file": "/etc/passwd"}),
        ("tokenizer_config.json", {"fast_tokenizer_files": ["../other/tokenizer.4.0.0.json"]}),
        ("special_tokens_map.json", {"vocab_file": "/etc/passwd"}),
        ("model.safetensors.index.json", index),
    ]
    for name, settings in hostile:
        shutil.rmtree(folder / "model")
        shutil.copytree(folder / "other", folder / "model")
        model = change(folder / "model", name, **settings)
        said = raised(ValueError, partial(load, model), name)
    return f"{len(hostile)} refused, such as {said}"


# Time (14)


@attack("a million signs without a space", item=14, expects="both tokenizers take linear time", seconds=300)
def signs(folder: Path) -> str:
    import spacy

    from craftner_spacy.linear_tokenizer import LinearTokenizer

    craft = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
    plain = LinearTokenizer.from_tokenizer(spacy.blank("en").tokenizer)
    slowest = (0.0, "")
    for tokenizer, name in ((craft.tokenizer, "craft"), (plain, "spaCy's")):
        for unit in ("-", "+/+", "(", "'s"):
            seconds = []
            for n in (100_000, 1_000_000):
                start = time.monotonic()
                assert tokenizer((unit * n)[:n]).text == (unit * n)[:n]
                seconds.append(time.monotonic() - start)
            assert seconds[1] < 20 * seconds[0] + 1, f"{name}, {unit!r}: {seconds} s"
            slowest = max(slowest, (seconds[1], f"{name} {unit!r}"))
    return f"1 MB took {slowest[0]:.1f} s at most ({slowest[1]})"


@attack("runs of signs in `annotate`", item=14, expects="a second for 8,000 of each", seconds=90)
def annotated_signs(folder: Path) -> str:
    texts = [{"id": str(i), "text": (unit * 8000)[:8000]} for i, unit in enumerate(SIGNS)]
    (folder / "in.jsonl").write_text("\n".join(map(json.dumps, texts)), encoding="utf8")
    return succeeded(
        craftner("annotate", folder / "in.jsonl", "-o", folder / "out.jsonl", "--model", make_model(folder))
    )


@attack("logits that make all words one run", item=14, expects="linear time", seconds=60)
def logits(folder: Path) -> str:
    import numpy as np

    from craftner_spacy.decoding import best_tags
    from craftner_spacy.tags import TagScheme

    scheme = TagScheme(("O", "B-Cell", "I-Cell", "B-Gene", "I-Gene"))
    seconds = []
    for n in (2_000, 20_000):
        words = [[0.10, 0.40, 0.01, 0.10, 0.39]] * (n - 1) + [[0.01, 0.01, 0.01, 0.01, 0.96]]
        start = time.monotonic()
        best_tags(np.log(words), scheme)
        seconds.append(time.monotonic() - start)
    assert seconds[1] < 20 * seconds[0] + 0.5, f"{seconds} s"
    return f"2,000 words {seconds[0]:.2f} s, 20,000 words {seconds[1]:.2f} s"


# Numbers and types (15)


@attack("one damaged weight, in each precision", item=15, expects="an error, no entities")
def damaged_weight(folder: Path) -> str:
    from craftner_spacy.model import get_shim
    from craftner_spacy.pipelines import get_component, load_pipeline

    def damage(weights: dict[str, Any]) -> None:
        weights["bert.encoder.layer.0.output.dense.bias"][0] = float("nan")

    said = []
    for precision in ("fp32", "bf16", "int8"):
        nlp = load_pipeline(str(make_model(folder)), precision=precision)
        nlp("mouse")
        get_shim(get_component(nlp).model).network.bert.embeddings.LayerNorm.bias.data[3] = float("nan")
        get_shim(get_component(nlp).model).to_device("cpu", -1)
        said.append(raised(ValueError, partial(nlp, "The mouse"), precision, "weights are damaged"))
    said.append(raised(OSError, lambda: load(change_weights(folder / "model", damage)), "output.dense.bias"))
    return said[-1]


@attack("values of other types, and numbers that take all memory", item=15, expects=REFUSED, seconds=60)
def types(folder: Path) -> str:
    model = make_model(folder)
    hostile: list[dict[str, Any]] = [
        {"return_dict": "yes"},
        {"torchscript": 1},
        {"hidden_size": "32"},
        {"num_hidden_layers": 10**6},
        {"max_position_embeddings": 10**10},
        {"vocab_size": 10**12},
        {"layer_norm_eps": float("nan")},
        {"id2label": {"7": "O"}},
        {"num_attention_heads": 0},
        {"hidden_act": "none"},
    ]
    before = (model / "config.json").read_text(encoding="utf8")
    for settings in hostile:
        change(model, "config.json", **settings)
        said = raised((OSError, ValueError), lambda: load(model), str(model))
        (model / "config.json").write_text(before, encoding="utf8")
    return f"{len(hostile)} refused, such as {said}"


@attack("a vocabulary beyond the embeddings", item=15, expects=REFUSED)
def vocabulary(folder: Path) -> str:
    def cut(weights: dict[str, Any]) -> None:
        name = "bert.embeddings.word_embeddings.weight"
        weights[name] = weights[name][:100].clone()

    return raised(
        ValueError, lambda: load(change_weights(make_model(folder, vocab_size=100), cut)), "embeddings"
    )


# The terminal (16)


@attack("names of files that are not UTF-8", item=16, expects="done, or one line")
def names(folder: Path) -> str:
    source = folder / "in-\udcff.jsonl"
    source.write_text('{"id": 1, "text": "The mouse."}\n', encoding="utf8")
    succeeded(craftner("annotate", source, "-o", folder / "out-\udcff.jsonl", "--model", make_model(folder)))
    return refused(craftner("report", folder / "none-\udcff.jsonl", "-o", folder / "x.html"), "none-")


@attack("a terminal of cp1252, a closed pipe", item=16, expects="labels and info are printed; no traceback")
def terminals(folder: Path) -> str:
    env = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    for command in (["labels"], ["info", "--model", str(make_model(folder))]):
        succeeded(craftner(*command, env=env))
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "craftner_spacy", "labels"],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert not done.stderr, done.stderr
    return f"printed; rc {done.returncode} of a closed pipe, without a word"


@attack("a package that is no model", item=16, expects="one line")
def package(folder: Path) -> str:
    return refused(craftner("info", "--model", "torch"), "'torch' is a package without a pipeline")
