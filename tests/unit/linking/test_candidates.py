"""Candidates of a mention, their order and their scores."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.candidates import (
    MATCHES,
    MAX_CANDIDATES,
    NAME_WEIGHT,
    PRECISION,
    Candidate,
    NameFinder,
    Weighed,
    score,
    weigh,
)
from craftner_spacy.linking.knowledge_base import MAX_ROWS, KnowledgeBase, NameMatch
from craftner_spacy.linking.schema import SCOPES, Concept, SeenMention

WEIGHED = st.builds(
    Weighed,
    id=st.sampled_from(["X:1", "X:2", "X:3"]),
    name=st.just("a"),
    taxon=st.none(),
    frequency=st.integers(0, 5),
    scope=st.integers(0, 5),
)


def test_every_rule_has_a_precision() -> None:
    assert list(PRECISION) == list(MATCHES)
    assert all(0 < precision < 1 for precision in PRECISION.values())


def test_find_puts_the_concept_that_was_seen_most_often_first(finder: NameFinder) -> None:
    assert finder.find("Cell", "fibre", "exact") == (
        Weighed("X:3", "muscle fibre type II", None, 3, 0),
        Weighed("X:1", "neuron", None, 1, 0),
    )


def test_find_asks_once(finder: NameFinder, kb_path: Path) -> None:
    found = finder.find("Cell", "neuron", "exact")
    finder.kb.close()
    finder.kb.path = kb_path.with_name("gone.sqlite")
    assert finder.find("Cell", "neuron", "exact") is found


@pytest.mark.parametrize(
    ("sources", "text", "kind", "ids"),
    [
        (["mentions"], "neurones", "exact", ["X:1"]),
        (["mentions"], "nerve cell", "exact", []),
        (["names"], "neurones", "exact", []),
        (["names"], "nerve cell", "exact", ["X:1"]),
        (["names"], "NCs", "exact", []),
        (["mentions", "names"], "NCs", "exact", ["X:1"]),
    ],
)
def test_sources(kb: KnowledgeBase, sources: list[str], text: str, kind: str, ids: list[str]) -> None:
    assert [found.id for found in NameFinder(kb, sources).find("Cell", text, kind)] == ids


def test_names_alone_do_not_count_mentions(tmp_path: Path) -> None:
    build(tmp_path / "kb", [("A", Concept("X:1", "one"))], [("A", SeenMention("one", "X:1", 7))])
    kb = KnowledgeBase(tmp_path / "kb")
    assert NameFinder(kb).find("A", "one", "exact")[0].frequency == 7
    assert NameFinder(kb, ["names"]).find("A", "one", "exact")[0].frequency == 0


@pytest.mark.parametrize("sources", [[], ["nothing"]])
def test_wrong_sources(kb: KnowledgeBase, sources: list[str]) -> None:
    with pytest.raises(ValueError, match=r"sources = \[.*\]: allowed are mentions, names"):
        NameFinder(kb, sources)


def test_a_finder_goes_to_other_processes(kb: KnowledgeBase) -> None:
    finder = pickle.loads(pickle.dumps(NameFinder(kb, ["names"])))
    assert finder.sources == {"names"}
    assert finder.find("Cell", "nerve cell", "exact")


def test_weigh_takes_the_best_scope() -> None:
    names = [NameMatch("X:1", "a", None, "b", scope, 0, "exact") for scope in reversed(SCOPES)]
    assert weigh(names) == (Weighed("X:1", "a", None, 0, 0),)
    assert weigh([]) == ()


def test_score_of_one_concept_is_the_rules_precision() -> None:
    [candidate] = score([Weighed("X:1", "a", "T:1", 0, 3)], "loose")
    assert candidate == Candidate("X:1", "a", PRECISION["loose"], "loose", "T:1", False)


def test_what_was_never_seen_weighs_little() -> None:
    seen, unseen = score([Weighed("X:1", "a", None, 1, 0), Weighed("X:2", "b", None, 0, 1)], "exact")
    assert unseen.score == pytest.approx(seen.score * NAME_WEIGHT)
    assert not seen.is_tied


def test_ties_are_those_of_frequency_and_scope() -> None:
    found = [Weighed(f"X:{i}", "", None, 2, scope) for i, scope in enumerate([1, 1, 2])]
    assert [candidate.is_tied for candidate in score(found, "exact")] == [True, True, False]


@given(st.lists(WEIGHED, max_size=8), st.sampled_from(MATCHES))
def test_scores_are_shares_of_the_precision(found: list[Weighed], match: str) -> None:
    found = sorted(found, key=lambda w: (-w.frequency, w.scope, w.id))
    scores = [candidate.score for candidate in score(found, match)]
    assert all(0 < value <= PRECISION[match] for value in scores)
    if found:
        assert sum(scores) == pytest.approx(PRECISION[match])
        assert sum(candidate.is_tied for candidate in score(found, match)) != 1


def test_a_thousand_candidates(tmp_path: Path) -> None:
    concepts = [("A", Concept(f"X:{i:05}", "same")) for i in range(MAX_ROWS + 500)]
    build(tmp_path / "kb", concepts, [("A", SeenMention("same", "X:02400", 2))])
    found = NameFinder(KnowledgeBase(tmp_path / "kb")).find("A", "same", "exact")
    assert len(found) == MAX_CANDIDATES
    assert found[0].id == "X:02400"
