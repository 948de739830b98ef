"""The tokenizer: what it splits, what it leaves whole, and that no text is changed."""

import pickle
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language

CONFIG = {"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}}
PIECES = st.sampled_from(
    [
        *"-−–+/:;,.()[]{}*=<>^~|'’′″…∷ \n\t8Kα",
        "::",
        "--",
        "...",
        "Sam68",
        "Na",
        "10.1371/",
        "https://a.org",
        "chr.",
    ]
)


@pytest.fixture(scope="module")
def nlp() -> Language:
    return spacy.blank("en", config=CONFIG)


def words(nlp: Language, text: str) -> str:
    return " ".join(token.text for token in nlp.tokenizer(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sox9-/-", "Sox9 - / -"),
        ("PGC-1α−/−", "PGC-1α − / −"),
        ("Sox9+/+", "Sox9 + / +"),
        ("Sox9+/−mice", "Sox9 + / − mice"),
        ("(Sox9+/-)", "( Sox9 + / - )"),
        ("Sox9-/-/Pax6+/-", "Sox9 - / - / Pax6 + / -"),
        ("Gata6loxP/+", "Gata6loxP / +"),
        ("/+", "/ +"),
        ("−/−", "− / −"),
        ("Prx1::cre", "Prx1 :: cre"),
        ("Prx1∷cre", "Prx1 ∷ cre"),
        ("Mcm4/6/7", "Mcm4 / 6 / 7"),
        ("QKI-6/7", "QKI - 6 / 7"),
        ("Tg(tTALap)Bjd", "Tg ( tTALap ) Bjd"),
        ("Pax6(HA", "Pax6 ( HA"),
        ("null;GATA1", "null ; GATA1"),
        ("(GST)-tagged", "( GST ) - tagged"),
        ("K8+K14−", "K8 + K14 −"),
        ("rod- and cone", "rod - and cone"),
        ("hCMV*-1", "hCMV * - 1"),
        ("Y;Sox9-cre", "Y ; Sox9 - cre"),
        ("L)Sox9", "L ) Sox9"),
        ("mouse–kinase", "mouse – kinase"),
        ("mouse--kinase", "mouse -- kinase"),
        ("5′-end", "5′ - end"),
        ("5′-GCA-3′", "5′ - GCA - 3′"),
        ("Pax6_ExI_5′", "Pax6 _ ExI _ 5′"),
        ("p<0.05", "p < 0.05"),
        ("n=12", "n = 12"),
        ("chr.12 and chr.X", "chr . 12 and chr . X"),
        ("of TACC1B.", "of TACC1B ."),
        ("of ColX.", "of ColX ."),
        ("Sox9−/−.", "Sox9 − / − ."),
        ("Sox9′s", "Sox9 ′s"),
        ("(Figures 7 and 8)", "( Figures 7 and 8 )"),
        ("brain.Heart", "brain . Heart"),
        ("mice....", "mice ...."),
    ],
)
def test_splits(nlp: Language, text: str, expected: str) -> None:
    assert words(nlp, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *"PGC-1α IL-2 C57BL6 CD4 H2O2 CaCl2 5 −5 -5 +5 1,000 0.05 1.5 12:30 10:1 1/2".split(),
        *"12/05/2004 3–5 Na+ K+ Ca2+ Mg2+ Fe3+ Cl− Br- NAD+ NADP+ e.g. i.e. U.S. Dr. a.m.".split(),
        *"https://genome.example.org/a-b/c?d=(e)&f=1+2 www.example.org/x/y-z someone@example.org".split(),
        *"10.1371/journal.pbio.0030051 doi:10.1016/S0092-8674(00)81683-9 example.org/a/b/".split(),
    ],
)
def test_leaves_whole(nlp: Language, text: str) -> None:
    for around in ("{}", "({})", "in {}, and", "{};"):
        assert text in words(nlp, around.format(text)).split(" ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2-dichloroethane", "1,2 - dichloroethane"),
        ("2-fluoro-1-methyl-3-pyridine", "2 - fluoro - 1 - methyl - 3 - pyridine"),
        ("[α-32P]dCTP", "[ α - 32P ] dCTP"),
        ("IL-2-mediated", "IL-2 - mediated"),
        ("caspase-3-positive", "caspase-3 - positive"),
        ("N,N-dimethyl", "N , N - dimethyl"),
        ("[3H]thymidine", "[ 3H ] thymidine"),
        ("poly(A)+ RNA", "poly ( A ) + RNA"),
        ("Ca2+-free", "Ca2 + - free"),
        ("n-hexane:2-propanol", "n - hexane : 2 - propanol"),
        ("Na+/K+-ATPase", "Na + / K + - ATPase"),
        ("10 mg/kg", "10 mg / kg"),
        ("3-5 mice", "3 - 5 mice"),
        ("10^-5", "10 ^ -5"),
        # As in spaCy.
        ("TGF-β1", "TGF - β1"),
    ],
)
def test_chemicals_and_numbers(nlp: Language, text: str, expected: str) -> None:
    assert words(nlp, text) == expected


def test_english_without_such_signs_is_as_in_spacy(nlp: Language) -> None:
    text = (
        "We don't know, e.g., whether it's well-known that 3 of 4 mice (75%) gained 2.5g; Dr. Lee's team "
        'said "no" at 8 a.m. on Jan. 5th... See https://example.org for more!'
    )
    assert words(nlp, text) == words(spacy.blank("en"), text)


@given(text=st.one_of(st.text(), st.lists(PIECES, max_size=20).map("".join)))
def test_no_text_is_changed(nlp: Language, text: str) -> None:
    doc = nlp.tokenizer(text)
    assert doc.text == text
    assert all(token.text and text[token.idx :].startswith(token.text) for token in doc)


SAMPLES = ["PGC-1α−/− and Prx1::cre, Na+ (Figures 7 and 8) 10.1371/x.1", "can't; chr.12 https://a.org/b-c"]


def test_saves_and_loads(nlp: Language, tmp_path: Path) -> None:
    expected = [words(nlp, text) for text in SAMPLES]
    nlp.to_disk(tmp_path)
    by_bytes = spacy.blank("en", config=CONFIG).from_bytes(nlp.to_bytes())
    for other in (spacy.load(tmp_path), by_bytes, pickle.loads(pickle.dumps(nlp))):
        assert [words(other, text) for text in SAMPLES] == expected
        assert other.config["nlp"]["tokenizer"] == CONFIG["nlp"]["tokenizer"]
    # The saved rules are used, whatever the rules of the blank pipeline were.
    plain = spacy.blank("en")
    assert [words(plain, text) for text in SAMPLES] != expected
    plain.tokenizer.from_bytes(nlp.tokenizer.to_bytes())  # type: ignore[union-attr]
    assert [words(plain, text) for text in SAMPLES] == expected


@pytest.mark.parametrize("lang", ["es", "fr", "xx"])
def test_on_top_of_another_languages_rules(lang: str) -> None:
    nlp = spacy.blank(lang, config=CONFIG)
    assert words(nlp, "Sox9-/- Prx1::cre") == "Sox9 - / - Prx1 :: cre"
    assert words(spacy.blank("fr", config=CONFIG), "l’ARN") == "l’ ARN"
