"""Texts in, entities out: what is found, by which pipeline, and by threads at the same time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from tiny_pipelines import GOLD, TEXTS, get_craft_ner, make_nlp

import craftner_spacy
from craftner_spacy import FoundEntity, find
from craftner_spacy.finding import _named_pipeline
from craftner_spacy.linking.candidates import PRECISION


def pairs(found: list[list[FoundEntity]]) -> list[list[tuple[str, str]]]:
    return [[(e.text, e.label) for e in entities] for entities in found]


def test_each_text_has_its_entities_with_score_and_characters(trained_pipeline: Path) -> None:
    found = find(TEXTS, str(trained_pipeline))
    assert pairs(found) == GOLD
    for text, entities in zip(TEXTS, found, strict=True):
        for entity in entities:
            assert text[entity.start : entity.end] == entity.text
            assert 0.5 < (entity.score or 0) <= 1
    assert asdict(found[0][1]) == {
        "text": "mouse", "label": "Taxon", "score": found[0][1].score, "start": 14, "end": 19,
        "concept": None, "concept_name": None, "concept_score": None,
    }  # fmt: skip
    assert find([], str(trained_pipeline)) == []
    assert find(iter(TEXTS[:1]), str(trained_pipeline)) == found[:1]


def test_entities_that_fit_no_token_are_found_without_a_warning(trained_pipeline: Path) -> None:
    # The tokenizer keeps "mouse-kinase" whole; warnings are errors here.
    [entities] = find(["In mouse-kinase cells ."], str(trained_pipeline))
    assert [(e.text, e.label) for e in entities] == [("mouse", "Taxon"), ("kinase", "Protein")]


def test_settings_change_what_is_found(trained_pipeline: Path) -> None:
    model = str(trained_pipeline)
    assert find(TEXTS[:1], model, threshold=1.0) == [[]]
    assert pairs(find(TEXTS[:1], model, label_map={"Taxon": "Species"}))[0][1] == ("mouse", "Species")
    assert pairs(find(TEXTS[:1], model)) == GOLD[:1]
    with pytest.raises(ValueError, match="the model has no label 'Gen'"):
        find(TEXTS, model, label_map={"Gen": "Part"})


def concepts(found: list[list[FoundEntity]]) -> list[tuple[str | None, str | None]]:
    return [(e.concept, e.concept_name) for entities in found for e in entities]


def test_what_gives_ids(trained_pipeline: Path, trained_model: Path, tiny_kb: Path) -> None:
    pipeline, model = str(trained_pipeline), str(trained_model)
    assert concepts(find(TEXTS[:1], pipeline)) == [(None, None), (None, None)]
    assert concepts(find(TEXTS[:1], pipeline, kb="bundled"))[1] == ("NCBITaxon:10088", "Mus")
    # A model that is no pipeline has the bundled knowledge base.
    assert concepts(find(TEXTS[:1], model))[1] == ("NCBITaxon:10088", "Mus")
    assert concepts(find(TEXTS[:1], model, kb="none")) == [(None, None), (None, None)]
    [[kinase, mouse]] = find(TEXTS[:1], pipeline, kb=str(tiny_kb))
    # It has "mice" and "mouse", which are one name.
    assert (kinase.concept_name, mouse.concept_name) == ("kinase", "mice")
    assert (kinase.concept_score, mouse.concept_score) == (PRECISION["exact"], PRECISION["exact"] / 2)
    with pytest.raises(FileNotFoundError, match="kb = 'nowhere': there is no such file"):
        find(TEXTS, model, kb="nowhere")


def test_labels_with_other_names_have_ids(trained_model: Path) -> None:
    [[_, mouse]] = find(TEXTS[:1], str(trained_model), label_map={"Taxon": "ORGANISM"})
    assert (mouse.label, mouse.concept) == ("ORGANISM", "NCBITaxon:10088")


def test_a_named_pipeline_is_loaded_once(trained_pipeline: Path) -> None:
    model = str(trained_pipeline)
    _named_pipeline.cache_clear()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda text: find([text], model)[0], TEXTS * 4))
    assert pairs(found) == GOLD * 4
    assert _named_pipeline.cache_info().misses == 1


def test_a_loaded_pipeline_is_used_as_it_is(trained_pipeline: Path) -> None:
    nlp = spacy.load(trained_pipeline)
    get_craft_ner(nlp).label_map = {"Taxon": "Species"}
    assert pairs(find(TEXTS[:1], nlp)) == [[("kinase", "Protein"), ("mouse", "Species")]]
    assert get_craft_ner(nlp).alignment_mode == "strict"
    with pytest.raises(ValueError, match="of a loaded pipeline are set on its component"):
        find(TEXTS, nlp, label_map={"Taxon": "Species"})
    with pytest.raises(ValueError, match="kb of a loaded pipeline are set on its component"):
        find(TEXTS, nlp, kb="bundled")


def test_one_text_in_place_of_several_is_refused() -> None:
    with pytest.raises(ValueError, match=r"texts = 'The mouse': allowed is a list of texts"):
        find("The mouse")


def test_a_text_that_the_error_handler_leaves_out_is_an_error(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)

    @Language.component("refuse_zebrafish")
    def refuse(doc):  # type: ignore[no-untyped-def]
        if "zebrafish" in doc.text:
            raise ValueError("no")
        return doc

    nlp.add_pipe("refuse_zebrafish")
    nlp.set_error_handler(lambda *args: None)
    with pytest.raises(ValueError, match="error handler left out 1 of 2 texts"):
        find(["mouse", "zebrafish"], nlp)


def test_the_package_lists_what_it_offers() -> None:
    assert {"FoundEntity", "__version__", "annotate", "find"} <= set(dir(craftner_spacy))
    for name in craftner_spacy.__all__:
        assert getattr(craftner_spacy, name)
    with pytest.raises(AttributeError, match="has no attribute 'seek'"):
        craftner_spacy.seek  # type: ignore[attr-defined]  # noqa: B018
