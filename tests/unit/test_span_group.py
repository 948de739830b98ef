"""The span group: what is written to a Doc is read again, and groups of other components too."""

import numpy as np
import pytest
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from craftner_spacy.span_group import (
    SCORE_DIGITS,
    SPANS_KEY,
    current_spans,
    entity_score,
    read_span_group,
    set_score_extension,
    write_span_group,
)
from craftner_spacy.types import Entity, LinkedConcept


@pytest.fixture
def doc() -> Doc:
    """Tokens that end where the third entity does not: "SirT1ko mice of yeast"."""
    return Doc(Vocab(), words=["SirT1ko", "mice", "of", "yeast"])


PLACED = [Entity(8, 12, "Taxon", 0.75), Entity(16, 21, "Taxon", 0.5)]
UNPLACED = [Entity(0, 5, "Protein", 0.9)]


def spans(doc: Doc) -> list[Span]:
    return [Span(doc, 1, 2, label="Taxon"), Span(doc, 3, 4, label="Taxon")]


def test_spans_and_attrs(doc: Doc) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED, UNPLACED)
    group = doc.spans["bio"]
    assert [(span.text, span.label_) for span in group] == [("mice", "Taxon"), ("yeast", "Taxon")]
    assert group.name == "bio"
    assert group.attrs == {
        "labels": ["Taxon", "Taxon"],
        "scores": [0.75, 0.5],
        "offsets": [[8, 12], [16, 21]],
        "unplaced": [{"start": 0, "end": 5, "label": "Protein", "score": 0.9}],
    }


def test_a_group_is_replaced(doc: Doc) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED, UNPLACED)
    write_span_group(doc, "bio", [], [], [])
    assert len(doc.spans["bio"]) == 0
    assert doc.spans["bio"].attrs == {"labels": [], "scores": [], "offsets": [], "unplaced": []}


def test_the_unplaced_may_be_left_out(doc: Doc) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED)
    assert doc.spans["bio"].attrs.keys() == {"labels", "scores", "offsets"}
    assert read_span_group(doc, "bio") == PLACED


def test_entities_are_read_in_the_order_of_the_text_whether_placed_or_not(doc: Doc) -> None:
    write_span_group(doc, SPANS_KEY, spans(doc)[::-1], PLACED[::-1], UNPLACED)
    assert read_span_group(doc) == [*UNPLACED, *PLACED]


def test_offsets_are_those_of_the_entity_and_not_of_its_tokens(doc: Doc) -> None:
    write_span_group(doc, SPANS_KEY, [Span(doc, 0, 1, label="Protein")], UNPLACED, [])
    [entity] = read_span_group(doc)
    assert entity == Entity(0, 5, "Protein", 0.9)


def test_scores_are_rounded(doc: Doc) -> None:
    exact = [Entity(8, 12, "Taxon", 0.123456789), Entity(16, 21, "Taxon", 1 / 3)]
    write_span_group(doc, SPANS_KEY, spans(doc), exact, [Entity(0, 5, "Protein", 2 / 3)])
    assert SCORE_DIGITS == 6
    assert [entity.score for entity in read_span_group(doc)] == [0.666667, 0.123457, 0.333333]
    assert doc.spans[SPANS_KEY].attrs["scores"] == [0.123456789, 1 / 3]


def test_scores_may_be_unknown(doc: Doc) -> None:
    entities = [entity._replace(score=None) for entity in PLACED]
    write_span_group(doc, SPANS_KEY, spans(doc), entities, [])
    assert read_span_group(doc) == entities


def test_without_the_group_the_entities_of_the_doc_are_read(doc: Doc) -> None:
    doc.ents = spans(doc)
    expected = [Entity(8, 12, "Taxon"), Entity(16, 21, "Taxon")]
    assert read_span_group(doc) == expected
    write_span_group(doc, "other", [], [], [])
    assert read_span_group(doc) == expected
    write_span_group(doc, SPANS_KEY, [], [], [])
    assert read_span_group(doc) == []


