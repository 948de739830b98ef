"""From scores to tags and entities, against counting out all rows of tags."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.decoding import (
    TagScheme,
    WordEntity,
    _search_runs,
    best_tags,
    log_softmax,
    read_entities,
    write_tags,
)

SCHEME = TagScheme(("O", "B-Cell", "I-Cell", "B-Gene", "I-Gene"))
SCORES = st.integers(min_value=-40, max_value=40).map(lambda n: n / 8)


@st.composite
def logits(draw: st.DrawFn, max_words: int = 4) -> np.ndarray:
    n_words = draw(st.integers(1, max_words))
    row = st.lists(SCORES, min_size=5, max_size=5)
    return np.array(draw(st.lists(row, min_size=n_words, max_size=n_words)))


@st.composite
def entities(draw: st.DrawFn) -> tuple[list[WordEntity], int]:
    found, position = [], 0
    for gap, length, label in draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(["Cell", "Gene"])), max_size=6
        )
    ):
        found.append(WordEntity(position + gap, position + gap + length, label, 1.0))
        position += gap + length
    return found, position + draw(st.integers(0, 2))


def is_allowed(row: tuple[str, ...]) -> bool:
    return all(
        not tag.startswith("I-") or before[2:] == tag[2:]
        for before, tag in zip(("O", *row[:-1]), row, strict=True)
    )


@given(logits())
def test_best_tags_are_the_best_of_all_allowed(scores: np.ndarray) -> None:
    log_probs = log_softmax(scores)
    rows = [
        row for row in product(range(5), repeat=len(scores)) if is_allowed(tuple(SCHEME.tags[i] for i in row))
    ]
    sums = [sum(log_probs[i, tag] for i, tag in enumerate(row)) for row in rows]
    tags = tuple(best_tags(log_probs, SCHEME).tolist())
    assert tags in rows
    assert sums[rows.index(tags)] == pytest.approx(max(sums))


@given(logits(max_words=24))
def test_runs_searched_alone_are_as_good_as_the_whole_row(scores: np.ndarray) -> None:
    log_probs = log_softmax(scores)
    words = np.arange(len(scores))
    tags, whole = best_tags(log_probs, SCHEME), np.zeros(len(scores), dtype=np.int64)
    _search_runs(log_probs, words[:1], words[-1:] + 1, SCHEME, whole)
    assert is_allowed(tuple(SCHEME.tags[i] for i in tags))
    assert log_probs[words, tags].sum() == pytest.approx(log_probs[words, whole].sum())


def test_a_run_that_goes_on_with_an_entity_is_searched_with_the_one_before() -> None:
    # Likeliest are O, B-Cell, I-Gene: the best allowed row goes over both borders.
    probs = [[0.45, 0.01, 0.01, 0.44, 0.09], [0.01, 0.4, 0.1, 0.1, 0.39], [0.01, 0.01, 0.01, 0.01, 0.96]]
    tags = [SCHEME.tags[i] for i in best_tags(np.log(probs), SCHEME)]
    assert tags == ["B-Gene", "I-Gene", "I-Gene"]


def test_what_a_run_was_joined_to_is_searched_again_where_it_is_joined_to_more() -> None:
    # The second run would go on with the first one's entity, until the third has it begin with B-Cell.
    probs = [
        [0.17, 0.22, 0.20, 0.21, 0.20],
        [0.03, 0.32, 0.20, 0.17, 0.28],
        [0.14, 0.21, 0.25, 0.08, 0.32],
        [0.36, 0.11, 0.21, 0.12, 0.20],
        [0.08, 0.05, 0.58, 0.13, 0.16],
    ]
    tags = [SCHEME.tags[i] for i in best_tags(np.log(probs), SCHEME)]
    assert tags == ["B-Cell", "B-Cell", "I-Cell", "I-Cell", "I-Cell"]


def test_two_runs_searched_together_begin_with_no_inside_where_the_text_begins() -> None:
    # As above, but I-Gene is likelier at the first word than B-Gene.
    probs = [[0.36, 0.01, 0.01, 0.3, 0.32], [0.01, 0.4, 0.1, 0.1, 0.39], [0.01, 0.01, 0.01, 0.01, 0.96]]
    tags = [SCHEME.tags[i] for i in best_tags(np.log(probs), SCHEME)]
    assert tags == ["B-Gene", "I-Gene", "I-Gene"]


def test_an_entity_cannot_begin_inside_or_change_its_label() -> None:
    log_probs = np.log([[0.3, 0.1, 0.4, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1, 0.6]])
    assert [SCHEME.tags[i] for i in best_tags(log_probs, SCHEME)] == ["B-Gene", "I-Gene"]


def test_no_words() -> None:
    none = np.zeros((0, 5))
    tags = best_tags(none, SCHEME)
    assert tags.tolist() == []
    assert read_entities(tags, none, SCHEME) == []


@given(logits())
def test_log_softmax_sums_to_one_and_bears_large_scores(scores: np.ndarray) -> None:
    assert np.exp(log_softmax(scores)).sum(axis=1) == pytest.approx(np.ones(len(scores)))
    np.testing.assert_allclose(log_softmax(scores + 1e4), log_softmax(scores), atol=1e-6)


def test_the_probabilities_of_a_word_are_the_same_whatever_the_others_scores() -> None:
    # In one row with a word of far higher scores, all of the second word's would be rounded to nothing.
    log_probs = log_softmax(np.array([[5000.0, 4999.0], [-5000.0, -5001.0], [0.0, 0.0]]))
    yes, no = -np.log1p(np.exp(-1)), -np.log1p(np.exp(1))
    np.testing.assert_allclose(log_probs, [[yes, no], [yes, no], [-np.log(2), -np.log(2)]])


@given(entities())
def test_writing_and_reading_are_inverse(drawn: tuple[list[WordEntity], int]) -> None:
    found, n_words = drawn
    tags = write_tags(found, n_words, SCHEME)
    assert len(tags) == n_words
    log_probs = np.full((n_words, 5), -np.inf)
    log_probs[np.arange(n_words), tags] = 0.0
    assert read_entities(tags, log_probs, SCHEME) == found
    assert best_tags(log_probs, SCHEME).tolist() == tags.tolist()


@given(logits(max_words=8))
def test_scores_are_probabilities_and_entities_are_apart(scores: np.ndarray) -> None:
    log_probs = log_softmax(scores)
    found = read_entities(best_tags(log_probs, SCHEME), log_probs, SCHEME)
    assert all(0.0 <= entity.score <= 1.0 for entity in found)
    assert all(entity.start < entity.end <= len(scores) for entity in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_adjacent_entities_stay_apart() -> None:
    probs = np.array([[0.1, 0.8, 0.1, 0, 0], [0.1, 0.6, 0.3, 0, 0], [0, 0.1, 0.4, 0.5, 0]])
    with np.errstate(divide="ignore"):
        found = read_entities(np.array([1, 1, 3]), np.log(probs), SCHEME)
    assert [entity[:3] for entity in found] == [(0, 1, "Cell"), (1, 2, "Cell"), (2, 3, "Gene")]
    # Each: its own tag's probability, times that of not going on at the next word.
    assert [entity.score for entity in found] == pytest.approx([0.8 * 0.7, 0.6 * 0.6, 0.5])


def test_a_score_does_not_fade_where_a_long_document_goes_on() -> None:
    # Over 200,000 words the summed log-probabilities need more digits than the model's float32 has.
    word = [0.2, 0.1, 0.3, 0.3, 0.1]
    log_probs = np.log(np.array([word] * 200_000, dtype=np.float32))
    tags = np.zeros(200_000, dtype=np.int64)
    tags[[0, -2]] = 1
    first, last = read_entities(tags, log_probs, SCHEME)
    assert (first.start, last.start) == (0, 199_998)
    assert first.score == pytest.approx(0.1 * 0.7, rel=1e-5)
    assert last.score == pytest.approx(first.score, rel=1e-5)


def test_rounding_takes_no_score_out_of_its_range() -> None:
    certain = 1e-6  # a log-probability that rounding has put above 0
    log_probs = np.array([[-20.0, certain, -20.0, -20.0, -20.0], [-20.0, -20.0, certain, -20.0, -20.0]])
    assert [entity.score for entity in read_entities(np.array([1]), log_probs[:1], SCHEME)] == [1.0]
    assert [entity.score for entity in read_entities(np.array([1, 0]), log_probs, SCHEME)] == [0.0]


def test_label_without_inside_tag_has_entities_of_one_word() -> None:
    scheme = TagScheme(("O", "B-Cell"))
    tags = write_tags([WordEntity(1, 2, "Cell", 1.0), WordEntity(2, 3, "Cell", 1.0)], 3, scheme)
    assert tags.tolist() == [0, 1, 1]
    found = read_entities(tags, np.log(np.full((3, 2), 0.5)), scheme)
    assert [entity[:3] for entity in found] == [(1, 2, "Cell"), (2, 3, "Cell")]
    assert [entity.score for entity in found] == pytest.approx([0.5, 0.5])


def test_writing_an_unknown_label_is_refused() -> None:
    with pytest.raises(ValueError, match="label 'Taxon' is none of the model's: Cell, Gene"):
        write_tags([WordEntity(0, 1, "Taxon", 1.0)], 1, SCHEME)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (("O", "Cell"), "tag 'Cell' is not of the BIO scheme"),
        (("O", "B-"), "tag 'B-' is not of the BIO scheme"),
        (("O", "S-Cell"), "tag 'S-Cell' is not of the BIO scheme"),
        (("O", "B-Cell", "B-Cell"), "a tag stands twice"),
        (("B-Cell", "I-Cell"), "the tag 'O' is missing"),
        (("O", "B-Cell", "I-Gene"), "tag 'I-Gene' has no 'B-Gene'"),
    ],
)
def test_wrong_schemes_are_refused(tags: tuple[str, ...], message: str) -> None:
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


def test_label_may_hold_a_hyphen() -> None:
    assert TagScheme(("O", "B-cell-line", "I-cell-line")).labels == ("cell-line",)
