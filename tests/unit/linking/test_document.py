"""The concepts of a document's mentions."""

from pathlib import Path

import pytest
from growth import growth
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.candidates import MATCHES, PRECISION, Candidate, NameFinder
from craftner_spacy.linking.document import Mention, is_initial_of, link_document
from craftner_spacy.linking.knowledge_base import KnowledgeBase
from craftner_spacy.linking.names import MAX_NAME
from craftner_spacy.linking.schema import Concept


def link(text: str, mentions: list[tuple[str, str]], finder: NameFinder, **settings: object) -> list:
    """Id and rule of the best candidate of each mention, given by its words and label."""
    placed = [Mention(words, label, max(0, text.find(words))) for words, label in mentions]
    linked = link_document(text, placed, finder, **settings)  # type: ignore[arg-type]
    return [(best[0].id, best[0].match) if best else None for best in linked]


@pytest.mark.parametrize(
    ("text", "mention", "found"),
    [
        ("Two neurons.", ("neurons", "Cell"), ("X:1", "exact")),
        ("Two neurons.", ("neurons", "Taxon"), None),
        ("Two neurons.", ("neurons", "Planet"), None),
        ("muscle cells (MC).", ("MC", "Cell"), None),
        ("trophoblast giant cells (TGCs). A TGC.", ("TGC", "Cell"), ("X:2", "abbreviation")),
        ("neuronal cells (NCs).", ("neuronal cells", "Cell"), ("X:1", "short form")),
        ("Type 2 muscle fibers.", ("Type 2 muscle fibers", "Cell"), ("X:3", "words")),
        ("In the brain.", ("brain", "Cell"), ("X:1", "loose")),
        ("Nothing.", ("Nothing", "Cell"), None),
        ("", ("", "Cell"), None),
    ],
)
def test_rules_by_names(
    text: str, mention: tuple[str, str], found: tuple[str, str] | None, finder: NameFinder
) -> None:
    assert link(text, [mention], finder) == [found]


def test_initials_of_a_name_that_the_document_has(finder: NameFinder) -> None:
    mentions = [("R. norvegicus", "Taxon"), ("Rattus norvegicus", "Taxon"), ("R. rattus", "Taxon")]
    assert link("Rattus norvegicus, R. norvegicus, R. rattus", mentions, finder) == [
        ("T:2", "initial"),
        ("T:2", "exact"),
        None,
    ]
    assert link("R. norvegicus", mentions[:1], finder) == [None]
    assert link("x", [("R. norvegicus", "Taxon"), ("Rattus norvegicus", "Cell")], finder)[0] is None


def test_a_longer_form_that_the_document_has(finder: NameFinder) -> None:
    long, short = ("trophoblast giant cells", "Cell"), ("giant cells", "Cell")
    assert link("x", [short, long], finder) == [("X:2", "longer form"), ("X:2", "exact")]
    assert link("x", [short], finder) == [None]


def test_longer_forms_of_two_concepts_say_nothing(tmp_path: Path) -> None:
    concepts = [("A", Concept("X:1", "red round thing")), ("A", Concept("X:2", "blue round thing"))]
    build(tmp_path / "kb", concepts)
    finder = NameFinder(KnowledgeBase(tmp_path / "kb"))
    mentions = [("round thing", "A"), ("red round thing", "A"), ("blue round thing", "A")]
    assert link("x", mentions, finder)[0] is None
    assert link("x", mentions[:2], finder)[0] == ("X:1", "longer form")


@pytest.mark.parametrize("rule", MATCHES)
def test_a_rule_can_be_left_out(rule: str, finder: NameFinder) -> None:
    text = "neuronal cells (NCs); trophoblast giant cells (TGCs); Rattus norvegicus"
    mentions = [
        ("neurons", "Cell"),
        ("TGCs", "Cell"),
        ("neuronal cells", "Cell"),
        ("Type 2 muscle fibers", "Cell"),
        ("brain", "Cell"),
        ("R. norvegicus", "Taxon"),
        ("giant cells", "Cell"),
        ("Rattus norvegicus", "Taxon"),
        ("trophoblast giant cells", "Cell"),
    ]
    whole = link(text, mentions, finder)
    assert [best[1] for best in whole if best][:7] == list(MATCHES)
    without = link(text, mentions, finder, rules=[other for other in MATCHES if other != rule])
    number = MATCHES.index(rule)
    assert without[number] is None or without[number][1] != rule


def test_a_long_form_is_looked_up_by_the_rules_that_are_used(finder: NameFinder) -> None:
    text, mention = "brains of rats (BRs)", [("BRs", "Cell"), ("brain", "Cell")]
    assert link("the brain region (BR)", [("BR", "Cell")], finder) == [("X:1", "abbreviation")]
    rules = [rule for rule in MATCHES if rule != "loose"]
    assert link("the brain region (BR)", [("BR", "Cell")], finder, rules=rules) == [None]
    assert link(text, mention, finder, rules=rules) == [None, None]