def test_a_group_of_another_component_has_no_scores(doc: Doc) -> None:
    doc.spans["theirs"] = [Span(doc, 0, 2, label="Line"), Span(doc, 0, 1, label="Protein")]
    assert read_span_group(doc, "theirs") == [Entity(0, 7, "Protein"), Entity(0, 12, "Line")]


def test_other_names_of_labels(doc: Doc) -> None:
    named = [Span(doc, 1, 2, label="ORGANISM"), Span(doc, 3, 4, label="ORGANISM")]
    write_span_group(doc, "bio", named, PLACED, UNPLACED, {"Taxon": "ORGANISM", "Protein": "GENE"})
    attrs = doc.spans["bio"].attrs
    assert (attrs["labels"], attrs["model_labels"]) == (["ORGANISM"] * 2, ["Taxon"] * 2)
    assert attrs["unplaced"] == [
        {"start": 0, "end": 5, "label": "GENE", "score": 0.9, "model_label": "Protein"}
    ]
    assert [e.label for e in read_span_group(doc, "bio")] == ["GENE", "ORGANISM", "ORGANISM"]


# The score of a span


def test_spans_and_entities_have_their_score(doc: Doc) -> None:
    set_score_extension()
    write_span_group(doc, "bio", spans(doc), PLACED, UNPLACED)
    doc.ents = [*spans(doc), Span(doc, 2, 3, label="Word")]
    assert [ent._.score for ent in doc.ents] == [0.75, None, 0.5]
    assert [span._.score for span in doc.spans["bio"]] == [0.75, 0.5]
    assert Span(doc, 1, 2, label="Cell")._.score is None


def test_a_span_of_more_characters_than_its_entity_has_its_score(doc: Doc) -> None:
    write_span_group(doc, "bio", [Span(doc, 0, 1, label="Protein")], UNPLACED, [])
    assert entity_score(Span(doc, 0, 1, label="Protein")) == 0.9


def test_scores_are_kept_when_tokens_are_merged_and_in_bytes(doc: Doc) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED)
    doc.ents = spans(doc)
    again = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert [entity_score(ent) for ent in again.ents] == [0.75, 0.5]
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:1])
        retokenizer.merge(doc[2:4], {"ENT_TYPE": "Taxon"})
    assert entity_score(doc.ents[0]) == 0.75


def test_a_group_of_another_component_gives_no_score(doc: Doc) -> None:
    doc.spans["sc"] = SpanGroup(doc, name="sc", spans=spans(doc), attrs={"scores": [0.1, 0.2]})
    assert entity_score(spans(doc)[0]) is None


def test_an_attribute_of_that_name_that_is_there_stays() -> None:
    set_score_extension()
    _, _, before, _ = Span.remove_extension("score")
    try:
        Span.set_extension("score", default="mine")
        set_score_extension()
        assert Span.get_extension("score")[0] == "mine"
    finally:
        Span.set_extension("score", getter=before, force=True)


# Other components behind ours


def test_attrs_that_differ_in_number_are_not_used(doc: Doc) -> None:
    attrs = {"offsets": [[8, 12]], "scores": [0.5, 0.5]}
    doc.spans["bio"] = SpanGroup(doc, name="bio", spans=spans(doc), attrs=attrs)
    assert read_span_group(doc, "bio") == [entity._replace(score=None) for entity in PLACED]


def test_attrs_of_more_entities_than_there_are_spans_are_not_used(doc: Doc) -> None:
    attrs = {"scores": [0.5] * 9}
    doc.spans["bio"] = SpanGroup(doc, name="bio", spans=spans(doc), attrs=attrs)
    assert read_span_group(doc, "bio") == [entity._replace(score=None) for entity in PLACED]


def test_a_group_of_version_0_1_0_has_no_labels_in_its_attrs(doc: Doc) -> None:
    attrs = {"scores": [0.75, 0.5], "offsets": [[8, 12], [16, 21]]}
    doc.spans["bio"] = SpanGroup(doc, name="bio", spans=spans(doc), attrs=attrs)
    assert read_span_group(doc, "bio") == PLACED


