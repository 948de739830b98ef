"""The entities of a batch, also where other components stand behind `craft_ner`."""

from pathlib import Path

import pytest
from spacy.language import Language
from spacy.tokens import Doc, Span
from tiny_pipelines import TEXTS, make_nlp

from craftner_spacy.data.records import Record
from craftner_spacy.processing.engine import find_entities, make_batches
from craftner_spacy.processing.settings import BATCH_CHARACTERS, BATCH_RECORDS


def test_long_texts_are_in_smaller_batches() -> None:
    half, small = Record("", "a" * (BATCH_CHARACTERS // 2), {}), Record("", "a", {})
    records = [half, small, half, *[small] * (BATCH_RECORDS + 1), half, half]
    assert [len(batch) for batch in make_batches(records)] == [3, BATCH_RECORDS, 3]


@Language.component("append_the_first_word")
def append_the_first_word(doc: Doc) -> Doc:
    doc.spans["craft_ner"].append(Span(doc, 0, 1, label="First"))
    return doc


@pytest.mark.parametrize("behind", ["merge_entities", "append_the_first_word"])
def test_components_behind_craft_ner_change_none_of_its_entities(trained_model: Path, behind: str) -> None:
    nlp = make_nlp(trained_model)
    expected = find_entities(nlp, TEXTS)
    assert any(of_text[0].label for of_text in expected if of_text)
    nlp.add_pipe(behind)
    found = find_entities(nlp, TEXTS)
    assert [[e for e in of_text if e.label != "First"] for of_text in found] == expected
    n_added = sum(e.label == "First" for of_text in found for e in of_text)
    assert n_added == (len(TEXTS) if behind == "append_the_first_word" else 0)
