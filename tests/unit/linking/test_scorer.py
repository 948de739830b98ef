"""How ids are counted: on entities that are right, and end to end."""

from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from craftner_spacy.linking.scorer import craft_linker_score, make_craft_linker_scorer

WORDS = ["neurons", "mice", "axons", "glia"]
Ent = tuple[int, str, str]
"""Number of the word, label and id."""


def doc_of(*entities: Ent) -> Doc:
    doc = Doc(spacy.blank("en").vocab, words=WORDS)
    doc.ents = [Span(doc, i, i + 1, label=label, kb_id=id_) for i, label, id_ in entities]
    return doc


def score(gold: list[Ent], predicted: list[Ent]) -> dict[str, Any]:
    return craft_linker_score(iter([Example(doc_of(*predicted), doc_of(*gold))]))


def test_span_label_and_id_have_to_be_right() -> None:
    gold = [(0, "Cell", "X:1"), (1, "Taxon", "T:1"), (2, "Cell", "X:2"), (3, "Cell", "X:3")]
    predicted = [(0, "Cell", "X:1"), (1, "Taxon", "T:2"), (3, "Taxon", "X:3")]
    scores = score(gold, predicted)
    assert (scores["links_p"], scores["links_r"]) == (pytest.approx(1 / 3), 0.25)
    assert scores["links_f"] == pytest.approx(2 / 7)
    assert list(scores["links_per_type"]) == ["Cell", "Taxon"]
    assert scores["links_per_type"]["Cell"] == {"p": 1.0, "r": pytest.approx(1 / 3), "f": 0.5}
    assert scores["links_per_type"]["Taxon"] == {"p": 0.0, "r": 0.0, "f": 0.0}


def test_counts_of_several_documents_are_added() -> None:
    pairs = [([(0, "Cell", "X:1")], [(0, "Cell", "X:1")]), ([(0, "Cell", "X:1")], [(0, "Cell", "X:2")])]
    scores = craft_linker_score(Example(doc_of(*predicted), doc_of(*gold)) for gold, predicted in pairs)
    assert (scores["links_p"], scores["links_r"], scores["links_f"]) == (0.5, 0.5, 0.5)
    assert scores["links_per_type"] == {"Cell": {"p": 0.5, "r": 0.5, "f": 0.5}}
    assert scores["nel_micro_f"] == 0.5


@pytest.mark.parametrize("no_id", ["", "NIL"])
def test_an_entity_without_an_id_is_none(no_id: str) -> None:
    scores = score([(0, "Cell", "X:1"), (1, "Taxon", no_id)], [(0, "Cell", no_id), (1, "Taxon", no_id)])
    assert (scores["links_p"], scores["links_r"]) == (0.0, 0.0)
    assert scores["nel_micro_r"] == 0.0
    assert list(scores["links_per_type"]) == ["Cell"]


@pytest.mark.parametrize("entities", [[], [(0, "Cell", "")]])
def test_without_ids_there_is_no_score(entities: list[Ent]) -> None:
    scores = score(entities, entities)
    assert (scores["links_p"], scores["links_r"], scores["links_f"]) == (None, None, None)
    assert scores["links_per_type"] == {}


def test_an_id_on_a_wrong_span_counts_end_to_end_alone() -> None:
    scores = score([(0, "Cell", "X:1")], [(0, "Cell", "X:1"), (1, "Cell", "X:1")])
    assert (scores["nel_micro_p"], scores["nel_micro_r"]) == (1.0, 1.0)
    assert (scores["links_p"], scores["links_r"]) == (0.5, 1.0)


def test_the_registered_scorer() -> None:
    assert make_craft_linker_scorer() is craft_linker_score