def test_other_mentions_give_their_species(tmp_path: Path) -> None:
    build(tmp_path / "kb", [("A", Concept("X:1", "red round thing", (), (), "T:1"))])
    finder = NameFinder(KnowledgeBase(tmp_path / "kb"))
    mentions = [Mention("round thing", "A", 0), Mention("red round thing", "A", 20)]
    assert [[best.taxon for best in found] for found in link_document("x", mentions, finder)] == [["T:1"]] * 2


def test_scores_of_rules_that_look_at_other_mentions(finder: NameFinder) -> None:
    mentions = [Mention("giant cells", "Cell", 0), Mention("trophoblast giant cells", "Cell", 0)]
    [[best], _] = link_document("x", mentions, finder)
    assert best == Candidate("X:2", "giant cell of trophoblast", PRECISION["longer form"], "longer form")


def test_the_species_named_last_before_a_mention(finder: NameFinder) -> None:
    text = "Pax6 of the house mouse is not the Pax6 of the brown rat, nor Pax6 that follows."
    places = [(i, "Pax6", "Protein") for i in range(len(text)) if text.startswith("Pax6", i)]
    species = [(text.index(name), name, "Taxon") for name in ("house mouse", "brown rat")]
    mentions = [Mention(words, label, start) for start, words, label in sorted(places + species)]
    best = [candidates[0].id for candidates in link_document(text, mentions, finder)]
    assert best == ["P:1", "T:1", "P:1", "T:2", "P:2"]


def test_preferred_species_where_the_document_names_none(finder: NameFinder) -> None:
    pax6 = [Mention("Pax6", "Protein", 0)]
    assert link_document("Pax6", pax6, finder)[0][0].id == "P:1"
    [candidates] = link_document("Pax6", pax6, finder, prefer_taxa=["T:9", "T:2"])
    assert [candidate.id for candidate in candidates] == ["P:2", "P:1"]


@pytest.mark.parametrize(
    ("initial", "rest", "name", "is_one"),
    [
        ("R", "norvegicus", "Rattus norvegicus", True),
        ("Ra", "NORVEGICUS", "Rattus norvegicus", True),
        ("R", "norvegicus", "Ra norvegicus", False),
        ("R", "norvegicus", "Rat norvegicus", True),
        ("S", "norvegicus", "Rattus norvegicus", False),
        ("R", "", "Rattus", True),
    ],
)
def test_is_initial_of(initial: str, rest: str, name: str, is_one: bool) -> None:
    assert is_initial_of(initial, rest, name) is is_one


WORDS = st.sampled_from(
    "neuron neurons giant cells of trophoblast R. Rattus norvegicus (NC) Pax6 + α".split()
)


@given(st.lists(WORDS, max_size=12), st.lists(st.lists(WORDS, max_size=3), max_size=6))
def test_any_document(kb_path: Path, words: list[str], mentions: list[list[str]]) -> None:
    finder = NameFinder(KnowledgeBase(kb_path))
    placed = [Mention(" ".join(m), label, 0) for m in mentions for label in ("Cell", "Taxon")]
    linked = link_document(" ".join(words), placed, finder)
    assert len(linked) == len(placed)
    for candidates in linked:
        assert all(0 < candidate.score < 1 for candidate in candidates)
        assert len({candidate.id for candidate in candidates}) == len(candidates)


def test_a_mention_of_10_kb(finder: NameFinder) -> None:
    text = "neurons " * 1250
    assert link(text, [(text, "Cell"), ("neurons", "Cell")], finder) == [None, ("X:1", "exact")]
    assert link("x", [("a" * (MAX_NAME + 1), "Cell")], finder) == [None]
    longest = "neurons".ljust(MAX_NAME)
    assert link("x", [(longest, "Cell"), (longest + " ", "Cell")], finder) == [("X:1", "exact"), None]
    longest = "giant cells".ljust(MAX_NAME)
    mentions = [(longest, "Cell"), (longest + " ", "Cell"), ("trophoblast giant cells", "Cell")]
    assert link("x", mentions, finder)[:2] == [("X:2", "longer form"), None]


def test_in_a_document_with_too_many_mentions_no_longer_form_is_looked_for(
    finder: NameFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("craftner_spacy.linking.document.MAX_LONGER", 3)
    linked = [("trophoblast giant cells", "Cell"), ("neurons", "Cell"), ("fibres", "Cell"), ("brain", "Cell")]
    taxa = [("brown rat", "Taxon")] * 4
    assert link("x", [("giant cells", "Cell"), *linked[:3], *taxa], finder)[0] == ("X:2", "longer form")
    assert link("x", [("giant cells", "Cell"), *linked], finder)[0] is None


def test_the_time_for_many_distinct_mentions_is_linear(
    finder: NameFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("craftner_spacy.linking.document.MAX_LONGER", 20)

    def link_many(n: int) -> None:
        mentions = [(f"thing number {i}", "Cell") for i in range(n)]
        link("x", mentions + [(f"neurons {'of ' * i}", "Cell") for i in range(n)], finder)

    link_many(8 * 50)  # the finder and the keys remember what they were asked
    assert growth(link_many, 50, 8 * 50) < 24
