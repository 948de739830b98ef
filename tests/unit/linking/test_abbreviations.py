"""Abbreviations by the algorithm of Schwartz and Hearst."""

import pytest
from growth import growth
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.linking.abbreviations import expand, find_abbreviations, find_long_form, is_short_form


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cells of the heat shock factor (HSF).", {"HSF": "heat shock factor"}),
        ("Alveolar epithelial cells (AECs) grow", {"AECs": "Alveolar epithelial cells"}),
        ("treated with ENU (N-ethyl-N-nitrosourea)", {"ENU": "N-ethyl-N-nitrosourea"}),
        ("of the outer root sheath [ORS]", {"ORS": "outer root sheath"}),
        ("two forms (first form, FF) here", {}),
        ("the mice (Mus musculus) here", {}),
        ("hs (Homo sapiens) and mm (Mus musculus)", {"hs": "Homo sapiens", "mm": "Mus musculus"}),
        ("a growth factor (GF, a protein) that", {"GF": "growth factor"}),
        ("a growth factor (GF; see below) that", {"GF": "growth factor"}),
        ("A growth hormone. Good factor (GF)", {"GF": "Good factor"}),
        ("growth\nfactor (GF)", {}),
        ("gene family (GF) and growth factor (GF)", {"GF": "gene family"}),
        ("in GF (2002) and at once (n = 3)", {}),
        ("(GF) alone", {}),
        ("", {}),
        ("()", {}),
    ],
)
def test_find_abbreviations(text: str, found: dict[str, str]) -> None:
    assert find_abbreviations(text) == found


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("GF", True),
        ("D2R", True),
        ("ab cd", True),
        ("ABCDEFGHIJ", True),
        ("G", False),
        ("ABCDEFGHIJK", False),
        ("a b c", False),
        ("12", False),
        ("-GF", False),
        ("", False),
    ],
)
def test_is_short_form(text: str, is_one: bool) -> None:
    assert is_short_form(text) is is_one


def test_the_first_letter_begins_a_word() -> None:
    assert find_long_form("gf", "the big growth of factors") == "growth of factors"
    assert find_long_form("gf", "biggest factor") is None


def test_a_long_form_is_longer_and_does_not_hold_the_short_one() -> None:
    assert find_long_form("GFR", "GFR") is None
    assert find_long_form("GF", "great GF factor") is None


@pytest.mark.parametrize(("short", "n_words"), [("GF", 4), ("GFX", 6), ("GabcdF", 11)])
def test_a_long_form_has_so_many_words_at_most(short: str, n_words: int) -> None:
    first, *others = short
    words = [f"{first}o", *["on"] * (n_words - len(short)), *(f"{letter}ar" for letter in others)]
    for text in (f"in {' '.join(words)} ({short})", f"we saw {short} ({' '.join(words)}) here"):
        assert find_abbreviations(text) == {short: " ".join(words)}
    words.insert(1, "up")
    for text in (f"in {' '.join(words)} ({short})", f"we saw {short} ({' '.join(words)}) here"):
        assert find_abbreviations(text) == {}


def test_a_word_that_is_no_short_form_has_no_long_form_behind_it() -> None:
    assert find_abbreviations("of g (go far) and growthfactors (growth of factors or s)") == {}


def test_the_first_letter_of_the_text_is_looked_at() -> None:
    assert find_long_form("gf", "og factor") is None
    assert find_long_form("oa", "of all factors") == "of all factors"


def test_expand() -> None:
    abbreviations = {"AEC": "alveolar epithelial cell", "NC": "nerve cell"}
    assert expand("type I AECs", abbreviations) == "type I alveolar epithelial cell"
    assert expand("AEC and NC", abbreviations) == "alveolar epithelial cell and nerve cell"
    assert expand("AEC", {"AEC": "x"}) == "x"
    assert expand("cells", abbreviations) is None
    assert expand("", abbreviations) is None


@given(st.text(alphabet="abAB ()[];,.\n12", max_size=80))
def test_what_is_found_stands_in_the_text(text: str) -> None:
    for short, long in find_abbreviations(text).items():
        assert short in text
        assert long in text
        assert is_short_form(short)
        assert len(long) > len(short)


@pytest.mark.parametrize(
    ("text", "n"),
    [("(", 10_000), ("(a)", 250), ("a ", 10_000), ("ab (", 1_000), ("a (AA) ", 200), ("a", 100_000)],
)
def test_the_time_for_hostile_text_is_linear(text: str, n: int) -> None:
    small, large = (f"({text * size}) {text * size} (AA)" for size in (n, 8 * n))
    assert growth(find_abbreviations, small, large) < 24
