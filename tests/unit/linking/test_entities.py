"""The words of a Doc's entities, and what is written on them."""

import pytest
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from craftner_spacy.linking.candidates import Candidate
from craftner_spacy.linking.document import Mention
from craftner_spacy.linking.entities import (
    DocLinks,
    place_of,
    placed_mentions,
    unplaced_mentions,
    write_concepts,
)

NEURON = Candidate("X:1", "neuron", 0.5, "exact", "T:1", True)
AXON = Candidate("X:2", "axon", 0.25, "loose")
IN_ATTRS = [
    {"id": "X:1", "name": "neuron", "score": 0.5, "match": "exact"},
    {"id": "X:2", "name": "axon", "score": 0.25, "match": "loose"},
]
TABLES = ("Cell", "Protein", "Taxon")
UNPLACED = [
    {"start": 0, "end": 3, "label": "Number", "score": 0.5},
    {"start": 4, "end": 8, "label": "Cell", "score": None},
]


def make_doc() -> Doc:
    """Two entities; the span group has the second one and another span."""
    doc = Doc(Vocab(), words=["Two", "neurons", "of", "brown", "rats"])
    doc.ents = [Span(doc, 1, 2, label="Cell"), Span(doc, 3, 5, label="Taxon")]
    spans = [Span(doc, 3, 5, label="Taxon"), Span(doc, 1, 3, label="Cell")]
    doc.spans["found"] = SpanGroup(doc, name="found", spans=spans)
    return doc


def mentions(doc: Doc, spans_key: str | None) -> dict[tuple[int, int, str], Mention]:
    return placed_mentions(doc, doc.text, spans_key, TABLES)


def test_mentions_of_entities_and_of_the_span_group() -> None:
    assert mentions(make_doc(), "found") == {
        (3, 5, "Taxon"): Mention("brown rats", "Taxon", 15),
        (1, 3, "Cell"): Mention("neurons of", "Cell", 4),
        (1, 2, "Cell"): Mention("neurons", "Cell", 4),
    }


@pytest.mark.parametrize("spans_key", [None, "other"])
def test_mentions_without_a_span_group(spans_key: str | None) -> None:
    assert mentions(make_doc(), spans_key) == {
        (1, 2, "Cell"): Mention("neurons", "Cell", 4),
        (3, 5, "Taxon"): Mention("brown rats", "Taxon", 15),
    }


def test_offsets_say_the_words() -> None:
    doc = make_doc()
    doc.spans["found"].attrs["offsets"] = [[21, 25], [4, 7]]
    assert mentions(doc, "found") == {
        (3, 5, "Taxon"): Mention("rats", "Taxon", 21),
        (1, 3, "Cell"): Mention("neu", "Cell", 4),
        (1, 2, "Cell"): Mention("neurons", "Cell", 4),
    }


@pytest.mark.parametrize("offsets", [None, "ab", [], [[0, 5]], [[0, 5], [6, 13], [0, 1]]])
def test_offsets_that_do_not_fit_say_nothing(offsets: object) -> None:
    doc = make_doc()
    doc.spans["found"].attrs["offsets"] = offsets
    assert mentions(doc, "found") == mentions(make_doc(), "found")


@pytest.mark.parametrize(
    ("label", "of_model", "table"),
    [
        ("GENE", "Protein", "Protein"),
        ("Cell", "Protein", "Cell"),
        ("GENE", "Gene", "GENE"),
        ("Cell", "Cell", "Cell"),
    ],
)
def test_a_label_without_a_table_is_looked_up_by_the_models_label(
    label: str, of_model: str, table: str
) -> None:
    doc = make_doc()
    doc.ents = [Span(doc, 1, 2, label=label)]
    attrs = {
        "model_labels": [of_model],
        "unplaced": [{**UNPLACED[0], "label": label, "model_label": of_model}],
    }
    doc.spans["found"] = SpanGroup(doc, name="found", spans=list(doc.ents), attrs=attrs)
    assert mentions(doc, "found") == {(1, 2, label): Mention("neurons", table, 4)}
    assert unplaced_mentions(doc, doc.text, "found", TABLES) == [Mention("Two", table, 0)]
    assert mentions(doc, None) == {(1, 2, label): Mention("neurons", label, 4)}


def merge(doc: Doc, start: int, end: int) -> None:
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[start:end])


def test_spans_whose_tokens_were_merged_are_linked_and_mended() -> None:
    doc = make_doc()
    doc.ents = [Span(doc, 0, 2, label="Cell"), Span(doc, 3, 5, label="Taxon")]
    attrs = {"offsets": [[15, 25], [4, 14]], "labels": ["Taxon", "Cell"]}
    doc.spans["found"] = SpanGroup(doc, name="found", spans=list(doc.spans["found"]), attrs=attrs)
    merge(doc, 3, 5)
    merge(doc, 0, 2)
    assert mentions(doc, "found") == {
        (2, 3, "Taxon"): Mention("brown rats", "Taxon", 15),
        (0, 2, "Cell"): Mention("neurons of", "Cell", 4),
        (0, 1, "Cell"): Mention("Two neurons", "Cell", 0),
    }
    found = {place: [NEURON] for place in mentions(doc, "found")}
    write_concepts(doc, DocLinks(found, []), "found", True)
    group = doc.spans["found"]
    assert [(span.text, span.kb_id_) for span in group] == [("brown rats", "X:1"), ("Two neurons of", "X:1")]
    assert group.attrs["offsets"] == attrs["offsets"]
    again = Doc(Vocab()).from_bytes(doc.to_bytes())
    assert [span.text for span in again.spans["found"]] == ["brown rats", "Two neurons of"]


