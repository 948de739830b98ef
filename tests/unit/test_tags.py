"""Tags: which schemes are valid, the tags of a network, and the tag sequences that spell entities."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from tiny_models import HUB_TAGS
from tiny_pipelines import get_craft_ner, make_nlp

from craftner_spacy.decoding import best_tags, read_entities
from craftner_spacy.tags import TagScheme, gold_tags, has_tag_names, make_tags, read_tags, write_tags
from craftner_spacy.types import Entity

SCHEME = TagScheme(("O", "B-Cell", "I-Cell", "B-Gene", "I-Gene"))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (("O", "Cell"), "tag 'Cell' is not of the BIO scheme"),
        (("O", "B-"), "tag 'B-' is not of the BIO scheme"),
        (("O", "X-Cell"), "tag 'X-Cell' is not of the BIO scheme.* such as 'I-Cell'"),
        (("B", "I", "O"), "tag 'B' is not of the BIO scheme.*id2label of config.json"),
        (("O", "B-Cell", "L-Gene"), "tag 'L-Gene' has no 'B-Gene'"),
        (("O", "B-Cell", "B-Cell"), "a tag stands twice"),
        (("B-Cell", "I-Cell"), "the tag 'O' is missing"),
        (("O", "B-Cell", "I-Gene"), "tag 'I-Gene' has no 'B-Gene'"),
    ],
)
def test_invalid_schemes_are_refused(tags: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TagScheme(tags)


def test_scheme_says_what_may_follow() -> None:
    assert SCHEME.labels == ("Cell", "Gene")
    assert SCHEME.may_begin.tolist() == [True, True, False, True, False]
    assert SCHEME.may_follow.tolist() == [
        [True, True, False, True, False],
        [True, True, True, True, False],
        [True, True, True, True, False],
        [True, True, False, True, True],
        [True, True, False, True, True],
    ]


BILOU = TagScheme(("O", "B-Cell", "I-Cell", "L-Cell", "U-Cell", "B-Gene", "I-Gene", "L-Gene", "U-Gene"))
BIOES = TagScheme(tuple(tag.replace("L-", "E-").replace("U-", "S-") for tag in BILOU.tags))
IO = TagScheme(("I-Cell", "I-Gene", "O"))


def test_other_schemes_say_what_may_follow() -> None:
    for scheme in (BILOU, BIOES):
        assert scheme.labels == ("Cell", "Gene")
        follows = {
            (before, after)
            for before, row in zip(BILOU.tags, scheme.may_follow, strict=True)
            for after, may in zip(BILOU.tags, row, strict=True)
            if may and after[0] in "IL"
        }
        expected = {(f"{b}-{x}", f"{a}-{x}") for x in ("Cell", "Gene") for b in "BI" for a in "IL"}
        assert follows == expected
    assert IO.may_follow.all()
    assert IO.may_begin.all()


@pytest.mark.parametrize("scheme", [SCHEME, BILOU, BIOES, IO], ids=["BIO", "BILOU", "BIOES", "IO"])
def test_entities_of_each_scheme_can_be_written_and_read(scheme: TagScheme) -> None:
    spans = [(0, 1, "Cell"), (1, 3, "Gene"), (4, 7, "Cell"), (8, 9, "Gene")]
    tags = write_tags([Entity(*span) for span in spans], 9, scheme)
    assert all(scheme.may_follow[before, after] for before, after in pairwise(tags))
    log_probs = np.full((9, len(scheme.tags)), -20.0)
    log_probs[np.arange(9), tags] = 0.0
    assert best_tags(log_probs, scheme).tolist() == tags.tolist()
    entities = read_entities(tags, log_probs, scheme)
    assert [entity[:3] for entity in entities] == spans
    assert all(entity.score == pytest.approx(1.0, abs=1e-6) for entity in entities)


def test_scores_of_other_schemes_count_the_words_that_may_go_on() -> None:
    io = TagScheme(("O", "I-Cell"))
    probs = np.array([[0.1, 0.9], [0.75, 0.25]])
    [entity] = read_entities(np.array([1, 0]), np.log(probs), io)
    assert entity.score == pytest.approx(0.9 * 0.75)
    bilou = TagScheme(("O", "B-Cell", "I-Cell", "L-Cell", "U-Cell"))
    probs = np.array([[0.1, 0.1, 0.1, 0.1, 0.6], [0.5, 0.1, 0.2, 0.1, 0.1]])
    [whole] = read_entities(np.array([4, 0]), np.log(probs), bilou)
    assert whole.score == pytest.approx(0.6)
    [cut] = read_entities(np.array([1, 0]), np.log(probs), bilou)
    assert cut.score == pytest.approx(0.1 * 0.7)


def test_label_may_hold_a_hyphen() -> None:
    assert TagScheme(("O", "B-cell-line", "I-cell-line")).labels == ("cell-line",)


# The tags of a network


def test_craft_labels_are_spelt_as_here_and_others_stay() -> None:
    assert read_tags(dict(enumerate(HUB_TAGS))).tags == tuple(tag.replace("GENE", "Gene") for tag in HUB_TAGS)
    upper = {i: tag[:2] + tag[2:].upper() for i, tag in enumerate(HUB_TAGS)}
    expected = ("Cell", "Chemical", "Gene", "Protein", "Sequence", "Taxon")
    assert read_tags(upper).labels == expected
    assert read_tags({0: "O", 1: "B-GENE", 2: "I-GENE"}).labels == ("GENE",)


def test_tags_are_in_the_order_of_the_ids() -> None:
    assert read_tags({2: "I-Cell", 0: "O", 1: "B-Cell"}).tags == ("O", "B-Cell", "I-Cell")


@pytest.mark.parametrize(
    ("id2label", "message"),
    [
        ({0: "LABEL_0", 1: "LABEL_1"}, r"labels have no names: LABEL_0, LABEL_1\. Name them in the id2label"),
        ({0: "O", 1: "B-<b>Cell"}, "tag 'B-<b>Cell' has characters other than letters, digits, space"),
        ({0: "NEGATIVE", 1: "POSITIVE"}, "tag 'NEGATIVE' is not of the BIO scheme"),
    ],
)
def test_invalid_tags_of_a_network_are_refused(id2label: dict[int, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_tags(id2label)


def test_one_default_name_is_enough_for_nameless_tags() -> None:
    assert has_tag_names({0: "O", 1: "B-LABEL_0"})
    assert not has_tag_names({0: "O", 1: "LABEL_12"})


def test_tags_of_labels_are_a_scheme_of_each_label_once() -> None:
    tags = make_tags(["Taxon", "Cell", "Taxon"])
    assert tags == ["B-Cell", "B-Taxon", "I-Cell", "I-Taxon", "O"]
    assert TagScheme(tuple(tags)).labels == ("Cell", "Taxon")


# Tag sequences


def test_entities_that_touch_are_written_apart() -> None:
    entities = [Entity(0, 2, "Cell"), Entity(2, 3, "Cell"), Entity(4, 6, "Gene")]
    assert write_tags(entities, 7, SCHEME).tolist() == [1, 2, 1, 0, 3, 4, 0]


def test_writing_an_unknown_label_is_refused() -> None:
    with pytest.raises(ValueError, match="label 'Taxon' is none of the model's: Cell, Gene"):
        write_tags([Entity(0, 1, "Taxon", 1.0)], 1, SCHEME)


def tags_of_words(nlp: Language, words: list[str], spaces: list[bool], iob: list[str]) -> list[str | None]:
    """The tags of the model's words by an annotation of these tokens; None where a tag is missing."""
    reference = Doc(nlp.vocab, words=words, spaces=spaces, ents=iob)
    pipe = get_craft_ner(nlp)
    scheme = pipe.scheme
    [scores] = pipe.model.predict([nlp.make_doc(reference.text)])
    tags = gold_tags(reference, scores.chars, scheme)
    return [None if tag < 0 else scheme.tags[tag] for tag in tags.tolist()]


