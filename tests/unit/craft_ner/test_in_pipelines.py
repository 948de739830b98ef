"""The component as a part of pipelines: replaced, twice in one, saved, frozen, pickled and in workers."""

import json
import pickle
from pathlib import Path

import pytest
import spacy
from processes import run_program
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Adam
from tiny_pipelines import TWO_SENTENCES, add_craft_ner, find_char_ents, get_craft_ner, read_char_ents

from craftner_spacy.model import get_shim

pytestmark = pytest.mark.filterwarnings("ignore:.*do not fit the tokens")


def test_select_and_replace(model: Path, other_model: Path) -> None:
    nlp = spacy.blank("en")
    pipe = add_craft_ner(nlp, model)
    with nlp.select_pipes(disable="craft_ner"):
        assert read_char_ents(nlp(TWO_SENTENCES)) == []
    assert read_char_ents(nlp(TWO_SENTENCES)) == find_char_ents(model)
    config = {"model": {"name": str(other_model), "precision": "fp32"}}
    nlp.replace_pipe("craft_ner", "craft_ner", config=config)
    assert nlp.get_pipe("craft_ner") is not pipe
    assert read_char_ents(nlp(TWO_SENTENCES)) == find_char_ents(other_model)


def test_two_in_one_pipeline(model: Path, other_model: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    add_craft_ner(nlp, model, "first", spans_key="one")
    add_craft_ner(nlp, other_model, "second", spans_key="two", alignment_mode="split", overwrite_ents=False)
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path), load_model_from_config(nlp.config)):
        doc = pipeline(TWO_SENTENCES)
        spans = {key: [(s.start_char, s.end_char, s.label_) for s in doc.spans[key]] for key in doc.spans}
        assert list(spans) == ["one", "two"]
        assert spans["one"] == find_char_ents(model)
        assert [list(offsets) for offsets in doc.spans["two"].attrs["offsets"]] == [
            [start, end] for start, end, _ in spans["two"]
        ]
        assert set(spans["one"]) <= set(read_char_ents(doc)) <= {*spans["one"], *spans["two"]}
    only = spacy.load(tmp_path, exclude=["first"])
    assert only.pipe_names == ["second"]
    assert list(only(TWO_SENTENCES).spans) == ["two"]


def test_config_round_trip(model: Path) -> None:
    nlp = spacy.blank("en")
    settings = {
        "alignment_mode": "contract",
        "overwrite_ents": False,
        "spans_key": "bio",
        "threshold": 0.25,
        "label_map": {"Gene": "Part"},
        "batch_tokens": 77,
    }
    add_craft_ner(nlp, model, **settings)
    again = load_model_from_config(nlp.config.from_str(nlp.config.to_str()))
    assert again.config["components"] == nlp.config["components"]
    pipe = get_craft_ner(again)
    assert {key: getattr(pipe, key) for key in settings if key != "batch_tokens"} == {
        key: value for key, value in settings.items() if key != "batch_tokens"
    }
    assert pipe.model.attrs["batch_tokens"] == 77


def test_exclude(model: Path, other_model: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    pipe = add_craft_ner(nlp, model)
    nlp.to_disk(tmp_path / "all")
    pipe.to_disk(tmp_path / "without", exclude=["model"])
    assert not (tmp_path / "without" / "model").exists()
    assert spacy.load(tmp_path / "all", exclude=["craft_ner"]).pipe_names == []
    other = spacy.blank("en")
    theirs = add_craft_ner(other, other_model)
    theirs.from_disk(tmp_path / "all" / "craft_ner", exclude=["model"])
    theirs.from_bytes(pipe.to_bytes(), exclude=["model"])
    assert read_char_ents(other(TWO_SENTENCES)) == find_char_ents(other_model)


def test_frozen_in_training(model: Path) -> None:
    nlp = spacy.blank("en")
    pipe = add_craft_ner(nlp, model)
    nlp.add_pipe("textcat")
    example = Example.from_dict(nlp.make_doc(TWO_SENTENCES), {"cats": {"A": 1.0, "B": 0.0}})
    nlp.initialize(lambda: [example])
    before = get_shim(pipe.model).network.state_dict()["classifier.weight"].clone()
    losses = nlp.update([example], exclude=["craft_ner"], annotates=["craft_ner"], sgd=Adam(0.1))
    assert set(losses) == {"textcat"}
    assert (get_shim(pipe.model).network.state_dict()["classifier.weight"] == before).all()
    assert read_char_ents(nlp(TWO_SENTENCES)) == find_char_ents(model)


@pytest.mark.parametrize("called_before", [True, False])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pickle(model: Path, precision: str, called_before: bool) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "craft_ner", config={"threshold": 0.01, "model": {"name": str(model), "precision": precision}}
    )
    if called_before:
        nlp(TWO_SENTENCES)
    again = pickle.loads(pickle.dumps(nlp))
    assert read_char_ents(again(TWO_SENTENCES)) == read_char_ents(nlp(TWO_SENTENCES))
    pipe = get_craft_ner(again)
    assert pipe.threshold == 0.01


@pytest.mark.parametrize(("method", "precision"), [("spawn", "fp32"), ("spawn", "bf16"), ("fork", "bf16")])
def test_worker_processes(method: str, precision: str, model: Path) -> None:
    options = f"--precision {precision} --start-method {method} --n-process 2".split()
    done = run_program("find_entities.py", model, *[TWO_SENTENCES] * 4, *options, timeout=200)
    printed = json.loads(done.stdout)
    assert printed["piped"] == printed["single"]
    for ents in printed["piped"]:
        assert [(start, end, label) for start, end, _, label in ents] == find_char_ents(model)
