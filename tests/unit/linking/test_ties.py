"""Which of tied concepts a document speaks for."""

from craftner_spacy.linking.candidates import Candidate
from craftner_spacy.linking.ties import break_ties


def tied(*taxa: str | None) -> list[Candidate]:
    """Tied candidates P:1, P:2 and so on, each of a species."""
    return [Candidate(f"P:{i}", "", 0.5, "exact", taxon, True) for i, taxon in enumerate(taxa, start=1)]


def sure(id_: str) -> list[Candidate]:
    """The one candidate of a mention."""
    return [Candidate(id_, "", 0.9, "exact")]


def best(linked: list[list[Candidate]], starts: list[int], prefer_taxa: tuple[str, ...] = ()) -> list[str]:
    return [candidates[0].id for candidates in break_ties(linked, starts, prefer_taxa)]


def test_what_the_document_stands_for_elsewhere_comes_first() -> None:
    linked = [sure("P:3"), sure("T:2"), tied("T:1", "T:2", "T:3"), []]
    broken = break_ties(linked, [9, 0, 5, 7], ["T:1"])
    assert [candidate.id for candidate in broken[2]] == ["P:3", "P:1", "P:2"]
    assert broken[3] == []
    assert broken[0] is linked[0]


def test_what_it_stands_for_most_often_comes_first() -> None:
    linked = [tied(None, None, None), sure("P:2"), sure("P:3"), sure("P:3")]
    assert best(linked, [0, 1, 2, 3])[0] == "P:3"
    # Of those that it stands for as often, the one that came first among the tied ones.
    assert best([tied(None, None, None), sure("P:3"), sure("P:2")], [0, 1, 2])[0] == "P:2"


def test_without_a_tie_nothing_moves() -> None:
    first, second = Candidate("P:1", "", 0.9, "exact", "T:1"), Candidate("P:2", "", 0.1, "exact", "T:2")
    linked = [[first, second], sure("T:2"), sure("P:2")]
    assert break_ties(linked, [0, 1, 2], ["T:2"]) == linked
    assert break_ties([], []) == []


def test_a_mention_beside_a_tie_keeps_its_order() -> None:
    first, second = Candidate("P:2", "", 0.9, "exact", "T:1"), Candidate("P:1", "", 0.1, "exact", "T:2")
    linked = [[first, second], tied("T:1", "T:2")]
    broken = break_ties(linked, [0, 1], ["T:1"])
    assert broken[0] is linked[0]
    assert [candidate.id for candidate in broken[1]] == ["P:2", "P:1"]


def test_only_tied_candidates_change_places() -> None:
    other = Candidate("P:9", "", 0.1, "exact", "T:9")
    [candidates, _] = break_ties([[*tied("T:1", "T:2"), other], sure("P:9")], [0, 1], ["T:9", "T:2"])
    assert [candidate.id for candidate in candidates] == ["P:2", "P:1", "P:9"]


def test_one_tied_candidate_is_no_tie() -> None:
    linked = [tied("T:1"), sure("T:2")]
    assert break_ties(linked, [0, 1]) == linked


def test_the_species_named_last_before_a_mention_decides() -> None:
    linked = [tied("T:1", "T:2", "T:3"), sure("T:3"), sure("T:2"), sure("T:1")]
    assert best(linked, [50, 10, 40, 60])[0] == "P:2"
    assert best(linked, [50, 40, 10, 60])[0] == "P:3"
    # The order of the mentions is not that of the text.
    assert best(linked[::-1], [60, 10, 40, 50])[-1] == "P:3"


def test_a_species_that_begins_where_the_mention_does_is_not_before_it() -> None:
    assert best([tied("T:1", "T:2"), sure("T:1"), sure("T:2")], [50, 10, 50])[0] == "P:1"


def test_the_species_named_first_after_a_mention_decides_where_none_is_before() -> None:
    linked = [tied("T:1", "T:2", "T:3"), sure("T:3"), sure("T:2")]
    assert best(linked, [0, 20, 10])[0] == "P:2"
    assert best(linked, [0, 10, 20])[0] == "P:3"


def test_of_two_concepts_of_the_species_the_first_one_is_taken() -> None:
    assert best([tied("T:1", "T:2", "T:2"), sure("T:2")], [5, 0])[0] == "P:2"


def test_species_without_candidates_do_not_count() -> None:
    assert (
        best([tied("T:1", "T:2", None), sure("T:9"), sure("T:2"), sure("T:8")], [50, 40, 10, 45])[0] == "P:2"
    )
    assert best([tied(None, "T:2"), sure("T:9")], [5, 0])[0] == "P:1"


def test_preferred_species_are_tried_in_their_order() -> None:
    assert best([tied("T:1", "T:2", "T:3")], [0], ("T:9", "T:3", "T:2")) == ["P:3"]
    assert best([tied("T:1", "T:2")], [0], ("T:9",)) == ["P:1"]
