"""Annotations of outside corpora as evidence in the probabilities of the teachers."""

import numpy as np
import pytest
from evidence import Marked, Weights, add_evidence, marked_entities
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_meanings import MEANINGS as ALL_MEANINGS
from label_meanings import excluded_labels, normalize_case, unannotated_texts
from passages import bio_scheme
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from craftner_spacy.labels import LABELS
from craftner_spacy.types import Floats

SCHEME = bio_scheme(["Chemical", "Protein", "Taxon"])
TAGS = SCHEME.index
MARKED = Weights(marked=1.0, unmarked=0.0)
N_WORDS = 6
MEANINGS = {"GENE": "Protein", "DRUG": "Chemical"}


def teachers(*tags: str, sure: float = 0.9) -> Floats:
    probabilities = np.full((len(tags), len(SCHEME.tags)), (1 - sure) / (len(SCHEME.tags) - 1))
    probabilities[np.arange(len(tags)), [TAGS[tag] for tag in tags]] = sure
    return probabilities.astype(np.float32)


def most_probable(probabilities: Floats) -> list[str]:
    return [SCHEME.tags[i] for i in probabilities.argmax(axis=1)]


def with_evidence(probabilities: Floats, *entities: Marked, weights: Weights = MARKED) -> list[str]:
    excluded = excluded_labels(MEANINGS)
    return most_probable(add_evidence(probabilities, entities, SCHEME, excluded, ["Protein"], weights))


def test_labels_mean_labels_of_craft() -> None:
    assert {label for meanings in ALL_MEANINGS.values() for label in meanings.values()} <= set(LABELS)


def test_an_entity_that_the_teachers_do_not_predict_becomes_one_of_ours() -> None:
    tags = with_evidence(teachers("O", "O", "O"), Marked(0, 2, "Protein"))
    assert tags == ["B-Protein", "I-Protein", "O"]


def test_start_and_end_stay_where_the_teachers_predict_the_entity() -> None:
    tags = with_evidence(teachers("O", "B-Protein", "O"), Marked(0, 3, "Protein"))
    assert tags == ["O", "B-Protein", "O"]


def test_start_and_end_move_to_those_of_the_annotators_where_they_have_a_weight() -> None:
    weights = Weights(borders=1.0)
    before = teachers("O", "B-Protein", "B-Protein", "O")
    tags = with_evidence(before, Marked(0, 4, "Protein"), weights=weights)
    assert tags == ["B-Protein", "I-Protein", "I-Protein", "I-Protein"]
    before = teachers("B-Protein", "I-Protein", "I-Protein", "B-Protein")
    before[0] = [0.05 if tag != "B-Taxon" else 0.1 for tag in SCHEME.tags]
    before[0, TAGS["B-Protein"]] += 1.0 - before[0].sum()
    tags = with_evidence(before, Marked(1, 2, "Protein"), weights=weights)
    assert tags == ["B-Taxon", "B-Protein", "O", "B-Protein"]
    assert with_evidence(before, Marked(1, 2, "Protein")) == most_probable(before)


def test_what_another_entity_has_is_not_taken_from_it_by_borders() -> None:
    before = teachers("B-Protein", "I-Protein", "I-Protein", sure=1.0)
    tags = with_evidence(
        before, Marked(0, 1, "Protein"), Marked(1, 2, "Protein"), weights=Weights(borders=1.0)
    )
    assert tags == ["B-Protein", "B-Protein", "O"]


def test_a_label_that_the_corpus_annotates_too_is_replaced_and_others_stay() -> None:
    assert with_evidence(teachers("B-Protein", "O"), Marked(0, 1, "Chemical")) == ["B-Chemical", "O"]
    assert with_evidence(teachers("B-Taxon", "O"), Marked(0, 2, "Protein")) == ["B-Taxon", "B-Protein"]


def test_what_annotators_of_all_proteins_left_out_is_none_unless_they_gave_it_another_label() -> None:
    probabilities = teachers("B-Protein", "O", "B-Protein", "B-Taxon")
    tags = with_evidence(probabilities, Marked(2, 3, None), weights=Weights(0.0, 1.0))
    assert tags == ["O", "O", "B-Protein", "B-Taxon"]
    assert with_evidence(probabilities, weights=Weights()) == most_probable(probabilities)


@given(
    arrays(np.float32, (N_WORDS, len(SCHEME.tags)), elements=st.floats(0.015625, 1, width=32)),
    st.sets(st.integers(0, N_WORDS), min_size=2),
    st.lists(st.sampled_from([None, "Protein", "Chemical", "Taxon"]), min_size=N_WORDS, max_size=N_WORDS),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_rows_stay_probabilities_and_the_array_of_the_teachers_is_unchanged(
    raw: Floats, cuts: set[int], labels: list[str | None], marked: float, unmarked: float, border: float
) -> None:
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    before, cut = probabilities.copy(), sorted(cuts)
    entities = [Marked(*words, label) for *words, label in zip(cut, cut[1:], labels, strict=False)]
    weights = Weights(marked, unmarked, border)
    result = add_evidence(probabilities, entities, SCHEME, excluded_labels(MEANINGS), ["Protein"], weights)
    assert np.array_equal(probabilities, before)
    assert (result >= -1e-6).all()
    assert result.sum(axis=1) == pytest.approx(np.ones(N_WORDS), abs=1e-5)


def make_doc(words: str, *ents: tuple[int, int, str]) -> Doc:
    doc = Doc(Vocab(), words=words.split())
    doc.set_ents([Span(doc, *ent) for ent in ents])
    return doc


def test_a_text_that_craft_left_out_three_times_is_no_evidence() -> None:
    craft = [
        make_doc("Patients and patients and ATP and Rest"),
        make_doc("patients with ATP in rest", (2, 3, "Chemical")),
        make_doc("ATP and ATP by rest or rest", (0, 1, "Chemical"), (2, 3, "Chemical")),
    ]
    assert unannotated_texts({"patients", "ATP", "rest", "REST"}, craft) >= {"patients", "rest"}
    assert not unannotated_texts({"patients", "ATP", "rest", "REST"}, craft) & {"ATP", "REST"}
    assert "women" in unannotated_texts(set(), [])


def test_entities_over_words_have_our_label_where_theirs_means_it() -> None:
    doc = make_doc(
        "Rest or REST of Abc1x by x", (0, 1, "GENE"), (2, 3, "GENE"), (4, 5, "GENE"), (6, 7, "DISEASE")
    )
    chars = np.array([[0, 4], [5, 7], [8, 12], [13, 15], [16, 20], [20, 25], [25, 26]])
    assert normalize_case(doc[0].text) == "rest"
    assert marked_entities(doc, chars, MEANINGS, {"rest"}) == [
        Marked(0, 1, None),
        Marked(2, 3, "Protein"),
        Marked(4, 6, None),
        Marked(6, 7, None),
    ]