def test_scores_alone_are_used_as_spancat_writes_them(doc: Doc) -> None:
    doc.spans["sc"] = SpanGroup(doc, name="sc", spans=spans(doc), attrs={"scores": np.array([0.75, 0.5])})
    assert read_span_group(doc, "sc") == PLACED


@pytest.mark.parametrize(("start", "end"), [(0, 2), (1, 4), (0, 4)])
def test_tokens_that_are_merged_later_change_nothing(doc: Doc, start: int, end: int) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED, UNPLACED)
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[start:end])
    assert read_span_group(doc, "bio") == [*UNPLACED, *PLACED]


def test_tokens_that_are_split_later_change_nothing(doc: Doc) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED, UNPLACED)
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[0], ["SirT1", "ko"], [(doc[0], 0), (doc[0], 0)])
    assert read_span_group(doc, "bio") == [*UNPLACED, *PLACED]


def texts(doc: Doc) -> list[tuple[str, str]]:
    return [(span.text, span.label_) for span in current_spans(doc.spans["bio"])]


MICE_AND_YEAST = [("mice", "Taxon"), ("yeast", "Taxon")]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 2, [("SirT1ko mice", "Taxon"), ("yeast", "Taxon")]),
        (1, 4, [("mice of yeast", "Taxon")] * 2),
        (1, 2, MICE_AND_YEAST),
    ],
)
def test_spans_on_the_tokens_as_they_are_now(
    doc: Doc, start: int, end: int, expected: list[tuple[str, str]]
) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED)
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[start:end])
    assert texts(doc) == expected


def test_spans_on_tokens_that_were_split(doc: Doc) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED)
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[0], ["SirT1", "ko"], [(doc[0], 0), (doc[0], 0)])
    assert texts(doc) == MICE_AND_YEAST


@pytest.mark.parametrize(("end", "text"), [(1, "SirT1ko"), (2, "SirT1ko mice")])
def test_spans_of_an_entity_that_does_not_fit_the_tokens_stay(doc: Doc, end: int, text: str) -> None:
    # 0 to 10: SirT1ko wholly, and the beginning of mice.
    write_span_group(doc, "bio", [Span(doc, 0, end, label="Protein")], [Entity(0, 10, "Protein", 0.9)])
    assert texts(doc) == [(text, "Protein")]


def test_a_span_that_is_made_anew_has_its_id_or_that_of_its_first_candidate(doc: Doc) -> None:
    linked = [e._replace(concept=LinkedConcept(f"T:{e.start}", "", 0.5)) for e in PLACED]
    mine = [Span(doc, span.start, span.end, label="Taxon", kb_id="MINE:1") for span in spans(doc)]
    write_span_group(doc, "bio", mine, linked)
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    # The second span is beyond the Doc's end.
    assert [span.kb_id_ for span in current_spans(doc.spans["bio"])] == ["MINE:1", "T:16"]


def test_spans_of_a_group_without_attrs_are_found_as_long_as_spacy_can_make_them(doc: Doc) -> None:
    doc.spans["bio"] = SpanGroup(doc, name="bio", spans=[Span(doc, 1, 2, label="Taxon", kb_id="T:1")])
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    assert texts(doc) == [("SirT1ko mice", "Taxon")]
    assert current_spans(doc.spans["bio"])[0].kb_id_ == "T:1"
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:3])
    with pytest.raises(ValueError, match=r"the span group 'bio': tokens were merged .* merge tokens before"):
        current_spans(doc.spans["bio"])


def test_concepts_are_kept_when_tokens_are_merged(doc: Doc) -> None:
    linked = [entity._replace(concept=LinkedConcept("T:1", "mouse", 0.5)) for entity in PLACED]
    ids = [Span(doc, span.start, span.end, label="Taxon", kb_id="T:1") for span in spans(doc)]
    write_span_group(doc, "bio", ids, linked)
    assert read_span_group(doc, "bio") == linked
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:4])
    assert read_span_group(doc, "bio") == linked


