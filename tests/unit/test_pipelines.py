"""Loading a pipeline by name, its component, and the description of what decides its entities."""

from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from tiny_models import make_tiny_model
from tiny_pipelines import add_craft_ner, get_craft_ner, make_nlp, read_ents

from craftner_spacy.model import get_shim
from craftner_spacy.pipelines import VERSIONS, describe_model, get_component, load_pipeline

TEXT = "The mouse kinase of stem cells."


def test_a_model_gets_a_blank_pipeline_and_a_pipeline_is_loaded(pipeline: Path, tiny_model: Path) -> None:
    expected = read_ents(make_nlp(tiny_model)(TEXT))
    assert expected
    for name in (pipeline, tiny_model):
        nlp = load_pipeline(str(name), precision="fp32")
        assert nlp.pipe_names == ["craft_ner"]
        assert read_ents(nlp(TEXT)) == expected


def test_settings_reach_the_component(pipeline: Path, tiny_model: Path) -> None:
    for model in (pipeline, tiny_model):
        nlp = load_pipeline(str(model), threshold=0.5, batch_tokens=77, precision="bf16")
        description = describe_model(nlp)
        assert [description[key] for key in ("threshold", "batch_tokens", "precision")] == [0.5, 77, "bf16"]
        description = describe_model(load_pipeline(str(model), threshold=None))
        assert (description["threshold"], description["batch_tokens"]) == (0.0, 2048)


def test_settings_reach_a_component_of_another_name(tiny_model: Path, tmp_path: Path) -> None:
    make_nlp(tiny_model, name="biomedical", threshold=0.25).to_disk(tmp_path)
    assert get_component(load_pipeline(str(tmp_path))).threshold == 0.25
    assert get_component(load_pipeline(str(tmp_path), threshold=0.5)).threshold == 0.5


def test_a_loaded_pipeline_is_checked_and_returned(pipeline: Path, tiny_model: Path) -> None:
    nlp = spacy.load(pipeline)
    assert load_pipeline(nlp) is nlp
    assert load_pipeline(nlp, threshold=None) is nlp
    with pytest.raises(ValueError, match="the pipeline has no craft_ner, only: nothing"):
        load_pipeline(spacy.blank("en"))
    silent = spacy.blank("en")
    silent.add_pipe("craft_ner", config={"model": {"name": str(tiny_model)}, "spans_key": None})
    with pytest.raises(ValueError, match="spans_key = null"):
        load_pipeline(silent)
    with pytest.raises(ValueError, match="of a loaded pipeline are set on its component"):
        load_pipeline(silent, threshold=0.5)


def test_the_component_is_the_first_craft_ner_whatever_its_name(tiny_model: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="the pipeline has no craft_ner, only: sentencizer"):
        get_component(nlp)
    first = add_craft_ner(nlp, tiny_model, "first")
    add_craft_ner(nlp, tiny_model, "second")
    assert get_component(nlp) is first


def test_a_pipeline_on_disk_without_the_component_is_refused(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(ValueError, match="the pipeline has no craft_ner, only: nothing"):
        load_pipeline(str(tmp_path))


def test_a_model_that_is_not_there_is_named_when_it_is_needed() -> None:
    nlp = load_pipeline("/nowhere")
    with pytest.raises(FileNotFoundError, match="there is no folder '/nowhere'"):
        describe_model(nlp)


# The description


def test_a_model_is_described_alike_whenever_it_is_loaded(pipeline: Path) -> None:
    assert describe_model(load_pipeline(str(pipeline))) == describe_model(load_pipeline(str(pipeline)))


def test_the_description_has_device_and_versions(pipeline: Path) -> None:
    description = describe_model(load_pipeline(str(pipeline)))
    assert description["device"] == "cpu"
    assert description["precision"] == "fp32"
    assert set(VERSIONS) <= description.keys()
    assert description["spacy"] == spacy.__version__


def digest(nlp: Language) -> str:
    return describe_model(nlp)["digest"]


def test_the_digest_depends_on_weights_config_and_tags(tiny_model: Path, tmp_path: Path) -> None:
    nlp = make_nlp(tiny_model)
    first = digest(nlp)
    assert digest(make_nlp(tiny_model)) == first
    assert digest(make_nlp(tiny_model, alignment_mode="expand")) != first
    get_shim(get_craft_ner(nlp).model).network.classifier.bias.data[0] += 1.0
    assert digest(nlp) != first
    # The same folder, and so the same config, with other weights and with other tags.
    digests = set()
    for seed, labels in ((1, ("O", "B-Cell")), (2, ("O", "B-Cell")), (2, ("O", "B-Gene"))):
        digests.add(digest(make_nlp(make_tiny_model(tmp_path / "model", seed=seed, labels=labels))))
    assert len(digests) == 3


def test_labels_get_names_in_any_pipeline_and_change_the_digest(pipeline: Path, tiny_model: Path) -> None:
    for model in (pipeline, tiny_model):
        nlp = load_pipeline(str(model), label_map={"Gene": "Part"})
        assert get_component(nlp).label_map == {"Gene": "Part"}
        assert digest(nlp) != digest(load_pipeline(str(model)))
        assert digest(nlp) == digest(load_pipeline(str(model), label_map={"Gene": "Part"}))
    with pytest.raises(ValueError, match="label_map of a loaded pipeline are set on its component"):
        load_pipeline(nlp, label_map={})