def test_mentions_of_unplaced_entities() -> None:
    doc = make_doc()
    doc.spans["found"].attrs["unplaced"] = UNPLACED
    assert unplaced_mentions(doc, doc.text, "found", TABLES) == [
        Mention("Two", "Number", 0),
        Mention("neur", "Cell", 4),
    ]
    assert unplaced_mentions(doc, doc.text, "other", TABLES) == []
    assert unplaced_mentions(doc, doc.text, None, TABLES) == []


@pytest.mark.parametrize("odd", [None, "odd", [7], [{"start": 0, "end": 1}], [UNPLACED[0], {}]])
def test_what_is_no_list_of_entities_has_no_mentions(odd: object) -> None:
    doc = make_doc()
    doc.spans["found"].attrs["unplaced"] = odd
    assert unplaced_mentions(doc, doc.text, "found", TABLES) == []
    write_concepts(doc, no_links(doc, "found"), "found", True)
    assert doc.spans["found"].attrs["unplaced"] == odd


def no_links(doc: Doc, spans_key: str | None) -> DocLinks:
    return DocLinks({place: [] for place in mentions(doc, spans_key)}, [])


def links(doc: Doc, spans_key: str | None) -> DocLinks:
    """Each placed entity is a neuron, maybe an axon; the rats are none."""
    found = {place: [NEURON, AXON] for place in mentions(doc, spans_key)}
    return DocLinks(found | {(3, 5, "Taxon"): []}, [])


def ids(doc: Doc) -> list[str]:
    return [ent.kb_id_ for ent in doc.ents]


def test_ids_and_candidates_are_written() -> None:
    doc = make_doc()
    write_concepts(doc, links(doc, "found"), "found", True)
    assert ids(doc) == ["X:1", ""]
    assert [token.ent_kb_id_ for token in doc] == ["", "X:1", "", "", ""]
    assert [span.kb_id_ for span in doc.spans["found"]] == ["", "X:1"]
    assert doc.spans["found"].attrs["concepts"] == [[], IN_ATTRS]


def test_without_a_key_the_entities_alone_are_written() -> None:
    doc = make_doc()
    write_concepts(doc, links(doc, None), None, True)
    assert ids(doc) == ["X:1", ""]
    assert [span.kb_id_ for span in doc.spans["found"]] == ["", ""]
    assert list(doc.spans) == ["found"]
    assert "concepts" not in doc.spans["found"].attrs


def test_a_group_is_made_of_the_entities() -> None:
    doc = make_doc()
    write_concepts(doc, links(doc, "other"), "other", True)
    group = doc.spans["other"]
    assert [(span.text, span.label_, span.kb_id_) for span in group] == [
        ("neurons", "Cell", "X:1"),
        ("brown rats", "Taxon", ""),
    ]
    assert group.name == "other"
    assert group.attrs == {"concepts": [IN_ATTRS, []]}


@pytest.mark.parametrize(("overwrite", "expected"), [(True, "X:1"), (False, "MINE:1")])
def test_an_id_that_is_there(overwrite: bool, expected: str) -> None:
    doc = make_doc()
    doc.ents = [Span(doc, 1, 2, label="Cell", kb_id="MINE:1"), Span(doc, 3, 5, label="Taxon", kb_id="MINE:2")]
    spans = [
        Span(doc, 3, 5, label="Taxon", kb_id="MINE:2"),
        Span(doc, 1, 2, label="Cell", kb_id="MINE:1"),
        Span(doc, 1, 3, label="Cell"),
    ]
    doc.spans["found"] = SpanGroup(doc, name="found", spans=spans)
    write_concepts(doc, links(doc, "found"), "found", overwrite)
    assert ids(doc) == [expected, "MINE:2"]
    assert [span.kb_id_ for span in doc.spans["found"]] == ["MINE:2", expected, "X:1"]
    assert doc.spans["found"].attrs["concepts"] == [[], IN_ATTRS, IN_ATTRS]


def test_every_token_of_an_entity_gets_the_id() -> None:
    doc = make_doc()
    found = {place: [NEURON] for place in mentions(doc, None)}
    write_concepts(doc, DocLinks(found, []), None, False)
    assert [token.ent_kb_id_ for token in doc] == ["", "X:1", "", "X:1", "X:1"]


def test_unplaced_entities_get_their_candidates() -> None:
    doc = make_doc()
    doc.spans["found"].attrs["unplaced"] = [dict(entity) for entity in UNPLACED]
    write_concepts(doc, no_links(doc, "found")._replace(unplaced=[[], [NEURON, AXON]]), "found", True)
    first, second = doc.spans["found"].attrs["unplaced"]
    assert first == {**UNPLACED[0], "concepts": []}
    assert second == {**UNPLACED[1], "concepts": IN_ATTRS}


def test_the_place_of_an_entity() -> None:
    assert place_of(make_doc().ents[1]) == (3, 5, "Taxon")
