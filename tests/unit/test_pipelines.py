"""Loading a pipeline by name, its component, and the description of what decides its entities."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from tiny_models import make_tiny_model
from tiny_pipelines import add_craft_ner, get_craft_ner, make_nlp, read_ents

from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.linking.builder import build
from craftner_spacy.linking.schema import Concept
from craftner_spacy.model import get_shim
from craftner_spacy.pipelines import (
    MAX_LENGTH,
    VERSIONS,
    describe_model,
    get_component,
    get_linker,
    labels_without_ids,
    load_pipeline,
)
from craftner_spacy.types import Entity

TEXT = "The mouse kinase of stem cells."


def test_a_model_gets_a_blank_pipeline_and_a_pipeline_is_loaded(pipeline: Path, tiny_model: Path) -> None:
    expected = read_ents(make_nlp(tiny_model)(TEXT))
    assert expected
    for name in (pipeline, tiny_model):
        nlp = load_pipeline(str(name), precision="fp32")
        assert nlp.pipe_names == ["craft_ner"]
        assert read_ents(nlp(TEXT)) == expected


def test_packages_that_are_no_pipelines_are_refused_and_not_called(tmp_path: Path) -> None:
    for name in ("torch", "pytest", "numpy"):
        with pytest.raises(
            ValueError, match=f"model = '{name}' is a package without a pipeline; allowed are"
        ):
            load_pipeline(name)


def test_the_package_of_a_pipeline_is_loaded_by_its_name(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "en_tiny_craft"
    shutil.copytree(pipeline, package / "en_tiny_craft-0.1.0")
    shutil.copy(pipeline / "meta.json", package)
    code = (
        "from functools import partial\nfrom spacy.util import load_model_from_init_py\n"
        "load = partial(load_model_from_init_py, __file__)\n"
    )
    (package / "__init__.py").write_text(code, encoding="utf8")
    info = tmp_path / "en_tiny_craft-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: en_tiny_craft\nVersion: 0.1.0\n", encoding="utf8"
    )
    meta = json.loads((package / "meta.json").read_text(encoding="utf8"))
    meta |= {"lang": "en", "name": "tiny_craft", "version": "0.1.0"}
    (package / "meta.json").write_text(json.dumps(meta), encoding="utf8")
    monkeypatch.syspath_prepend(tmp_path)
    expected = read_ents(spacy.load(pipeline)(TEXT))
    assert read_ents(load_pipeline("en_tiny_craft")(TEXT)) == expected != []


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


def test_long_texts_are_taken_where_no_component_of_spacy_limits_them(
    pipeline: Path, tiny_model: Path, tmp_path: Path
) -> None:
    assert load_pipeline(str(tiny_model)).max_length == load_pipeline(str(pipeline)).max_length == MAX_LENGTH
    nlp = spacy.load(pipeline)
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "more")
    assert load_pipeline(str(tmp_path / "more")).max_length == nlp.max_length == 1_000_000


def test_a_pipeline_on_disk_without_the_component_is_refused(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(ValueError, match="the pipeline has no craft_ner, only: nothing"):
        load_pipeline(str(tmp_path))


def test_a_model_that_is_not_there_is_named_when_it_is_needed() -> None:
    nlp = load_pipeline("/nowhere")
    with pytest.raises(FileNotFoundError, match="there is no folder '/nowhere'"):
        describe_model(nlp)


# Ids


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A knowledge base of one name."""
    path = tmp_path_factory.mktemp("kb") / "kb.sqlite"
    build(path, [("Taxon", Concept("T:1", "mouse"))])
    return path


def linker_file(nlp: Language) -> str | None:
    linker = get_linker(nlp)
    return None if linker is None else linker.kb_path.name


