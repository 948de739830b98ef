"""Splitting tokens: the text and all annotation stay in place."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup, Token
from spacy.vocab import Vocab

from craftner_spacy.splitting import split_tokens

WORDS = ["Both", "SirT1ko", "mice", "live", "Sox9-/-", "ones", "die"]
Spans = list[tuple[int, int, str, str, str]]


def annotated() -> Doc:
    """Two sentences with all annotation that a pipeline may give."""
    doc = Doc(
        Vocab(),
        words=WORDS,
        spaces=[True, True, True, False, True, True, False],
        tags=["DT", "NN", "NNS", "VBP", "JJ", "NNS", "VBP"],
        pos=["DET", "NOUN", "NOUN", "VERB", "ADJ", "NOUN", "VERB"],
        morphs=["", "Number=Sing", "Number=Plur", "", "Degree=Pos", "Number=Plur", "Tense=Pres"],
        lemmas=["both", "sirt1ko", "mouse", "live", "sox9-/-", "one", "die"],
        heads=[2, 2, 3, 3, 5, 6, 6],
        deps=["det", "compound", "nsubj", "ROOT", "amod", "nsubj", "ROOT"],
        ents=["O", "B-Line", "I-Line", "O", "B-Line", "O", "B-Fate"],
    )
    doc.tensor = np.arange(14, dtype="float32").reshape(7, 2)
    spans = [Span(doc, 0, 3, label="NP", kb_id="Q1", span_id="a"), Span(doc, 4, 6, label="NP"), doc[1:2]]
    doc.spans["parts"] = SpanGroup(doc, name="parts", attrs={"scores": [0.1, 0.2, 0.3]}, spans=spans)
    doc.spans["none"] = []
    return doc


def chars_and_ids(spans: SpanGroup | Sequence[Span]) -> Spans:
    return [(s.start_char, s.end_char, s.label_, s.kb_id_, s.id_) for s in spans]


def test_all_annotation_stays_in_its_place() -> None:
    before, doc = annotated(), annotated()
    split_tokens(doc, [10, 26, 27, 28])
    assert doc.text == before.text
    assert [t.text for t in doc] == "Both SirT1 ko mice live Sox9 - / - ones die".split()
    assert [t.whitespace_ for t in doc] == [" ", "", " ", " ", "", "", "", "", " ", " ", ""]
    assert chars_and_ids(doc.ents) == chars_and_ids(before.ents)
    assert [t.ent_iob_ for t in doc] == ["O", "B", "I", "I", "O", "B", "I", "I", "I", "O", "B"]
    assert chars_and_ids(list(doc.sents)) == chars_and_ids(list(before.sents))
    assert [t.is_sent_start for t in doc] == [i in (0, 5) for i in range(11)]
    assert chars_and_ids(doc.spans["parts"]) == chars_and_ids(before.spans["parts"])
    assert doc.spans["parts"].attrs == {"scores": [0.1, 0.2, 0.3]}
    assert len(doc.spans["none"]) == 0
    assert [t.tag_ for t in doc] == ["DT", "NN", "NN", "NNS", "VBP", "JJ", "JJ", "JJ", "JJ", "NNS", "VBP"]
    assert [t.pos_ for t in doc][1:3] == ["NOUN", "NOUN"]
    assert [str(t.morph) for t in doc][1:6] == ["Number=Sing", "Number=Sing", "Number=Plur", "", "Degree=Pos"]
    assert [t.lemma_ for t in doc] == "both SirT1 ko mouse live Sox9 - / - one die".split()
    assert [t.dep_ for t in doc][1:4] == ["compound", "subtok", "nsubj"]
    assert [t.head.i for t in doc] == [3, 3, 1, 4, 4, 9, 5, 5, 5, 10, 10]
    assert doc.tensor[:, 0].tolist() == [0, 2, 2, 4, 6, 8, 8, 8, 8, 10, 12]
    assert Doc(doc.vocab).from_bytes(doc.to_bytes()).to_json() == doc.to_json()


def test_unannotated_stays_unannotated() -> None:
    doc = Doc(Vocab(), words=["Both", "SirT1ko", "mice"])
    split_tokens(doc, [10])
    assert [t.text for t in doc] == ["Both", "SirT1", "ko", "mice"]
    for attribute in ("DEP", "TAG", "POS", "MORPH", "LEMMA", "SENT_START", "ENT_IOB"):
        assert not doc.has_annotation(attribute), attribute
    assert doc.tensor.size == 0


def test_pieces_do_not_take_the_annotation_of_the_next_tokens() -> None:
    doc = Doc(
        Vocab(),
        words=["SirT1ko", "mice", "die", "."],
        morphs=["", "Number=Plur", "", ""],
        ents=["O", "B-Line", "O", "O"],
        sent_starts=[True, True, False, False],
    )
    doc[0].set_morph(None)  # type: ignore[attr-defined]
    split_tokens(doc, [3, 5])
    assert [t.text for t in doc] == ["Sir", "T1", "ko", "mice", "die", "."]
    assert [t.ent_type_ for t in doc] == ["", "", "", "Line", "", ""]
    assert [t.has_morph() for t in doc] == [False, False, False, True, True, True]
    assert [t.is_sent_start for t in doc] == [True, False, False, True, False, False]


def test_cuts_at_borders_and_outside_change_nothing() -> None:
    doc = annotated()
    before = doc.to_json()
    token = doc[1]
    split_tokens(doc, [-3, 0, 4, 5, 12, 13, len(doc.text), 10_000])
    split_tokens(doc, [])
    assert doc.to_json() == before
    assert token.text == "SirT1ko"


def test_empty_document() -> None:
    doc = Doc(Vocab())
    split_tokens(doc, [0, 1])
    assert len(doc) == 0


def test_token_extension_stays_with_the_first_piece() -> None:
    Token.set_extension("splitting_mark", default=None, force=True)
    try:
        doc = Doc(Vocab(), words=["SirT1ko", "mice"])
        doc[0]._.splitting_mark, doc[1]._.splitting_mark = "line", "taxon"
        split_tokens(doc, [5])
        assert [t._.splitting_mark for t in doc] == ["line", None, "taxon"]
    finally:
        Token.remove_extension("splitting_mark")


@given(
    st.lists(st.text("ab−α😀", min_size=1, max_size=8), max_size=8), st.sets(st.integers(0, 80)), st.data()
)
def test_any_cuts(words: list[str], cuts: set[int], data: st.DataObject) -> None:
    spaces = data.draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))
    starts: list[bool | int | None]
    starts = data.draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))
    doc = Doc(Vocab(), words=words, spaces=spaces, sent_starts=starts)
    doc.ents = [Span(doc, i, i + 1, label="X") for i in range(0, len(doc), 2)]
    borders = {t.idx for t in doc} | {t.idx + len(t) for t in doc}
    inside = {c for c in cuts if any(t.idx < c < t.idx + len(t) for t in doc)}
    text, ents, sents = doc.text, chars_and_ids(doc.ents), chars_and_ids(list(doc.sents)) if words else []
    split_tokens(doc, cuts)
    assert doc.text == text
    assert {t.idx for t in doc} | {t.idx + len(t) for t in doc} == borders | inside
    assert chars_and_ids(doc.ents) == ents
    assert (chars_and_ids(list(doc.sents)) if words else []) == sents


def test_many_tokens_of_a_long_document() -> None:
    doc = Doc(Vocab(), words=["SirT1ko"] * 1000)
    split_tokens(doc, range(5, 8 * 1000, 8))
    assert [t.text for t in doc] == ["SirT1", "ko"] * 1000


@pytest.mark.parametrize("spans_key", ["a", "b"])
def test_groups_are_those_of_the_document(spans_key: str) -> None:
    doc = annotated()
    doc.spans[spans_key] = [doc[1:2]]
    split_tokens(doc, [10])
    assert doc.spans[spans_key].doc is doc
    assert [s.text for s in doc.spans[spans_key]] == ["SirT1ko"]
