"""Saving and loading: the same entities and weights, without the original, a pickle or a network."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from processes import run_program
from spacy.language import Language
from spacy.tokens import DocBin
from thinc.api import Adam
from tiny_pipelines import GOLD, TEXTS, get_craft_ner, get_weights, make_examples, make_nlp, read_ents

from craftner_spacy.model import get_shim


def by_disk(nlp: Language, path: Path) -> Language:
    get_craft_ner(nlp).to_disk(path / "component")
    other = make_nlp(path / "nowhere")
    get_craft_ner(other).from_disk(path / "component")
    return other


def by_bytes(nlp: Language, path: Path) -> Language:
    other = make_nlp(path / "nowhere")
    get_craft_ner(other).from_bytes(get_craft_ner(nlp).to_bytes())
    return other


def by_load(nlp: Language, path: Path) -> Language:
    nlp.to_disk(path / "pipeline")
    return spacy.load(path / "pipeline")


def by_pipeline_bytes(nlp: Language, path: Path) -> Language:
    return make_nlp(path / "nowhere").from_bytes(nlp.to_bytes())


@pytest.mark.parametrize("way", [by_disk, by_bytes, by_load, by_pipeline_bytes])
@pytest.mark.parametrize("called_before", [True, False])
def test_saved_predicts_the_same_without_the_original(
    trained_model: Path,
    tmp_path: Path,
    no_network: list[object],
    way: Callable[[Language, Path], Language],
    called_before: bool,
) -> None:
    original = shutil.copytree(trained_model, tmp_path / "original")
    nlp = make_nlp(original)
    if called_before:
        nlp(TEXTS[0])
    saved = way(nlp, tmp_path)
    shutil.rmtree(original)
    assert [read_ents(doc) for doc in saved.pipe(TEXTS)] == GOLD
    before, after = get_weights(nlp), get_weights(saved)
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)
    assert no_network == []


def test_saved_folder_has_no_pickle(trained_pipeline: Path) -> None:
    folder = trained_pipeline / "craft_ner"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == [
        "cfg",
        "model/config.json",
        "model/model.safetensors",
        "model/special_tokens_map.json",
        "model/tokenizer.json",
        "model/tokenizer_config.json",
    ]
    assert json.loads((folder / "cfg").read_text(encoding="utf8")) == {}


def test_saving_onto_the_folder_it_was_loaded_from(trained_pipeline: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained_pipeline, tmp_path / "pipeline")
    nlp = spacy.load(folder)
    (folder / "craft_ner" / "model" / "NOTES.md").write_text("mine")
    for _ in range(2):
        nlp.to_disk(folder)
        assert [read_ents(doc) for doc in nlp.pipe(TEXTS)] == GOLD
    nlp.update(make_examples(nlp), sgd=Adam(1e-5))
    nlp.to_disk(folder)
    again = get_weights(spacy.load(folder))
    assert all((again[name] == value).all() for name, value in get_weights(nlp).items())
    names = {path.name for path in (folder / "craft_ner" / "model").iterdir()}
    assert "NOTES.md" in names
    assert not [name for name in names if name.startswith(".")]


def test_saving_that_fails_leaves_the_folder_as_it_was(
    trained_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(trained_pipeline, tmp_path / "pipeline") / "craft_ner" / "model"
    nlp = spacy.load(tmp_path / "pipeline")
    nlp.update(make_examples(nlp), sgd=Adam(0.1))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(get_shim(get_craft_ner(nlp).model).tokenizer, "save_pretrained", no_space)
    with pytest.raises(OSError, match="No space left"):
        nlp.to_disk(tmp_path / "pipeline")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_damaged_folder_leaves_the_loaded_model_in_use(trained_pipeline: Path, tmp_path: Path) -> None:
    nlp = spacy.load(trained_pipeline)
    damaged = shutil.copytree(trained_pipeline / "craft_ner", tmp_path / "damaged")
    (damaged / "model" / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(OSError, match="damaged or do not belong together"):
        get_craft_ner(nlp).from_disk(damaged)
    assert [read_ents(doc) for doc in nlp.pipe(TEXTS)] == GOLD


def test_from_disk_without_model_is_named(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="craft_ner: there is no folder 'model'"):
        get_craft_ner(make_nlp(tiny_model)).from_disk(tmp_path)


def test_saved_pipeline_loads_without_network_in_a_new_process(trained_pipeline: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = run_program("find_entities.py", trained_pipeline, *TEXTS, "--no-network", env=env)
    printed = json.loads(done.stdout)
    assert [[(text, label) for _, _, text, label in ents] for ents in printed["piped"]] == GOLD
    assert printed["attempts"] == []


SET_LATER = {
    "alignment_mode": "contract",
    "overwrite_ents": False,
    "spans_key": "bio",
    "threshold": 0.25,
    "label_map": {"Protein": "GeneOrProtein"},
    "batch_tokens": 77,
}


@pytest.mark.parametrize("way", [by_disk, by_bytes, by_load, by_pipeline_bytes])
def test_settings_that_were_set_later_are_saved(
    trained_model: Path, tmp_path: Path, way: Callable[[Language, Path], Language]
) -> None:
    nlp = make_nlp(trained_model)
    component = get_craft_ner(nlp)
    for name, value in SET_LATER.items():
        setattr(component, name, value)
    saved = get_craft_ner(way(nlp, tmp_path))
    assert saved.cfg == SET_LATER
    assert saved.model.attrs["batch_tokens"] == 77


def test_a_config_given_when_loading_wins_over_a_saved_setting(trained_model: Path, tmp_path: Path) -> None:
    nlp = make_nlp(trained_model)
    component = get_craft_ner(nlp)
    component.threshold, component.spans_key = 0.25, "bio"
    nlp.to_disk(tmp_path)
    loaded = get_craft_ner(spacy.load(tmp_path, config={"components.craft_ner.threshold": 0.5}))
    assert (loaded.threshold, loaded.spans_key) == (0.5, "bio")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"threshold": [0.0, 7]}, "threshold = 7: allowed are numbers from 0 to 1"),
        ({"colour": [None, 1]}, "colour = 1: there is no such setting"),
    ],
)
def test_damaged_settings_are_named(
    changed: dict[str, list[object]], message: str, trained_pipeline: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained_pipeline, tmp_path / "pipeline")
    (folder / "craft_ner" / "cfg").write_text(json.dumps(changed), encoding="utf8")
    with pytest.raises(ValueError, match=message):
        spacy.load(folder)


def test_docbin_keeps_entities_and_scores(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    docs = list(nlp.pipe(TEXTS))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    again = list(DocBin().from_bytes(data).get_docs(spacy.blank("en").vocab))
    assert [read_ents(doc) for doc in again] == GOLD
    for old, new in zip(docs, again, strict=True):
        groups = old.spans["craft_ner"], new.spans["craft_ner"]
        assert [(s.start, s.end, s.label_) for s in groups[0]] == [
            (s.start, s.end, s.label_) for s in groups[1]
        ]
        assert groups[0].attrs == groups[1].attrs
        assert len(groups[1].attrs["scores"]) == len(new.ents)
