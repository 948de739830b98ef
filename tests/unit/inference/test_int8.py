"""Inference in int8: near the network that it was made from, and used only where it is asked for."""

import json
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

from craftner_spacy.folders import load_folder
from craftner_spacy.inference import int8, precision
from craftner_spacy.inference.calibration import observe
from craftner_spacy.inference.padding import PaddedNetwork
from craftner_spacy.inference.unpadded_bert import UnpaddedBert
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
    quantized, fp32 = map(logits, both)
    assert quantized.dtype == np.float32
    assert not np.array_equal(quantized, fp32)
    spread = np.abs(fp32 - fp32.mean(axis=0)).max()
    assert np.abs(quantized - fp32).max() < 0.15 * spread


def test_windows_of_one_piece_and_of_all_positions_pass(both: tuple[Language, Language]) -> None:
    texts = [WORDS[0], " ".join([WORDS[1]] * 600)]
    for nlp in both:
        get_craft_ner(nlp).model.attrs["get_spans"] = lambda docs: [[doc[:]] for doc in docs]
    quantized, fp32 = (logits(nlp, texts) for nlp in both)
    assert quantized.shape == fp32.shape
    assert quantized.shape[0] == 601


def test_the_network_is_quantized_once_and_trained_in_fp32(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model, precision="int8")
    component = get_craft_ner(nlp)
    logits(nlp)
    shim = get_shim(component.model)
    quantized = shim.inference_network
    assert isinstance(quantized, UnpaddedBert)
    logits(nlp)
    assert shim.inference_network is quantized
    doc = nlp.make_doc(TEXTS[1])
    example = Example.from_dict(doc, {"entities": [(0, doc[0].idx + len(doc[0]), component.labels[0])]})
    component.update([example], sgd=nlp.create_optimizer())
    assert {weights.dtype for weights in shim.network.parameters()} == {torch.float32}
    assert shim._inference is None, "the weights have changed"


def test_two_processes_after_a_call_in_the_parent(tiny_model: Path) -> None:
    options = "--precision int8 --threads 2 --n-process 2".split()
    printed = json.loads(run_program("find_entities.py", tiny_model, *TEXTS, *options, timeout=100).stdout)
    assert len(printed["piped"]) == len(TEXTS)
    assert any(printed["single"])
    assert printed["piped"] == printed["single"]


def test_a_torch_without_the_operators_is_refused(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "can_quantize", lambda: False)
    with pytest.raises(ImportError, match=r"precision = 'int8': torch .* allowed are auto, fp32, bf16"):
        make_nlp(tiny_model, precision="int8")(TEXTS[0])


@pytest.mark.parametrize("folder", ["tiny_model", "tiny_roberta"])
@pytest.mark.parametrize("has_units", [True, False])
def test_a_text_has_the_same_scores_alone_and_beside_others(
    folder: str, has_units: bool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "has_bf16_units", lambda device: has_units)
    nlp = make_nlp(request.getfixturevalue(folder), precision="int8")
    together = logits(nlp, TEXTS)
    alone = np.concatenate([logits(nlp, [text]) for text in TEXTS])
    # Products in bf16 of other shapes may be summed in another order.
    assert np.allclose(alone, together, atol=2e-2 if has_units else 1e-4)


def test_other_activations_are_computed_by_the_network_itself(tiny_model: Path) -> None:
    network = load_folder(tiny_model).transformer
    pieces, lengths = torch.tensor([2, 7, 9, 11, 3, 2, 8, 3]), [5, 3]
    ranges = observe(network.eval(), pieces.split(lengths)).ranges
    assert isinstance(int8.make_int8_network(network, 512, 0, ranges), UnpaddedBert)
    for layer in network.bert.encoder.layer:
        layer.intermediate.intermediate_act_fn = torch.nn.ReLU()
    ranges = observe(network, pieces.split(lengths)).ranges
    quantized = int8.make_int8_network(network, 512, 0, ranges)
    assert isinstance(quantized, PaddedNetwork)
    with torch.inference_mode():
        expected = PaddedNetwork(network, 0)(pieces, lengths)
        assert torch.allclose(quantized(pieces, lengths), expected, atol=0.1 * float(expected.abs().max()))


def test_weights_that_are_not_quantized_are_shared(tiny_model: Path) -> None:
    network = load_folder(tiny_model).transformer
    ranges = observe(network.eval(), [torch.tensor([2, 7, 9, 3])]).ranges
    quantized = int8.make_int8_network(network, 512, 0, ranges)
    assert isinstance(quantized, UnpaddedBert)
    words = quantized.bert.embeddings.word_embeddings.weight
    assert words is network.bert.embeddings.word_embeddings.weight
    assert all(isinstance(layer.output.dense, torch.nn.Linear) for layer in network.bert.encoder.layer)


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