@pytest.mark.parametrize(
    ("choice", "of_model", "of_pipeline"),
    [
        (None, None, "kb.sqlite"),
        ("auto", "bundled.sqlite", "kb.sqlite"),
        ("bundled", "bundled.sqlite", "bundled.sqlite"),
        ("FILE", "other.sqlite", "other.sqlite"),
        ("none", None, None),
    ],
)
def test_what_gives_ids(
    choice: str | None,
    of_model: str | None,
    of_pipeline: str | None,
    pipeline: Path,
    tiny_model: Path,
    kb: Path,
    tmp_path: Path,
) -> None:
    nlp = spacy.load(pipeline)
    nlp.add_pipe("craft_linker", name="mine", config={"kb": str(kb)})
    nlp.to_disk(tmp_path / "saved")
    other = shutil.copyfile(kb, tmp_path / "other.sqlite")
    chosen = str(other) if choice == "FILE" else choice
    assert linker_file(load_pipeline(str(tiny_model), kb=chosen)) == of_model
    assert linker_file(load_pipeline(str(tmp_path / "saved"), kb=chosen)) == of_pipeline


def test_a_saved_pipeline_without_linker_stays_as_it_is(pipeline: Path) -> None:
    for kb in (None, "auto", "none"):
        assert load_pipeline(str(pipeline), kb=kb).pipe_names == ["craft_ner"]
    assert load_pipeline(str(pipeline), kb="bundled").pipe_names == ["craft_ner", "craft_linker"]


def test_ids_are_given_in_the_components_group(
    tiny_model: Path, kb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CraftNER, "predict", lambda self, docs: [[Entity(4, 9, "Taxon", 0.5)] for _ in docs])
    make_nlp(tiny_model, spans_key="bio").to_disk(tmp_path)
    doc = load_pipeline(str(tmp_path), kb=str(kb))(TEXT)
    assert list(doc.spans) == ["bio"]
    assert [span.kb_id_ for span in doc.spans["bio"]] == ["T:1"]


def test_a_wrong_knowledge_base_is_refused_when_the_pipeline_is_loaded(
    tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="kb = '/nowhere': there is no such file"):
        load_pipeline(str(tiny_model), kb="/nowhere")
    (tmp_path / "kb").write_text("no SQLite")
    with pytest.raises(ValueError, match="is no SQLite file"):
        load_pipeline(str(tiny_model), kb=str(tmp_path / "kb"))
    with pytest.raises(ValueError, match="kb of a loaded pipeline are set on its components"):
        load_pipeline(make_nlp(tiny_model), kb="bundled")
    assert load_pipeline(make_nlp(tiny_model), kb="auto").pipe_names == ["craft_ner"]


def test_labels_without_a_table(tiny_model: Path, kb: Path) -> None:
    assert labels_without_ids(make_nlp(tiny_model)) == []
    nlp = make_nlp(tiny_model, label_map={"Taxon": "Species"})
    nlp.add_pipe("craft_linker", config={"kb": str(kb)})
    others = ["Cell", "Chemical", "Gene", "Protein", "Sequence"]
    assert labels_without_ids(nlp) == others, "the model's label counts, too"
    get_craft_ner(nlp).label_map = {"Gene": "Part", "Cell": "Taxon"}
    assert labels_without_ids(nlp) == ["Chemical", "Part", "Protein", "Sequence"]
    get_craft_ner(nlp).label_map = {}
    assert labels_without_ids(nlp) == others


# The description


def test_a_model_is_described_alike_whenever_it_is_loaded(pipeline: Path) -> None:
    assert describe_model(load_pipeline(str(pipeline))) == describe_model(load_pipeline(str(pipeline)))


def test_the_description_has_device_and_versions(pipeline: Path) -> None:
    description = describe_model(load_pipeline(str(pipeline)))
    assert description["device"] == "cpu"
    assert description["precision"] == "fp32"
    assert set(VERSIONS) <= description.keys()
    assert description["spacy"] == spacy.__version__


def test_the_description_has_the_knowledge_base(tiny_model: Path, kb: Path, tmp_path: Path) -> None:
    assert describe_model(make_nlp(tiny_model))["kb"] is None
    first = load_pipeline(str(tiny_model), kb=str(kb))
    again = load_pipeline(str(tiny_model), kb=str(shutil.copyfile(kb, tmp_path / "copy.sqlite")))
    assert describe_model(again) == describe_model(first), "its content counts, not its place"
    assert describe_model(first)["kb"] == hashlib.sha256(kb.read_bytes()).hexdigest()
    linker = get_linker(again)
    assert linker is not None
    linker.threshold = 0.5
    assert describe_model(again) != describe_model(first)


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
    with pytest.raises(ValueError, match="label_map, kb of a loaded pipeline are set on its components"):
        load_pipeline(nlp, label_map={})
