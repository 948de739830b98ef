"""The lock around the loading of models: several threads load once, and forks wait."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from processes import run_program
from spacy_transformers.data_classes import HFObjects
from tiny_pipelines import GOLD, TEXTS, get_craft_ner, make_nlp, read_ents

from craftner_spacy import shim as shim_module
from craftner_spacy.model import get_shim


def test_threads_load_a_model_once(trained_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make_nlp(trained_model, precision="bf16")
    component = get_craft_ner(nlp)
    load_folder, make_inference = shim_module.load_folder, shim_module.make_inference
    calls: list[str] = []

    def load_slowly(*args: object) -> HFObjects:
        calls.append("load")
        time.sleep(0.2)
        return load_folder(*args)  # type: ignore[arg-type]

    def make_slowly(*args: object) -> object:
        calls.append("make")
        time.sleep(0.2)
        return make_inference(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(shim_module, "load_folder", load_slowly)
    monkeypatch.setattr(shim_module, "make_inference", make_slowly)
    docs = [nlp.make_doc(text) for text in TEXTS]
    with ThreadPoolExecutor(len(docs)) as threads:
        assert [read_ents(doc) for doc in threads.map(component, docs)] == GOLD
    assert calls == ["load", "make"]


def test_pipelines_loaded_at_once_leave_torchs_default_dtype(trained_model: Path) -> None:
    before = torch.get_default_dtype()
    pipelines = [make_nlp(trained_model, precision="bf16") for _ in range(4)]
    with ThreadPoolExecutor(len(pipelines)) as threads:
        docs = list(threads.map(lambda nlp: nlp(TEXTS[0]), pipelines))
    assert [read_ents(doc) for doc in docs] == [GOLD[0]] * len(pipelines)
    assert torch.get_default_dtype() == before
    dtypes = {
        weights.dtype
        for nlp in pipelines
        for weights in get_shim(get_craft_ner(nlp).model).network.parameters()
    }
    assert dtypes == {torch.float32}


def test_a_process_forked_during_loading_can_load() -> None:
    assert run_program("fork_while_loading.py").stdout == "the child has the lock\n"
