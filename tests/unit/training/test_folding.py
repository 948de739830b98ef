"""folding.py: true text as the corpus has it."""

import pytest

from craftner_spacy.training.folding import fold


@pytest.mark.parametrize(
    ("character", "folded"),
    [
        ("α", "alpha"),
        ("Δ", "Delta"),
        ("ς", "sigma"),
        ("λ", "lambda"),
        ("ώ", "omega"),
        ("é", "e"),
        ("e\u0301", "e"),
        ("Å", "A"),
        ("ﬁ", "fi"),
        ("²", "2"),
        ("–", "-"),
        ("\u2011", "-"),
        ("—", "--"),
        ("“", '"'),
        ("’", "'"),
        ("″", "''"),
        ("µ", "micro"),
        ("μ", "mu"),
        ("±", "+/-"),
        ("°", "degrees"),
        ("™", "(TM)"),
        ("↔", "<-->"),
        ("ı", "i"),
        ("\u00a0", ""),
        ("\u2009", ""),
        ("細", "細"),
    ],
)
def test_a_character_is_folded_as_the_corpus_does(character: str, folded: str) -> None:
    assert fold(character).text == folded


def test_every_folded_character_knows_its_source() -> None:
    assert fold("a\n±\u0301é b") == ("a+/-eb", (0, 2, 2, 2, 4, 6))