def test_gold_that_ends_inside_a_word_is_missing(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    words, spaces = ["In", "mouse", "SirT1", "ko", "cells"], [True, True, False, True, False]
    tags = ["O", "B-Taxon", "B-Protein", "O", "B-Cell"]
    assert tags_of_words(nlp, words, spaces, tags) == ["O", "B-Taxon", None, "B-Cell"]
    whole = ["O", "B-Taxon", "B-Protein", "I-Protein", "B-Cell"]
    assert tags_of_words(nlp, words, spaces, whole) == ["O", "B-Taxon", "B-Protein", "B-Cell"]


def test_gold_without_annotation_is_missing(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    words, spaces = ["In", "mouse", "cells"], [True, True, False]
    assert tags_of_words(nlp, words, spaces, ["", "B-Taxon", "O"]) == [None, "B-Taxon", "O"]
    tags = gold_tags(nlp.make_doc("In mouse"), np.array([[0, 2], [3, 8]]), get_craft_ner(nlp).scheme)
    assert tags.tolist() == [-1, -1]


def test_a_gold_label_that_the_model_lacks_is_missing(tiny_model: Path) -> None:
    nlp = make_nlp(tiny_model)
    tags = tags_of_words(nlp, ["The", "mouse"], [True, False], ["O", "B-Disease"])
    assert tags == ["O", None]


def test_gold_labels_may_stand_for_others() -> None:
    doc = Doc(Vocab(), words=["Two", "axons"], ents=["O", "B-Axon"])
    names = {"Axon": "Cell"}
    tags = gold_tags(doc, np.array([[0, 3], [4, 9]]), SCHEME, names.get)
    assert tags.tolist() == [0, 1]
