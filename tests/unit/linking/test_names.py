"""Keys of names: what counts, and what does not."""

import pytest
from growth import growth
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.linking.names import (
    LITTLE_WORDS,
    MAX_NAME,
    SMALL_WORDS,
    exact_key,
    fold,
    loose_key,
    name_keys,
    singular,
    stem,
    word_key,
)

ANY_NAME = st.text(max_size=60)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Neurons", "neuron"),
        ("β-catenin", "beta catenin"),
        ("IL‑1β", "IL-1 beta"),
        ("TGFβ1", "TGF-beta-1"),
        ("wild type", "wild-type"),
        ("polyA_sequence", "polyA sequence"),
        ("Müller cells", "Muller cell"),
        ("5′ UTR", "5' UTR"),
        ("5’ UTR", "5' UTR"),
        ("Ca²⁺", "Ca2+"),
        ("−/−", "-/-"),
        ("µ-opioid", "mu opioid"),
        ("Ϛ", "stigma"),
        ("ς", "sigma"),
        ("λ phage", "lambda phages"),
        ("straße", "strasse"),
        ("bodies", "body"),
        ("T\n cells", "t cell"),
    ],
)
def test_names_with_one_exact_key(one: str, other: str) -> None:
    assert exact_key(one) == exact_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("neuron", "neutron"),
        ("Pax6", "Pax7"),
        ("+", "-"),
        ("IL-1α", "IL-1β"),
        ("Mus", "Mu"),
        ("virus", "viru"),
    ],
)
def test_names_with_other_exact_keys(one: str, other: str) -> None:
    assert exact_key(one) != exact_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("arm of chromosome", "chromosomal arms"),
        ("type II fibre", "type 2 fiber"),
        ("Type Three Receptor", "type 3 receptors"),
        ("tumour", "tumors"),
        ("oestrogen", "estrogen"),
        ("haemoglobin", "hemoglobin"),
        ("sulphated", "sulfated"),
        ("polarisation", "polarization"),
        ("catalyse", "catalyze"),
        ("labelled", "labeled"),
        ("grey matter", "gray matter"),
        ("analogue", "analog"),
        ("metazoan", "Metazoa"),
        ("centrosomal", "centrosome"),
        ("mitochondrial", "mitochondria"),
        ("cell, giant", "giant cell"),
    ],
)
def test_names_with_one_word_key(one: str, other: str) -> None:
    assert word_key(one) == word_key(other)
    assert exact_key(one) != exact_key(other)


@pytest.mark.parametrize("word", sorted(LITTLE_WORDS))
def test_little_words_count_in_word_keys_alone(word: str) -> None:
    assert loose_key(f"pyramidal {word}") == loose_key("pyramidal")
    assert word_key(f"pyramidal {word}") != word_key("pyramidal")


@pytest.mark.parametrize("word", sorted(SMALL_WORDS))
def test_small_words_count_in_exact_keys_alone(word: str) -> None:
    assert word_key(f"pyramidal {word} tract") == word_key("pyramidal tract")
    assert exact_key(f"pyramidal {word} tract") != exact_key("pyramidal tract")


def test_a_name_of_little_words_keeps_them() -> None:
    assert loose_key("cell") == "cell"
    assert loose_key("cell body") == "body cell"
    assert word_key("of the") == "of the"
    assert word_key("the cells of a") == "cell"


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("cells", "cell"),
        ("bodies", "body"),
        ("ties", "tie"),
        ("classes", "class"),
        ("boxes", "box"),
        ("branches", "branch"),
        ("brushes", "brush"),
        ("batteries", "battery"),
        ("flies", "fly"),
        ("larvae", "larva"),
        ("algae", "alga"),
        ("alae", "alae"),
        ("nuclei", "nucleus"),
        ("people", "person"),
        ("virus", "virus"),
        ("axis", "axis"),
        ("mass", "mass"),
        ("gas", "gas"),
        ("was", "was"),
    ],
)
def test_singular(plural: str, one: str) -> None:
    assert singular(plural) == one


def test_short_stems_stay() -> None:
    assert [stem(word) for word in ("cell", "acid", "p53", "aorta", "total")] == [
        "cell", "acid", "p53", "aort", "total",
    ]  # fmt: skip


def test_a_name_is_cut() -> None:
    assert fold("A" * (MAX_NAME + 7)) == "a" * MAX_NAME
    assert exact_key("ab" * MAX_NAME) == exact_key("ab" * MAX_NAME + "c")


@given(ANY_NAME)
def test_keys_of_any_text(name: str) -> None:
    exact, words, loose = name_keys(name)
    assert (exact, words, loose) == (exact_key(name), word_key(name), loose_key(name))
    assert not any(character.isspace() for character in exact)
    assert words.split() == sorted(words.split())
    assert set(loose.split()) <= set(words.split())


@given(ANY_NAME)
def test_keys_do_not_change_with_white_space_around(name: str) -> None:
    assert name_keys(f"  {name}\n") == name_keys(name)


@given(st.text(alphabet="abcdefghij klmnopqrstuvwxyz", max_size=40))
def test_keys_do_not_change_with_case(name: str) -> None:
    assert name_keys(name.upper()) == name_keys(name)


@pytest.mark.parametrize("part", ["a", "é", " ", "-/", "s ", "es", "ally", "\N{ANGSTROM SIGN}"])
def test_the_time_for_keys_of_a_name_is_linear(part: str) -> None:
    # Of a longer name, no more than MAX_NAME characters are read.
    size = MAX_NAME // 8 // len(part)

    def many_keys(n: int) -> None:
        for _ in range(50):
            name_keys(part * n)

    assert growth(many_keys, size, 8 * size) < 24
    assert growth(many_keys, 8 * size, 80 * size) < 3
