"""Spanish: offsets are exact with `spacy.blank("es")`, also where the model does not know the words."""

from pathlib import Path
from unicodedata import combining, normalize

import pytest
import spacy
import srsly
from spacy.language import Language

from craftner_spacy.craft_ner import CraftNER

ROWS = list(srsly.read_jsonl(Path(__file__).parents[1] / "data" / "spanish.jsonl"))
SPANISH = [row["text"] for row in ROWS if row["lang"] == "es"]
TOKENIZERS = ("spacy.Tokenizer.v1", "craftner_spacy.tokenizer.v1")


def make_nlp(tokenizer: str, lang: str = "es", **settings: object) -> tuple[Language, CraftNER]:
    """A pipeline with the small model, which is uncased and strips accents."""
    nlp = spacy.blank(lang, config={"nlp": {"tokenizer": {"@tokenizers": tokenizer}}})
    pipe = nlp.add_pipe("craft_ner", config={"model": {"precision": "fp32"}, **settings})
    assert isinstance(pipe, CraftNER)
    assert pipe.scheme
    return nlp, pipe


@pytest.fixture(scope="module")
def small() -> tuple[Language, CraftNER]:
    return make_nlp(TOKENIZERS[0], alignment_mode="split")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("¿Qué ratón?", ["¿", "Qué", "ratón", "?"]),
        ("¡Sí, al ratón!", ["¡", "Sí", ",", "al", "ratón", "!"]),
        ("del núcleo al citoplasma", ["del", "núcleo", "al", "citoplasma"]),
        ("mamá (papá) café.", ["mamá", "(", "papá", ")", "café", "."]),
        ("pingüino y año", ["pingüino", "y", "año"]),
        ("«ADN» Ñandú", ["«", "ADN", "»", "Ñandú"]),
        ("célula-\nmadre", ["célula", "-", "madre"]),
    ],
)
def test_words_include_their_accents(
    small: tuple[Language, CraftNER], text: str, expected: list[str], form: str
) -> None:
    text = normalize(form, text)
    nlp, pipe = small
    [words] = pipe.model.predict([nlp.make_doc(text)])
    assert [normalize("NFC", text[start:end]) for start, end in words.chars.tolist()] == expected


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_abstract_has_exact_offsets(tokenizer: str, form: str) -> None:
    text = normalize(form, " ".join(SPANISH))
    nlp, _ = make_nlp(tokenizer, alignment_mode="split")
    doc = nlp(text)
    assert doc.text == text
    assert [[ent.start_char, ent.end_char] for ent in doc.ents] == doc.spans["craft_ner"].attrs["offsets"]
    # Names that are the same in both languages, and words that end in an accent.
    assert {"Sox9", "Pax6", "BRCA1", "Drosophila"} <= {ent.text for ent in doc.ents}
    next_characters = {text[ent.end_char] for ent in doc.ents}
    assert not any(char.isalnum() or combining(char) for char in next_characters)


def test_entities_do_not_depend_on_tokens_nor_on_the_form_of_accents(
    small: tuple[Language, CraftNER],
) -> None:
    nlp, pipe = small
    expected = pipe.predict([nlp.make_doc(text) for text in SPANISH])
    assert sum(map(len, expected)) > 30
    for tokenizer, lang in ((TOKENIZERS[1], "es"), (TOKENIZERS[0], "en")):
        other, _ = make_nlp(tokenizer, lang)
        assert pipe.predict([other.make_doc(text) for text in SPANISH]) == expected
    decomposed = [normalize("NFD", text) for text in SPANISH]
    again = pipe.predict([nlp.make_doc(text) for text in decomposed])
    for entities, others, text, nfd_text in zip(expected, again, SPANISH, decomposed, strict=True):
        assert [(text[e.start : e.end], e.label) for e in entities] == [
            (normalize("NFC", nfd_text[e.start : e.end]), e.label) for e in others
        ]


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_tokens_fit_the_annotated_entities(tokenizer: str) -> None:
    nlp, _ = make_nlp(tokenizer)
    for row in ROWS:
        if row["lang"] == "es":
            doc = nlp.make_doc(row["text"])
            assert all(doc.char_span(ent["start"], ent["end"]) is not None for ent in row["entities"])
