"""Inference in 8 bits: near the network it was made of, and used where it was asked for alone."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from hub import run_python
from spacy.language import Language
from spacy.training import Example
from tiny_models import WORDS

from craftner_spacy.int8 import Int8Network
from craftner_spacy.model import shim_of

TEXTS = [" ".join(WORDS[i : i + n]) + "." for i, n in [(0, 3), (2, 20), (5, 1), (1, 11)]]


def make_nlp(folder: Path, precision: str = "int8") -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config={"model": {"name": str(folder), "precision": precision}})
    return nlp


def logits(nlp: Language, texts: list[str] = TEXTS) -> Any:
    component = nlp.get_pipe("craft_ner")
    component._ensure_loaded()
    words = component.model.predict([nlp.make_doc(text) for text in texts])
    return np.concatenate([w.logits for w in words])


@pytest.fixture(scope="module", params=["tiny_model", "tiny_roberta"])
def both(request: pytest.FixtureRequest) -> tuple[Language, Language]:
    """A pipeline in int8 and the same in fp32."""
    folder = request.getfixturevalue(request.param)
    return make_nlp(folder), make_nlp(folder, "fp32")


def test_int8_is_near_fp32_and_not_the_same(both: tuple[Language, Language]) -> None:
    int8, fp32 = map(logits, both)
    assert int8.dtype == np.float32
    assert not np.array_equal(int8, fp32)
    spread = np.abs(fp32 - fp32.mean(axis=0)).max()
    assert np.abs(int8 - fp32).max() < 0.15 * spread


def test_windows_of_one_piece_and_of_all_positions_pass(both: tuple[Language, Language]) -> None:
    texts = [WORDS[0], " ".join([WORDS[1]] * 600)]
    for nlp in both:
        nlp.get_pipe("craft_ner").model.attrs["get_spans"] = lambda docs: [[doc[:]] for doc in docs]
    int8, fp32 = (logits(nlp, texts) for nlp in both)
    assert int8.shape == fp32.shape
    assert int8.shape[0] == 601


def test_the_network_is_rounded_once_and_trained_in_fp32(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    component = nlp.get_pipe("craft_ner")
    logits(nlp)
    shim = shim_of(component.model)
    fast = shim._fast
    assert isinstance(fast, Int8Network)
    logits(nlp)
    assert shim._fast is fast
    doc = nlp.make_doc(TEXTS[1])
    example = Example.from_dict(doc, {"entities": [(0, doc[0].idx + len(doc[0]), component.labels[0])]})
    component.update([example], sgd=nlp.create_optimizer())
    assert {weights.dtype for weights in shim._hfmodel.transformer.parameters()} == {torch.float32}
    assert shim._fast is None, "the weights have changed"


def test_two_processes_after_a_call_in_the_parent(tiny_model: Path) -> None:
    code = f"""
import spacy, torch
if __name__ == "__main__":
    torch.set_num_threads(2)
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config={{"model": {{"name": {str(tiny_model)!r}, "precision": "int8"}}}})
    def found(docs):
        return [[(e.text, e.label_) for e in doc.ents] for doc in docs]
    texts = {TEXTS!r}
    # One text at a time, since the rounding of one depends on the others of its batch.
    alone = found(map(nlp, texts))
    assert any(alone)
    assert found(nlp.pipe(texts, n_process=2, batch_size=1)) == alone
    print("same")
"""
    assert run_python(code, dict(os.environ), timeout=100).stdout == "same\n"


def test_without_the_extra_the_error_names_it(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r"pip install craftner_spacy\[int8\]"):
        make_nlp(tiny_model)(TEXTS[0])


def test_a_graphics_card_is_refused(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    component = nlp.get_pipe("craft_ner")
    component._ensure_loaded()
    # No graphics card is here: torch's device without memory stands for one.
    shim_of(component.model)._model.to("meta")
    with pytest.raises(ValueError, match="precision = 'int8' with the model on meta"):
        nlp(TEXTS[0])


def test_a_saved_pipeline_keeps_its_precision(tiny_model: Path, tmp_path: Path) -> None:
    nlp = make_nlp(tiny_model)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert shim_of(loaded.get_pipe("craft_ner").model).inference_precision == "int8"