def test_spans_that_are_appended_are_read_without_scores(doc: Doc) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED, UNPLACED)
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[1:4])
    doc.spans["bio"].append(Span(doc, 0, 1, label="Line"))
    assert read_span_group(doc, "bio") == [UNPLACED[0], Entity(0, 7, "Line"), *PLACED]


def test_a_group_that_is_replaced_has_the_spans_of_the_other(doc: Doc) -> None:
    write_span_group(doc, "bio", spans(doc), PLACED, UNPLACED)
    doc.spans["bio"] = [Span(doc, 1, 2, label="Taxon")]
    assert read_span_group(doc, "bio") == [Entity(8, 12, "Taxon")]


def test_spans_that_are_taken_out_are_not_read(doc: Doc) -> None:
    group_of_one = spans(doc)[1:]
    write_span_group(doc, "bio", spans(doc), PLACED, [])
    doc.spans["bio"] = SpanGroup(doc, name="bio", spans=group_of_one, attrs=doc.spans["bio"].attrs)
    assert read_span_group(doc, "bio") == PLACED[1:]


def test_the_group_is_kept_in_bytes_and_docbin(doc: Doc) -> None:
    write_span_group(doc, SPANS_KEY, spans(doc), PLACED, UNPLACED)
    [from_docbin] = DocBin(docs=[doc], store_user_data=True).get_docs(doc.vocab)
    for again in (from_docbin, Doc(doc.vocab).from_bytes(doc.to_bytes())):
        assert read_span_group(again) == [*UNPLACED, *PLACED]


NEURON = LinkedConcept("X:1", "neuron", 0.75)


def test_concepts_are_kept(doc: Doc) -> None:
    linked = [PLACED[0]._replace(concept=NEURON), PLACED[1]]
    placed = [Span(doc, 1, 2, label="Taxon", kb_id="X:1"), spans(doc)[1]]
    write_span_group(doc, SPANS_KEY, placed, linked)
    assert doc.spans[SPANS_KEY].attrs["concepts"] == [[NEURON._asdict()], []]
    [again] = DocBin(docs=[doc]).get_docs(doc.vocab)
    assert read_span_group(again) == linked


def test_the_concept_is_that_of_the_spans_id(doc: Doc) -> None:
    attrs = {
        "concepts": [
            [{"id": "X:2", "name": "mouse", "score": 0.9}, {"id": "X:1", "name": "rat", "score": 1 / 3}]
        ]
        * 2
    }
    group = [Span(doc, 1, 2, label="Taxon", kb_id="X:1"), Span(doc, 3, 4, label="Taxon", kb_id="MINE:1")]
    doc.spans["bio"] = SpanGroup(doc, name="bio", spans=group, attrs=attrs)
    assert [e.concept for e in read_span_group(doc, "bio")] == [
        LinkedConcept("X:1", "rat", 0.333333),
        LinkedConcept("MINE:1"),
    ]
    del doc.spans["bio"].attrs["concepts"]
    assert [e.concept for e in read_span_group(doc, "bio")] == [LinkedConcept("X:1"), LinkedConcept("MINE:1")]


def test_the_concept_of_an_unplaced_entity(doc: Doc) -> None:
    write_span_group(doc, "bio", [], [], UNPLACED)
    doc.spans["bio"].attrs["unplaced"][0]["concepts"] = [NEURON._asdict()]
    assert read_span_group(doc, "bio") == [UNPLACED[0]._replace(concept=NEURON)]
    doc.spans["bio"].attrs["unplaced"][0]["concepts"] = []
    assert read_span_group(doc, "bio") == UNPLACED


def test_ids_of_the_entities_of_the_doc(doc: Doc) -> None:
    doc.ents = [Span(doc, 1, 2, label="Taxon", kb_id="Q1"), Span(doc, 3, 4, label="Taxon", kb_id="NIL")]
    assert [e.concept for e in read_span_group(doc)] == [LinkedConcept("Q1"), None]
