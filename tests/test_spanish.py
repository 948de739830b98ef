"""Spanish: exact offsets through `spacy.blank("es")`, whatever the model knows of the language."""

from pathlib import Path
from unicodedata import normalize

import pytest
import spacy
import srsly
from spacy.language import Language

from craftner_spacy.craft_ner import CraftNER

ROWS = list(srsly.read_jsonl(Path(__file__).parent / "data" / "spanish.jsonl"))
ABSTRACT = " ".join(row["text"] for row in ROWS if row["lang"] == "es")
TOKENIZERS = ("spacy.Tokenizer.v1", "craftner_spacy.tokenizer.v1")


def make_nlp(tokenizer: str, lang: str = "es", **settings: object) -> tuple[Language, CraftNER]:
    """A pipeline with the small model, which is uncased and strips accents."""
    nlp = spacy.blank(lang, config={"nlp": {"tokenizer": {"@tokenizers": tokenizer}}})
    pipe = nlp.add_pipe("craft_ner", config={"model": {"precision": "fp32"}, **settings})
    assert isinstance(pipe, CraftNER)
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
def test_words_have_their_accents(
    small: tuple[Language, CraftNER], text: str, expected: list[str], form: str
) -> None:
    text = normalize(form, text)
    nlp, pipe = small
    [words] = pipe.model.predict([nlp.make_doc(text)])
    assert [normalize("NFC", text[start:end]) for start, end in words.chars.tolist()] == expected


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_abstract_has_exact_offsets(small: tuple[Language, CraftNER], tokenizer: str, form: str) -> None:
    text = normalize(form, ABSTRACT)
    nlp, pipe = make_nlp(tokenizer, alignment_mode="split")
    doc = nlp(text)
    assert doc.text == text
    group = doc.spans["craft_ner"]
    assert [[ent.start_char, ent.end_char] for ent in doc.ents] == group.attrs["offsets"]
    found = [normalize("NFC", ent.text) for ent in doc.ents]
    # What is written alike in both languages; the end of each is the end of the word.
    assert {"Sox9", "Pax6", "GFAP", "BRCA1", "Drosophila"} <= set(found)
    assert all(not normalize("NFC", text)[text_end(ent, form) :][:1].isalnum() for ent in doc.ents)
    # The model reads the text, whatever the language's tokens and however its accents are written.
    english, reader = make_nlp(TOKENIZERS[0], "en")
    assert reader.predict([english.make_doc(text)]) == pipe.predict([nlp.make_doc(text)])
    composed = small[0](ABSTRACT)
    assert found == [ent.text for ent in composed.ents]


def text_end(ent: object, form: str) -> int:
    """The end of an entity in the composed text."""
    doc = ent.doc  # type: ignore[attr-defined]
    return len(normalize("NFC", doc.text[: ent.end_char])) if form == "NFD" else ent.end_char  # type: ignore[attr-defined]


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_tokens_fit_what_is_annotated(tokenizer: str) -> None:
    nlp, _ = make_nlp(tokenizer)
    for row in ROWS:
        if row["lang"] == "es":
            doc = nlp.make_doc(row["text"])
            assert all(doc.char_span(ent["start"], ent["end"]) is not None for ent in row["entities"])
