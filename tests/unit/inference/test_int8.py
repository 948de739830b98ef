"""Inference in int8: near the network that it was made from, and used only where it is asked for."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from processes import run_program
from spacy.language import Language
from spacy.training import Example
from tiny_models import WORDS
from tiny_pipelines import get_craft_ner, make_model, make_nlp

from craftner_spacy.inference.int8 import Int8Network
from craftner_spacy.model import get_shim

TEXTS = [" ".join(WORDS[i : i + n]) + "." for i, n in [(0, 3), (2, 20), (5, 1), (1, 11)]]


def logits(nlp: Language, texts: list[str] = TEXTS) -> Any:
    component = get_craft_ner(nlp)
    component._ensure_loaded()
    words = component.model.predict([nlp.make_doc(text) for text in texts])
    return np.concatenate([w.logits for w in words])


@pytest.fixture(scope="module", params=["tiny_model", "tiny_roberta"])
def both(request: pytest.FixtureRequest) -> tuple[Language, Language]:
    """A pipeline in int8 and the same in fp32."""
    folder = request.getfixturevalue(request.param)
    return make_nlp(folder, precision="int8"), make_nlp(folder)


def test_int8_is_near_fp32_and_not_the_same(both: tuple[Language, Language]) -> None:
    int8, fp32 = map(logits, both)
    assert int8.dtype == np.float32
    assert not np.array_equal(int8, fp32)
    spread = np.abs(fp32 - fp32.mean(axis=0)).max()
    assert np.abs(int8 - fp32).max() < 0.15 * spread


def test_windows_of_one_piece_and_of_all_positions_pass(both: tuple[Language, Language]) -> None:
    texts = [WORDS[0], " ".join([WORDS[1]] * 600)]
    for nlp in both:
        get_craft_ner(nlp).model.attrs["get_spans"] = lambda docs: [[doc[:]] for doc in docs]
    int8, fp32 = (logits(nlp, texts) for nlp in both)
    assert int8.shape == fp32.shape
    assert int8.shape[0] == 601


def test_the_network_is_quantized_once_and_trained_in_fp32(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model, precision="int8")
    component = get_craft_ner(nlp)
    logits(nlp)
    shim = get_shim(component.model)
    quantized = shim._inference
    assert isinstance(quantized, Int8Network)
    logits(nlp)
    assert shim._inference is quantized
    doc = nlp.make_doc(TEXTS[1])
    example = Example.from_dict(doc, {"entities": [(0, doc[0].idx + len(doc[0]), component.labels[0])]})
    component.update([example], sgd=nlp.create_optimizer())
    assert {weights.dtype for weights in shim.network.parameters()} == {torch.float32}
    assert shim._inference is None, "the weights have changed"


def test_two_processes_after_a_call_in_the_parent(tiny_model: Path) -> None:
    # One text at a time, since the rounding of one depends on the others of its batch.
    options = "--precision int8 --threads 2 --n-process 2 --batch-size 1".split()
    printed = json.loads(run_program("find_entities.py", tiny_model, *TEXTS, *options, timeout=100).stdout)
    assert len(printed["piped"]) == len(TEXTS)
    assert any(printed["single"])
    assert printed["piped"] == printed["single"]


def test_without_the_extra_the_error_names_it(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[int8\]'"):
        make_nlp(tiny_model, precision="int8")(TEXTS[0])


def test_a_gpu_is_refused(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model, precision="int8")
    component = get_craft_ner(nlp)
    component._ensure_loaded()
    # Torch's device without memory stands for a GPU, which the tests do without.
    get_shim(component.model).network.to("meta")
    with pytest.raises(ValueError, match="precision = 'int8' with the model on meta"):
        nlp(TEXTS[0])


def test_a_saved_pipeline_keeps_its_precision(tiny_model: Path, tmp_path: Path) -> None:
    nlp = make_nlp(tiny_model, precision="int8")
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert get_shim(get_craft_ner(loaded).model).inference_precision == "int8"


def test_scores_that_are_no_numbers_are_refused(tiny_model: Path) -> None:
    model = make_model(tiny_model, precision="int8")
    get_shim(model).network.bert.embeddings.LayerNorm.bias.data[3] = float("nan")
    with pytest.raises(
        ValueError, match="in precision 'int8' its scores of the document 'The mouse' are NaN"
    ):
        model.predict([spacy.blank("en")("The mouse")])
