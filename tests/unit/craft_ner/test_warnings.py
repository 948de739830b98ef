"""Losses: entities without a place and words without a span are counted in one warning."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from tiny_pipelines import GOLD, TEXTS, add_craft_ner, get_craft_ner, make_nlp, read_ents

from craftner_spacy.types import Entity


def test_unplaced_are_counted_in_one_warning_and_kept(trained_model: Path) -> None:
    nlp = make_nlp(trained_model, alignment_mode="strict")
    words = ["In", "mouse-kinase", "cells", "."]
    docs = [Doc(nlp.vocab, words=words, spaces=[True, True, True, False]) for _ in range(2)]
    with pytest.warns(UserWarning, match="do not fit the tokens") as caught:
        done = list(get_craft_ner(nlp).pipe(docs))
    assert len(caught) == 1
    assert "craft_ner: 4 entities do not fit the tokens" in str(caught[0].message)
    assert "'strict'" in str(caught[0].message)
    assert "doc.spans['craft_ner'].attrs['unplaced']" in str(caught[0].message)
    # What a newcomer can do is tried below.
    for remedy in ("The tokenizer craftner_spacy.tokenizer.v1", "alignment_mode = 'split'"):
        assert remedy in str(caught[0].message)
    for doc in done:
        assert read_ents(doc) == []
        unplaced = doc.spans["craft_ner"].attrs["unplaced"]
        assert [(e["start"], e["end"], e["label"]) for e in unplaced] == [(3, 8, "Taxon"), (9, 15, "Protein")]
        assert all(0.5 < e["score"] <= 1.0 for e in unplaced)
    # The count starts anew: a call without losses gives no warning (warnings are errors here).
    assert read_ents(nlp(TEXTS[0])) == GOLD[0]


def test_the_remedies_that_the_warning_names_lose_nothing() -> None:
    text = "Sam68−/− mice and Prx1::cre mice are infertile."
    expected = [("Sam68", "Protein"), ("mice", "Taxon"), ("Prx1", "Protein"), ("mice", "Taxon")]
    plain = make_nlp("small")
    with pytest.warns(UserWarning, match="2 entities do not fit the tokens"):
        assert read_ents(plain(text)) == [ent for ent in expected if ent[1] == "Taxon"]
    get_craft_ner(plain).alignment_mode = "split"
    assert read_ents(plain(text)) == expected
    fitting = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
    add_craft_ner(fitting, "small")
    assert read_ents(fitting(text)) == expected


def test_words_that_no_span_covers_are_warned_of(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    get_craft_ner(nlp).model.attrs["get_spans"] = lambda docs: [[doc[:2]] for doc in docs]
    with pytest.warns(UserWarning, match="craft_ner: 4 words stand in no span"):
        nlp(TEXTS[0])


def test_each_thread_counts_its_own_drops(trained_model: Path) -> None:
    nlp = make_nlp(trained_model)
    component = get_craft_ner(nlp)
    doc = nlp.make_doc("mouse")
    with ThreadPoolExecutor(1) as thread:
        thread.submit(component.set_annotations, [doc], [[Entity(0, 3, "Taxon", 0.9)]]).result()
        # No warning in this thread (warnings are errors here), and the count of the other stays.
        assert read_ents(nlp(TEXTS[0])) == GOLD[0]
        with pytest.warns(UserWarning, match="craft_ner: 1 entities do not fit the tokens"):
            thread.submit(component._warn_of_drops).result()
