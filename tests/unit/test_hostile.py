"""Any text at all: what must hold for the component whatever its input. `make soak` tries more examples."""

import unicodedata

import numpy as np
import pytest
import spacy
import tiny_models
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from craftner_spacy.alignment import ALIGNMENT_MODES
from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.model import get_shim

ODD = (
    "\x00\x07\x1b\x7f\x85",  # control characters
    "\u200b\u200d\u2060\ufeff\u00ad",  # zero width, and the soft hyphen
    "\u00a0\u2003\u2028\u3000\r\n\t",  # white space
    "e\u0301a\u0308\u20e3",  # combining marks
    "👩\u200d🔬🏽🇪🇸❤\ufe0f",  # emoji with joiners
    "ﬁﬂ½²⁻Å㎍",  # ligatures and compatibility forms
    "漢字ไทยعربيעבריतमिழ்ꙮ𐎀𝔊",  # scripts that the vocabulary lacks
    "αβγ−–+/-'\"()[]",
)
WORDS = st.sampled_from(["mouse", "Sox9-/-", "kinase", "PGC-1α", "cells", "qzx", *ODD, " ", "  ", "\n\n"])
ANY_TEXT = st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=12).map("".join))
MODES = st.sampled_from(ALIGNMENT_MODES)
Entities = list[tuple[int, int, str]]
TEXTS = [" ".join(tiny_models.WORDS[i : i + n]) for i, n in enumerate((2, 20, 9, 1, 13))]
"""Texts of one window and of several."""


@pytest.fixture(scope="module")
def nlp(short_model: str) -> Language:
    return make_nlp(short_model)


@pytest.fixture(scope="module")
def short_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model with few positions, so that short texts need several windows; its entities have all lengths."""
    return str(tiny_models.make_tiny_model(tmp_path_factory.mktemp("hostile"), max_positions=16, seed=15))


@pytest.fixture(scope="module")
def alone(short_model: str) -> list[Entities]:
    """The entities of each text, processed alone."""
    entities_of_texts = list(map(entities, map(make_nlp(short_model), TEXTS)))
    assert sum(map(len, entities_of_texts)) > 20
    return entities_of_texts


def entities(doc: Doc) -> Entities:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def make_nlp(folder: str) -> Language:
    nlp = spacy.blank("en")
    model = {"name": folder, "precision": "fp32"}
    nlp.add_pipe("craft_ner", config={"model": model})
    assert component(nlp).scheme
    return nlp


def component(nlp: Language, mode: str = "expand") -> CraftNER:
    pipe = nlp.get_pipe("craft_ner")
    assert isinstance(pipe, CraftNER)
    pipe.alignment_mode = mode
    return pipe


def retokenized(nlp: Language, text: str, cuts: set[int]) -> Doc:
    """A Doc of the text with tokens that end at the cuts and where spaCy's do not."""
    words, spaces, start = [], [], 0
    for end in [*sorted(cut for cut in cuts if 0 < cut < len(text)), len(text)]:
        word = text[start:end]
        if word:
            has_space = word.endswith(" ") and word != " "
            words.append(word[:-1] if has_space else word)
            spaces.append(has_space)
        start = end
    return Doc(nlp.vocab, words=words, spaces=spaces)


@pytest.mark.filterwarnings("ignore:.*do not fit the tokens")
@given(text=ANY_TEXT, cuts=st.sets(st.integers(0, 80)), mode=MODES)
def test_any_text_in_any_tokens(nlp: Language, text: str, cuts: set[int], mode: str) -> None:
    doc = retokenized(nlp, text, cuts)
    assert doc.text == text
    borders = {t.idx for t in doc} | {t.idx + len(t) for t in doc}
    pipe = component(nlp, mode)
    [predicted] = pipe.predict([doc])
    pipe(doc)
    assert doc.text == text
    group = doc.spans["craft_ner"]
    assert [(s.start, s.end, s.label_) for s in group] == [(e.start, e.end, e.label_) for e in doc.ents]
    unplaced = [(e["start"], e["end"]) for e in group.attrs["unplaced"]]
    offsets = [(start, end) for start, end in group.attrs["offsets"]]
    assert sorted(unplaced + offsets) == sorted((e.start, e.end) for e in predicted)
    for start, end in unplaced + offsets:
        assert 0 <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
    for entity, (start, end) in zip(doc.ents, offsets, strict=True):
        assert entity.start_char < end
        assert start < entity.end_char
        if mode in ("strict", "split"):
            assert (entity.start_char, entity.end_char) == (start, end)
        if mode != "split":
            assert {entity.start_char, entity.end_char} <= borders
    assert all(0.0 <= score <= 1.0 for score in group.attrs["scores"])


@given(text=ANY_TEXT)
def test_every_word_is_read_once(nlp: Language, text: str) -> None:
    [words] = component(nlp).model.predict([nlp.make_doc(text)])
    assert words.n_uncovered == 0
    assert np.isfinite(words.logits).all()
    assert (words.chars[:, 0] < words.chars[:, 1]).all()
    assert (np.diff(words.chars[:, 0]) >= 0).all()
    read = {i for start, end in words.chars.tolist() for i in range(start, end)}
    lost = {char for i, char in enumerate(text) if i not in read and not char.isspace()}
    # BERT's tokenizer itself drops control characters, and words that are only combining marks.
    assert all(char == "\ufffd" or unicodedata.category(char)[0] in ("C", "M") for char in lost)


