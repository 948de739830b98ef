"""From scores to tags and entities, compared with a search through all tag sequences."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.decoding import _search_runs, best_tags, find_entities, log_softmax, read_entities
from craftner_spacy.tags import TagScheme, write_tags
from craftner_spacy.types import Entity, Floats, Ints

SCHEME = TagScheme(("O", "B-Cell", "I-Cell", "B-Gene", "I-Gene"))
SCORES = st.integers(min_value=-40, max_value=40).map(lambda n: n / 8)


@st.composite
def logits(draw: st.DrawFn, max_words: int = 4) -> np.ndarray:
    n_words = draw(st.integers(1, max_words))
    row = st.lists(SCORES, min_size=5, max_size=5)
    return np.array(draw(st.lists(row, min_size=n_words, max_size=n_words)))


@st.composite
def entities_over_words(draw: st.DrawFn) -> tuple[list[Entity], int]:
    """Entities without overlap, and the number of words."""
    entities, position = [], 0
    for gap, length, label in draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(["Cell", "Gene"])), max_size=6
        )
    ):
        entities.append(Entity(position + gap, position + gap + length, label, 1.0))
        position += gap + length
    return entities, position + draw(st.integers(0, 2))


def is_allowed(tags: tuple[str, ...]) -> bool:
    return all(
        not tag.startswith("I-") or before[2:] == tag[2:]
        for before, tag in zip(("O", *tags[:-1]), tags, strict=True)
    )


@given(logits())
def test_best_tags_are_the_best_of_all_allowed(scores: np.ndarray) -> None:
    log_probs = log_softmax(scores)
    sequences = [
        sequence
        for sequence in product(range(5), repeat=len(scores))
        if is_allowed(tuple(SCHEME.tags[i] for i in sequence))
    ]
    sums = [sum(log_probs[i, tag] for i, tag in enumerate(sequence)) for sequence in sequences]
    tags = tuple(best_tags(log_probs, SCHEME).tolist())
    assert tags in sequences
    assert sums[sequences.index(tags)] == pytest.approx(max(sums))


@given(logits(max_words=24))
def test_runs_searched_alone_are_as_good_as_one_search(scores: np.ndarray) -> None:
    log_probs = log_softmax(scores)
    words = np.arange(len(scores))
    tags, whole = best_tags(log_probs, SCHEME), np.zeros(len(scores), dtype=np.int64)
    _search_runs(log_probs, words[:1], words[-1:] + 1, SCHEME, whole)
    assert is_allowed(tuple(SCHEME.tags[i] for i in tags))
    assert log_probs[words, tags].sum() == pytest.approx(log_probs[words, whole].sum())


def test_a_run_that_begins_inside_an_entity_is_searched_with_the_one_before() -> None:
    # The most probable tags are O, B-Cell, I-Gene: the best allowed sequence crosses both borders.
    probs = [[0.45, 0.01, 0.01, 0.44, 0.09], [0.01, 0.4, 0.1, 0.1, 0.39], [0.01, 0.01, 0.01, 0.01, 0.96]]
    tags = [SCHEME.tags[i] for i in best_tags(np.log(probs), SCHEME)]
    assert tags == ["B-Gene", "I-Gene", "I-Gene"]


def test_a_joined_run_is_searched_again_after_the_next_join() -> None:
    # The second run continues the first one's entity, until the third run makes it begin with B-Cell.
    probs = [
        [0.17, 0.22, 0.20, 0.21, 0.20],
        [0.03, 0.32, 0.20, 0.17, 0.28],
        [0.14, 0.21, 0.25, 0.08, 0.32],
        [0.36, 0.11, 0.21, 0.12, 0.20],
        [0.08, 0.05, 0.58, 0.13, 0.16],
    ]
    tags = [SCHEME.tags[i] for i in best_tags(np.log(probs), SCHEME)]
    assert tags == ["B-Cell", "B-Cell", "I-Cell", "I-Cell", "I-Cell"]


@pytest.mark.parametrize("n_words", [2, 3, 500, 4000])
def test_runs_that_all_have_to_be_joined_take_linear_time(
    n_words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each word alone is B-Cell, and I-Gene with the next; the last one is I-Gene.
    words = [[0.10, 0.40, 0.01, 0.10, 0.39]] * (n_words - 1) + [[0.01, 0.01, 0.01, 0.01, 0.96]]
    searched: list[int] = []

    def search(log_probs: Floats, starts: Ints, ends: Ints, scheme: TagScheme, tags: Ints) -> None:
        searched.append(int((ends - starts).sum()))
        _search_runs(log_probs, starts, ends, scheme, tags)

    monkeypatch.setattr("craftner_spacy.decoding._search_runs", search)
    tags = [SCHEME.tags[i] for i in best_tags(np.log(words), SCHEME)]
    assert tags == [*["B-Cell"] * (n_words - 2), "B-Gene", "I-Gene"]
    assert sum(searched) <= 4 * n_words


def test_joined_runs_do_not_begin_a_document_with_an_inside_tag() -> None:
    # As above, but I-Gene is more probable than B-Gene at the first word.
    probs = [[0.36, 0.01, 0.01, 0.3, 0.32], [0.01, 0.4, 0.1, 0.1, 0.39], [0.01, 0.01, 0.01, 0.01, 0.96]]
    tags = [SCHEME.tags[i] for i in best_tags(np.log(probs), SCHEME)]
    assert tags == ["B-Gene", "I-Gene", "I-Gene"]


def test_an_entity_cannot_begin_inside_or_change_its_label() -> None:
    log_probs = np.log([[0.3, 0.1, 0.4, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1, 0.6]])
    assert [SCHEME.tags[i] for i in best_tags(log_probs, SCHEME)] == ["B-Gene", "I-Gene"]


def test_no_words() -> None:
    no_scores = np.zeros((0, 5))
    tags = best_tags(no_scores, SCHEME)
    assert tags.tolist() == []
    assert read_entities(tags, no_scores, SCHEME) == []


@given(logits())
def test_log_softmax_sums_to_one_and_does_not_overflow(scores: np.ndarray) -> None:
    assert np.exp(log_softmax(scores)).sum(axis=1) == pytest.approx(np.ones(len(scores)))
    np.testing.assert_allclose(log_softmax(scores + 1e4), log_softmax(scores), atol=1e-6)


def test_the_probabilities_of_a_word_do_not_depend_on_other_words() -> None:
    # With one maximum for all words, the exponentials of the second word would all be zero.
    log_probs = log_softmax(np.array([[5000.0, 4999.0], [-5000.0, -5001.0], [0.0, 0.0]]))
    yes, no = -np.log1p(np.exp(-1)), -np.log1p(np.exp(1))
    np.testing.assert_allclose(log_probs, [[yes, no], [yes, no], [-np.log(2), -np.log(2)]])


@given(entities_over_words())
def test_writing_and_reading_are_inverse(drawn: tuple[list[Entity], int]) -> None:
    entities, n_words = drawn
    tags = write_tags(entities, n_words, SCHEME)
    assert len(tags) == n_words
    log_probs = np.full((n_words, 5), -np.inf)
    log_probs[np.arange(n_words), tags] = 0.0
    assert read_entities(tags, log_probs, SCHEME) == entities
    assert best_tags(log_probs, SCHEME).tolist() == tags.tolist()


@given(logits(max_words=8))
def test_scores_are_probabilities_and_entities_do_not_overlap(scores: np.ndarray) -> None:
    log_probs = log_softmax(scores)
    entities = read_entities(best_tags(log_probs, SCHEME), log_probs, SCHEME)
    assert all(entity.score is not None and 0.0 <= entity.score <= 1.0 for entity in entities)
    assert all(entity.start < entity.end <= len(scores) for entity in entities)
    assert all(a.end <= b.start for a, b in pairwise(entities))


def test_adjacent_entities_stay_apart() -> None:
    probs = np.array([[0.1, 0.8, 0.1, 0, 0], [0.1, 0.6, 0.3, 0, 0], [0, 0.1, 0.4, 0.5, 0]])
    with np.errstate(divide="ignore"):
        entities = read_entities(np.array([1, 1, 3]), np.log(probs), SCHEME)
    assert [entity[:3] for entity in entities] == [(0, 1, "Cell"), (1, 2, "Cell"), (2, 3, "Gene")]
    # Each: the probability of its own tag, times that of no continuation at the next word.
    assert [entity.score for entity in entities] == pytest.approx([0.8 * 0.7, 0.6 * 0.6, 0.5])


def test_scores_keep_their_digits_in_a_long_document() -> None:
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
    tags = write_tags([Entity(1, 2, "Cell", 1.0), Entity(2, 3, "Cell", 1.0)], 3, scheme)
    assert tags.tolist() == [0, 1, 1]
    entities = read_entities(tags, np.log(np.full((3, 2), 0.5)), scheme)
    assert [entity[:3] for entity in entities] == [(1, 2, "Cell"), (2, 3, "Cell")]
    assert [entity.score for entity in entities] == pytest.approx([0.5, 0.5])


def test_entities_of_a_document_end_with_their_run() -> None:
    chars = np.array([[0, 5], [6, 9], [10, 14], [15, 20]])
    # Cell, Gene, and two words that continue a Gene.
    logits = np.eye(5)[[1, 3, 4, 4]] * 8
    score = np.exp(log_softmax(logits)[0, 1])
    found = find_entities(chars, np.array([0]), logits, SCHEME)
    assert [(e.start, e.end, e.label) for e in found] == [(0, 5, "Cell"), (6, 20, "Gene")]
    assert found[0].score == pytest.approx(score, abs=1e-3)
    # A word that continues nothing begins an entity, or is none: another run begins with it.
    found = find_entities(chars, np.array([0, 2]), logits, SCHEME)
    words = read_entities(best_tags(log_softmax(logits[2:]), SCHEME), log_softmax(logits[2:]), SCHEME)
    assert [(e.start, e.end, e.label) for e in found[:2]] == [(0, 5, "Cell"), (6, 9, "Gene")]
    assert [(e.start, e.end) for e in found[2:]] == [
        (chars[word.start + 2, 0], chars[word.end + 1, 1]) for word in words
    ]
    assert all(type(edge) is int for e in found for edge in e[:2])
