"""The component's settings: what each one changes, and which values are refused."""

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, Span
from tiny_pipelines import GOLD, TEXTS, Ents, get_craft_ner, make_nlp, read_ents

from craftner_spacy.model import get_shim
from craftner_spacy.types import Entity


def test_making_loads_nothing(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    component = get_craft_ner(nlp)
    assert not get_shim(component.model).is_loaded
    nlp("mouse")
    assert get_shim(component.model).is_loaded


def test_making_does_not_look_for_the_model(no_network: list[object]) -> None:
    nlp = make_nlp("nobody/has-this")
    assert not get_shim(get_craft_ner(nlp).model).is_loaded
    assert no_network == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"alignment_mode": "shrink"},
            r"alignment_mode = 'shrink': allowed are strict, contract, expand, split",
        ),
        ({"threshold": 1.5}, r"threshold = 1\.5: allowed are numbers from 0 to 1"),
        ({"threshold": -0.1}, r"threshold = -0\.1: allowed are numbers from 0 to 1"),
        ({"batch_tokens": 0}, r"batch_tokens = 0: allowed are whole numbers from 1"),
        ({"spans_key": ""}, r"spans_key = '': allowed are a name, or null"),
        (
            {"label_map": {"Gene": "<b>Gene"}},
            "label_map = .*: '<b>Gene' is no label; allowed are letters, digits, space",
        ),
        ({"label_map": {"Gene": ""}}, "label_map = .*: '' is no label; allowed are letters"),
        ({"model": {"name": ""}}, r"name is empty: allowed are 'small', 'biobert'"),
        ({"model": {"pooling": "last"}}, r"pooling = 'last': allowed are first, mean, max"),
        ({"model": {"precision": "fp8"}}, r"precision = 'fp8': allowed are auto, fp32, bf16"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spacy.blank("en").add_pipe("craft_ner", config=settings)


@pytest.mark.parametrize(
    ("mode", "expected", "n_unplaced"),
    [
        ("strict", [("mouse", "Taxon")], 2),
        ("contract", [("cells", "Cell"), ("mouse", "Taxon")], 1),
        ("expand", [("SirT1ko", "Protein"), ("stem cells", "Cell"), ("mouse", "Taxon")], 0),
        ("split", [("SirT1", "Protein"), ("em cells", "Cell"), ("mouse", "Taxon")], 0),
    ],
)
def test_alignment_mode(tiny_model: Path, mode: str, expected: Ents, n_unplaced: int) -> None:
    nlp = make_nlp(tiny_model, alignment_mode=mode)
    doc = Doc(nlp.vocab, words=["SirT1ko", "stem", "cells", "mouse"])
    entities = [Entity(0, 5, "Protein", 0.9), Entity(10, 18, "Cell", 0.5), Entity(19, 24, "Taxon", 0.75)]
    get_craft_ner(nlp).set_annotations([doc], [entities])
    assert read_ents(doc) == expected
    group = doc.spans["craft_ner"]
    assert [(span.text, span.label_) for span in group] == expected
    assert len(group.attrs["unplaced"]) == n_unplaced
    offsets = {"Protein": [0, 5], "Cell": [10, 18], "Taxon": [19, 24]}
    scores = {"Protein": 0.9, "Cell": 0.5, "Taxon": 0.75}
    assert group.attrs["offsets"] == [offsets[label] for _, label in expected]
    assert group.attrs["scores"] == [scores[label] for _, label in expected]


@pytest.mark.parametrize(
    ("overwrite", "expected"),
    [
        (True, [("stem", "Mine"), ("cells", "Cell"), ("of", "Gene"), ("mouse", "Taxon")]),
        (False, [("stem", "Mine"), ("cells of", "Mine"), ("mouse", "Taxon")]),
    ],
)
def test_overwrite_ents(tiny_model: Path, overwrite: bool, expected: Ents) -> None:
    nlp = make_nlp(tiny_model, overwrite_ents=overwrite)
    doc = Doc(nlp.vocab, words=["stem", "cells", "of", "mouse"])
    doc.ents = [Span(doc, 0, 1, label="Mine"), Span(doc, 1, 3, label="Mine")]
    entities = [Entity(5, 10, "Cell", 0.5), Entity(11, 13, "Gene", 0.5), Entity(14, 19, "Taxon", 0.5)]
    get_craft_ner(nlp).set_annotations([doc], [entities])
    assert read_ents(doc) == expected
    assert [span.label_ for span in doc.spans["craft_ner"]] == ["Cell", "Gene", "Taxon"]


@pytest.mark.parametrize(("key", "keys"), [("bio", ["bio"]), (None, [])])
def test_spans_key(trained_model: Path, key: str | None, keys: list[str]) -> None:
    doc = make_nlp(trained_model, spans_key=key)(TEXTS[0])
    assert list(doc.spans) == keys
    assert read_ents(doc) == GOLD[0]


def test_threshold_keeps_a_score_that_equals_it(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model, threshold=0.5)
    doc = Doc(nlp.vocab, words=["stem", "cells", "mouse"])
    entities = [Entity(0, 4, "Cell", 0.4999), Entity(5, 10, "Cell", 0.5), Entity(11, 16, "Taxon", 0.75)]
    get_craft_ner(nlp).set_annotations([doc], [entities])
    assert read_ents(doc) == [("cells", "Cell"), ("mouse", "Taxon")]
    assert doc.spans["craft_ner"].attrs["scores"] == [0.5, 0.75]
    assert doc.spans["craft_ner"].attrs["unplaced"] == []


def test_threshold_of_one_leaves_nothing(trained_model: Path) -> None:
    assert read_ents(make_nlp(trained_model, threshold=1.0)(TEXTS[0])) == []


def test_label_map(trained_model: Path) -> None:
    doc = make_nlp(trained_model, label_map={"Protein": "GENE_OR_PROTEIN"})(TEXTS[0])
    assert read_ents(doc) == [("kinase", "GENE_OR_PROTEIN"), ("mouse", "Taxon")]
    assert [span.label_ for span in doc.spans["craft_ner"]] == ["GENE_OR_PROTEIN", "Taxon"]


@pytest.mark.parametrize("batch_tokens", [1, 20, 100_000])
def test_batch_tokens_change_nothing(trained_model: Path, batch_tokens: int) -> None:
    nlp = make_nlp(trained_model, batch_tokens=batch_tokens)
    assert get_craft_ner(nlp).model.attrs["batch_tokens"] == batch_tokens
    assert [read_ents(doc) for doc in nlp.pipe(TEXTS)] == GOLD


# Settings that are set later


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("alignment_mode", "shrink", "allowed are strict, contract, expand, split"),
        ("overwrite_ents", 1, "allowed are true and false"),
        ("spans_key", "", "allowed are a name, or null"),
        ("spans_key", 3, "allowed are a name, or null"),
        ("threshold", True, "allowed are numbers from 0 to 1"),
        ("threshold", "0.5", "allowed are numbers from 0 to 1"),
        ("batch_tokens", 2.5, "allowed are whole numbers from 1"),
        ("batch_tokens", True, "allowed are whole numbers from 1"),
        ("label_map", ["Gene"], "allowed is a mapping"),
        ("label_map", {"Gene": 1}, "1 is no label"),
    ],
)
def test_wrong_values_are_refused_later_too(name: str, value: object, message: str, tiny_model: Path) -> None:
    component = get_craft_ner(make_nlp(tiny_model))
    before = component.cfg
    with pytest.raises(ValueError, match=f"{name} = .*: {message}"):
        setattr(component, name, value)
    assert component.cfg == before


def test_a_setting_that_is_set_later_is_used(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    component = get_craft_ner(nlp)
    assert read_ents(nlp(TEXTS[0])) == GOLD[0]
    component.label_map = {"Protein": "Gene"}
    component.spans_key = "bio"
    doc = nlp(TEXTS[0])
    assert read_ents(doc) == [("kinase", "Gene"), ("mouse", "Taxon")]
    assert list(doc.spans) == ["bio"]
    component.threshold = 1.0
    assert read_ents(nlp(TEXTS[0])) == []
    component.batch_tokens = 20
    assert component.model.attrs["batch_tokens"] == 20


def test_the_settings_by_name_are_a_copy(tiny_model: Path) -> None:
    component = get_craft_ner(make_nlp(tiny_model))
    cfg = dict(component.cfg)
    assert cfg["threshold"] == 0.0
    cfg["threshold"] = 0.5
    assert component.threshold == 0.0
    component.cfg = cfg
    assert component.threshold == 0.5
    with pytest.raises(ValueError, match="colour = 1: there is no such setting"):
        component.cfg = {"colour": 1}
