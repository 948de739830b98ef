"""Pipelines saved by earlier versions load in this one and give the same entities."""

import shutil
from pathlib import Path

import pytest
import saved_pipeline
import spacy
import srsly
from confection import ConfigValidationError
from thinc.api import Config

from craftner_spacy.craft_ner import CraftNER

DATA = Path(__file__).parents[1] / "data"
SAVED = sorted(DATA.glob("pipeline-*"))


def assert_same(predicted: list[list[dict[str, object]]], folder: Path) -> None:
    for row, expected in zip(predicted, srsly.read_json(folder / "found.json"), strict=True):
        assert [{**ent, "score": 0} for ent in row] == [{**ent, "score": 0} for ent in expected]
        assert [ent["score"] for ent in row] == pytest.approx([ent["score"] for ent in expected], abs=1e-4)


def test_the_first_version_is_kept_and_small() -> None:
    assert DATA / "pipeline-0.1.0" in SAVED
    for folder in SAVED:
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 100_000
        assert sum(map(len, srsly.read_json(folder / "found.json"))) > 3


@pytest.mark.parametrize("folder", SAVED, ids=lambda folder: folder.name)
def test_a_pipeline_of_an_earlier_version_gives_the_same_entities(
    folder: Path, tmp_path: Path, no_network: list[object]
) -> None:
    nlp = spacy.load(folder)
    assert_same(saved_pipeline.predict_entities(nlp), folder)
    nlp.to_disk(tmp_path / "again")
    assert_same(saved_pipeline.predict_entities(spacy.load(tmp_path / "again")), folder)
    assert spacy.load(tmp_path / "again").config == nlp.config
    assert no_network == []


def test_the_program_makes_the_saved_pipeline(tmp_path: Path) -> None:
    saved_pipeline.main(tmp_path)
    [made] = tmp_path.iterdir()
    assert_same(srsly.read_json(made / "found.json"), DATA / "pipeline-0.1.0")


def copy_with_config(folder: Path, change: dict[str, object], lacking: tuple[str, ...] = ()) -> Path:
    """A copy of the saved pipeline with another config: dotted keys are set or left out."""
    shutil.copytree(DATA / "pipeline-0.1.0", folder)
    config = Config().from_disk(folder / "config.cfg", interpolate=False)
    for key in (*change, *lacking):
        *path, last = f"components.tiny.{key}".split(".")
        section = config
        for name in path:
            section = section[name]
        if key in change:
            section[last] = change[key]
        else:
            del section[last]
    config.to_disk(folder / "config.cfg")
    return folder


def test_keys_that_an_older_config_lacks_get_their_defaults(tmp_path: Path) -> None:
    lacking = ("batch_tokens", "threshold", "label_map", "spans_key", "overwrite_ents", "scorer")
    nlp = spacy.load(copy_with_config(tmp_path / "old", {}, lacking))
    pipe = nlp.get_pipe("tiny")
    assert isinstance(pipe, CraftNER)
    assert (pipe.threshold, pipe.label_map, pipe.spans_key, pipe.overwrite_ents) == (
        0.0,
        {},
        "craft_ner",
        True,
    )
    assert pipe.model.attrs["batch_tokens"] == 2048
    assert pipe.scorer is not None
    assert len(nlp(saved_pipeline.TEXTS[0]).spans["craft_ner"]) > 0


@pytest.mark.parametrize("key", ["colour", "model.colour"])
def test_an_unknown_key_of_a_later_version_is_named(key: str, tmp_path: Path) -> None:
    folder = copy_with_config(tmp_path / "new", {key: 1})
    with pytest.raises(ConfigValidationError, match="colour"):
        spacy.load(folder)