@given(texts=st.lists(ANY_TEXT, min_size=2, max_size=4), batch_tokens=st.sampled_from([16, 64, 4096]))
def test_alone_or_in_any_batch(nlp: Language, texts: list[str], batch_tokens: int) -> None:
    model = component(nlp).model
    model.attrs["batch_tokens"] = batch_tokens
    batched = model.predict([nlp.make_doc(text) for text in texts])
    for text, words in zip(texts, batched, strict=True):
        [alone] = model.predict([nlp.make_doc(text)])
        assert (alone.chars == words.chars).all()
        # Tags and entities depend on the scores of one document alone.
        np.testing.assert_allclose(alone.logits, words.logits, rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore:.*do not fit the tokens")
@given(order=st.permutations(range(len(TEXTS))), size=st.integers(1, 6), batch_tokens=st.integers(16, 200))
def test_entities_are_the_same_in_any_order_and_batch(
    nlp: Language, alone: list[Entities], order: list[int], size: int, batch_tokens: int
) -> None:
    component(nlp).model.attrs["batch_tokens"] = batch_tokens
    docs = nlp.pipe([TEXTS[i] for i in order], batch_size=size)
    assert list(map(entities, docs)) == [alone[i] for i in order]


@pytest.mark.parametrize("n_pieces", range(509, 515))
def test_documents_about_as_long_as_the_encoder(tiny_model: object, n_pieces: int) -> None:
    nlp = make_nlp(str(tiny_model))
    pipe = component(nlp)
    doc = nlp.make_doc("mouse " * (n_pieces - 1) + "cells")
    assert get_shim(pipe.model).max_pieces == 510
    [words] = pipe.model.predict([doc])
    assert len(words.chars) == n_pieces
    assert words.n_uncovered == 0
    assert pipe(doc).text == "mouse " * (n_pieces - 1) + "cells"


@pytest.mark.parametrize(
    ("text", "n_words"),
    [
        ("a" * 20_000, 1),
        ("-" * 20_000, 20_000),
        (" " * 1_000_000, 0),
        ("\n" * 100_000 + "mouse", 1),
        ("\u200d" * 10_000, 0),
        ("👩\u200d🔬" * 2_000, 1),
    ],
    ids=["word", "signs", "spaces", "lines", "joiners", "emoji"],
)
def test_long_and_odd(tiny_model: object, text: str, n_words: int) -> None:
    nlp = make_nlp(str(tiny_model))
    nlp.max_length = len(text)
    doc = Doc(nlp.vocab, words=[text])
    pipe = component(nlp, "split")
    assert pipe(doc).text.strip() == text.strip()
    [words] = pipe.model.predict([doc])
    assert len(words.chars) == n_words
    assert words.n_uncovered == 0


@pytest.mark.parametrize("mode", ALIGNMENT_MODES)
@pytest.mark.filterwarnings("ignore:.*do not fit the tokens")
def test_tokens_without_wordpieces(nlp: Language, mode: str) -> None:
    words = ["mouse", "\u200d", "cells", "\x07", "\u00ad", "kinase", "\u2060"]
    doc = Doc(nlp.vocab, words=words)
    pipe = component(nlp, mode)
    [scores] = pipe.model.predict([doc])
    assert [doc.text[start:end] for start, end in scores.chars.tolist()] == ["mouse", "cells", "kinase"]
    assert scores.n_uncovered == 0
    assert pipe(doc).text == " ".join(words) + " "
    starts = [0, 6 + 2, 6 + 2 + 6 + 2 + 2]
    for start, end in doc.spans["craft_ner"].attrs["offsets"]:
        assert start in starts
        assert doc.text[start:end].split(" ")[-1] in words


def test_lone_surrogates_are_refused_by_spacy_itself(nlp: Language) -> None:
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        nlp("a mouse \ud83d")
    text = "a mouse \ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert nlp(text).text == "a mouse \ufffd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TGF-β1 signals", ["TGF", "-", "β1", "signals"]),
        ("10⁻⁵ M", ["10⁻⁵", "M"]),
        ("co\u00adactivator", ["co\u00adactivator"]),
        ("ﬁbroblasts", ["ﬁbroblasts"]),
        ("e\u0301tude", ["e\u0301tude"]),
        ("mouse\u00a0cells", ["mouse", "cells"]),
        ("mito-\nchondria", ["mito", "-", "chondria"]),
        ("gene\tallele\n\nmouse", ["gene", "allele", "mouse"]),
        ("Sam68−/−", ["Sam68", "−", "/", "−"]),
        ("LOSS OF FUNCTION", ["LOSS", "OF", "FUNCTION"]),
        ("¿Qué? ¡Sí!", ["¿", "Qué", "?", "¡", "Sí", "!"]),
        ("naïve [12]", ["naïve", "[", "12", "]"]),
        ("mice12,13 died.4", ["mice12", ",", "13", "died", ".", "4"]),
        ("(Lee et al., 2004)", ["(", "Lee", "et", "al", ".", ",", "2004", ")"]),
        ("doi:10.1/x-y", ["doi", ":", "10", ".", "1", "/", "x", "-", "y"]),
        ("gene | n\nPax6 | 12", ["gene", "|", "n", "Pax6", "|", "12"]),
        ("Gene\t\tp\r\nPax6\t0.05", ["Gene", "p", "Pax6", "0", ".", "05"]),
        ("2.1. Mouse strains\n\nMice", ["2", ".", "1", ".", "Mouse", "strains", "Mice"]),
        ("TABLE 1\nSOX9 IN MICE", ["TABLE", "1", "SOX9", "IN", "MICE"]),
        ("漢字 mouse ไทย עברית", ["漢", "字", "mouse", "ไทย", "עברית"]),
        ("मिழ் kinase", ["मिழ்", "kinase"]),
    ],
)
def test_words_of_odd_texts(nlp: Language, text: str, expected: list[str]) -> None:
    [words] = component(nlp).model.predict([nlp.make_doc(text)])
    assert [text[start:end] for start, end in words.chars.tolist()] == expected
