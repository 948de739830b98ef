"""corpus.py: made-up articles and sentences only; none of CRAFT's."""

import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab

from craftner_spacy.corpus import (
    ASCII_OF_CHARACTER,
    Article,
    Sentence,
    SentenceWindows,
    article_doc,
    entities_of_tags,
    fold,
    iob_doc,
    project,
    read_articles,
    read_iob,
    sentence_windows,
)

TITLE = "Tiny\u00a0β-globin tales"
# Greek, spaces that do not break or are thin, a line break in a sentence, micro, minus, prime, arrow, dashes,
# accents (composed and combining), a repeated sentence, plus-minus, and a line that the corpus does not have.
TEXT = (
    f"{TITLE}\n\n"
    "Mice ate 5\u2009± 2 µg of\nzinc.\n"
    "They slept.\n\n"
    "Copyright line, not in the corpus\n"
    "α2−/− mice → 5′ ends—naïve cafe\u0301.\n"
    "They slept. "
)
SENTENCES = [
    Sentence(
        ("Tiny", "beta", "-", "globin", "tales"), ("O", "B-Protein", "I-Protein", "I-Protein", "B-Sequence")
    ),
    Sentence(
        ("Mice", "ate", "5", "+", "/", "-", "2", "microg", "of", "zinc", "."),
        ("B-Taxon", "O", "O", "O", "B-Sequence", "O", "O", "O", "O", "B-Chemical", "O"),
    ),
    Sentence(("They", "slept", "."), ("B-Taxon", "O", "O")),
    Sentence(("This", "is", "nowhere", "."), ("O", "O", "B-Cell", "O")),
    Sentence(
        ("alpha2-/-", "mice", "-->", "5'", "ends", "--", "naive", "cafe", "."),
        ("B-Protein", "B-Taxon", "O", "B-Sequence", "I-Sequence", "O", "O", "B-Cell", "O"),
    ),
    Sentence(("They", "slept", "."), ("B-Taxon", "O", "O")),
]


@pytest.fixture
def article() -> Article:
    [article] = project(SENTENCES, {"11": TEXT, "12": "Other title\nOther text."})
    return article


def write_docs(path: Path, *docs: Doc) -> Path:
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def iob(doc: Doc) -> list[tuple[str, str]]:
    return [(token.text, f"{token.ent_iob_}-{token.ent_type_}".strip("-")) for token in doc]


def test_iob_is_read_with_our_labels_and_adjacent_entities_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"mouse\tB-Taxon\r\nAbc1\tB-GGP\r\ngene\tI-GGP\r\n\r\n\r\nPlain\tO\n+\tB-SO\n+\tB-SO")
    assert read_iob(path) == [
        Sentence(("mouse", "Abc1", "gene"), ("B-Taxon", "B-Protein", "I-Protein")),
        Sentence(("Plain", "+", "+"), ("O", "B-Sequence", "B-Sequence")),
    ]


def test_a_byte_order_mark_is_not_part_of_the_first_word(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\xef\xbb\xbfPlain\tO\n")
    assert read_iob(path) == [Sentence(("Plain",), ("O",))]
    path.write_bytes(b"Plain\tO\n\xef\xbb\xbfnext\tO\n")
    assert read_iob(path) == [Sentence(("Plain", "\ufeffnext"), ("O", "O"))]


@pytest.mark.parametrize(
    ("line", "found", "allowed"),
    [
        (b"word", r"'word'", "one word, one tab and one tag"),
        (b"word O", r"'word O'", "one word, one tab and one tag"),
        (b"word\tO\tO", r"'word\\tO\\tO'", "one word, one tab and one tag"),
        (b"\tO", r"'\\tO'", "one word, one tab and one tag"),
        (b"word\tB-Gene", "unknown tag 'B-Gene'", "O, B- and I- with one of SO, CL, GGP, GO, Taxon, CHEBI"),
        (b"word\tGGP", "unknown tag 'GGP'", "O, B- and I-"),
        (b"word\tI-GGP", "'I-GGP' continues nothing", "B-GGP or I-GGP"),
        (b"w\xff\tO", r"b'w\\xff\\tO'", r"UTF-8 \(invalid start byte at byte 1\)"),
    ],
)
def test_a_malformed_line_is_refused_with_file_line_and_what_is_allowed(
    tmp_path: Path, line: bytes, found: str, allowed: str
) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(b"cell\tB-CL\n" + line + b"\n")
    with pytest.raises(ValueError, match=rf"bad\.tsv, line 2: .*{found}.*{allowed}"):
        read_iob(path)


def test_a_tag_does_not_continue_over_a_blank_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(b"cell\tB-CL\n\nline\tI-CL\n")
    with pytest.raises(ValueError, match=r"bad\.tsv, line 3: 'I-CL' continues nothing"):
        read_iob(path)


def test_articles_are_read_unchanged(tmp_path: Path) -> None:
    (tmp_path / "2.txt").write_bytes("β\r\ntext".encode())
    (tmp_path / "1.txt").write_bytes(b"one")
    (tmp_path / "notes.md").write_bytes(b"no article")
    assert read_articles(tmp_path) == {"1": "one", "2": "β\r\ntext"}


def test_articles_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no PMID\.txt file"):
        read_articles(tmp_path)
    (tmp_path / "1.txt").write_bytes(b"ab\xe9")
    with pytest.raises(ValueError, match=r"1\.txt has to be UTF-8 \(.* at byte 2\)"):
        read_articles(tmp_path)


def test_entities_of_tags_end_where_the_next_begins() -> None:
    assert entities_of_tags(["B-Cell", "I-Cell", "B-Cell", "O", "B-Taxon"]) == [
        ("Cell", 0, 1),
        ("Cell", 2, 2),
        ("Taxon", 4, 4),
    ]


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


def test_words_get_their_exact_characters(article: Article) -> None:
    assert article.pmid == "11"
    words = [[TEXT[a:b] for a, b in placed.spans] for placed in article.sentences if placed.spans is not None]
    assert words == [
        ["Tiny", "β", "-", "globin", "tales"],
        ["Mice", "ate", "5", "±", "±", "±", "2", "µg", "of", "zinc", "."],
        ["They", "slept", "."],
        ["α2−/−", "mice", "→", "5′", "ends", "—", "naïve", "cafe\u0301", "."],
        ["They", "slept", "."],
    ]
    repeated = [
        placed.spans[0][0]
        for placed in article.sentences
        if placed.spans and placed.sentence.words[0] == "They"
    ]
    assert repeated == [TEXT.index("They"), TEXT.rindex("They")]


def test_entities_are_exact_characters_and_a_shared_one_is_not_lost(article: Article) -> None:
    assert [(TEXT[start:end], label) for start, end, label in article.entities] == [
        ("β-globin", "Protein"),
        ("tales", "Sequence"),
        ("Mice", "Taxon"),
        ("±", "Sequence"),
        ("zinc", "Chemical"),
        ("They", "Taxon"),
        ("α2−/−", "Protein"),
        ("mice", "Taxon"),
        ("5′ ends", "Sequence"),
        ("cafe\u0301", "Cell"),
        ("They", "Taxon"),
    ]


def test_a_sentence_that_is_missing_is_counted_and_its_neighbours_are_placed(article: Article) -> None:
    assert article.unplaced == [SENTENCES[3]]
    assert [placed.spans is None for placed in article.sentences] == [False, False, False, True, False, False]


def test_documents_begin_at_titles_and_follow_the_corpus() -> None:
    sentences = [Sentence((word,), ("O",)) for word in ("Second", "Same.", "First", "Same.", "First")]
    articles = {"1": "First\nSame. First", "2": "\n Second\nSame.", "3": "Third\nSame."}
    first, second = project(sentences, articles)
    assert (first.pmid, [placed.spans for placed in first.sentences]) == ("2", [((2, 8),), ((9, 14),)])
    assert (second.pmid, [placed.spans for placed in second.sentences]) == (
        "1",
        [((0, 5),), ((6, 11),), ((12, 17),)],
    )


def test_the_search_ends_at_its_reach() -> None:
    far = {"1": "Title\n" + "x " * 30 + "End here"}
    sentences = [Sentence(("Title",), ("O",)), Sentence(("End",), ("O",)), Sentence(("here",), ("O",))]
    assert [len(project(sentences, far, reach=reach)[0].unplaced) for reach in (30, 29, 0)] == [0, 1, 2]


def test_unplaced_sentences_widen_the_reach_by_twice_their_length() -> None:
    text = {"1": "Title\n" + "x " * 8 + "End"}
    for lost, unplaced in ((["abcd"], 1), (["abc"], 2), (["ab", "cd"], 2), (["ab", "c"], 3)):
        sentences = [Sentence((word,), ("O",)) for word in ("Title", *lost, "End")]
        assert len(project(sentences, text, reach=0)[0].unplaced) == unplaced


def places(text: str, word: str, reach: int = 2000) -> tuple[tuple[int, int], ...] | None:
    """Where a sentence of one word is found behind the title of a text."""
    [article] = project([Sentence((part,), ("O",)) for part in ("T", word)], {"1": f"T\n{text}"}, reach=reach)
    spans = article.sentences[1].spans
    return spans and tuple((start - 2, end - 2) for start, end in spans)


def test_after_a_place_inside_a_word_the_next_one_within_reach_is_taken() -> None:
    assert places("redo do do", "do") == ((5, 7),)
    assert places("redo do", "do", reach=4) == ((5, 7),)
    assert places("redo do", "do", reach=3) is None
    # The two places share a character.
    assert places("ba aa", "aa") == ((3, 5),)
    # The title is not one of them.
    assert places("redT T", "T") == ((5, 6),)


@pytest.mark.parametrize("word", ["a", "alph", "lpha", "lph"])
def test_a_character_that_folds_to_several_is_found_whole(word: str) -> None:
    assert places("x α y", word) is None
    assert places("x α y", "alpha") == ((2, 3),)


def test_an_article_of_one_character_is_placed() -> None:
    [article] = project([Sentence(("beta",), ("B-Protein",))], {"1": "β"})
    assert article.entities == [(0, 1, "Protein")]


def test_a_sentence_neither_begins_in_a_word_nor_cuts_a_character() -> None:
    text = {"1": "Title\nxpha αx alpha."}
    sentences = [Sentence((word,), ("O",)) for word in ("Title", "pha", "alphax")]
    [article] = project(sentences, text)
    assert [placed.spans for placed in article.sentences] == [((0, 5),), None, ((11, 13),)]
    [article] = project([*sentences[:1], Sentence(("alph",), ("O",))], {"1": "Title α"[:5] + "\nα b"})
    assert article.sentences[1].spans is None


def test_the_words_of_a_sentence_without_a_place_are_not_given_to_the_next_one() -> None:
    tags = ("O", "O", "B-Cell", "B-Taxon", "O")
    sentences = [
        Sentence(("A",), ("O",)),
        Sentence(("b", "1", "+", "/-", "2"), tags),
        Sentence(("b",), ("B-Cell",)),
    ]
    [article] = project(sentences, {"1": "A\nb 1±2 b"})
    assert article.unplaced == sentences[1:2]
    assert article.entities == [(8, 9, "Cell")]


def test_a_sentence_whose_entities_share_a_character_is_counted_not_shortened() -> None:
    tags = ("O", "B-Cell", "B-Taxon", "O")
    [article] = project([Sentence(("A",), ("O",)), Sentence(("1", "+", "/-", "2"), tags)], {"1": "A\n1±2"})
    assert article.unplaced == [Sentence(("1", "+", "/-", "2"), tags)]
    assert article.entities == []


@pytest.mark.parametrize(
    "sentence",
    [Sentence((), ()), Sentence(("A", ""), ("O", "O")), Sentence(("A",), ())],
)
def test_a_sentence_without_words_or_tags_is_refused(sentence: Sentence) -> None:
    with pytest.raises(ValueError, match="Sentence 1 has to hold words and one tag for each"):
        project([sentence], {"1": "A"})


def test_unknown_title_and_negative_reach_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'No title', has to be the title of one of 1 articles"):
        project([Sentence(("No", "title"), ("O", "O"))], {"1": "Title"})
    with pytest.raises(ValueError, match=r"reach = -1: .* 0 or more"):
        project([], {}, reach=-1)


def test_article_doc_is_the_true_text_with_gold_and_missing(article: Article) -> None:
    vocab = Vocab()
    doc = article_doc(vocab, article)
    assert doc.vocab is vocab
    assert doc.text == TEXT
    assert doc.user_data["pmid"] == "11"
    assert [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] == article.entities
    assert iob(doc)[:14] == [
        ("Tiny", "O"),
        ("\u00a0", "O"),
        ("β", "B-Protein"),
        ("-", "I-Protein"),
        ("globin", "I-Protein"),
        ("tales", "B-Sequence"),
        ("\n\n", "O"),
        ("Mice", "B-Taxon"),
        ("ate", "O"),
        ("5", "O"),
        ("\u2009", "O"),
        ("±", "B-Sequence"),
        ("2", "O"),
        ("µg", "O"),
    ]
    assert [token.text for token in doc if token.ent_iob == 0] == "Copyright line , not in the corpus".split()
    assert [sent.text for sent in doc.sents] == [
        f"{TITLE}\n\n",
        "Mice ate 5\u2009± 2 µg of\nzinc.\n",
        "They slept.\n\n",
        "Copyright line, not in the corpus\n",
        "α2−/− mice → 5′ ends—naïve cafe\u0301.\n",
        "They slept.",
    ]


def test_words_are_cut_around_a_shared_character_so_that_entities_stay_exact() -> None:
    sentences = [Sentence(("A",), ("O",)), Sentence(("x+", "/-y", "z"), ("O", "B-Cell", "B-Taxon"))]
    [article] = project(sentences, {"1": "A\nx±y z"})
    doc = article_doc(Vocab(), article)
    assert doc.text == "A\nx±y z"
    assert iob(doc) == [
        ("A", "O"),
        ("\n", "O"),
        ("x", "O"),
        ("±", "B-Cell"),
        ("y", "I-Cell"),
        ("z", "B-Taxon"),
    ]


def test_white_space_in_an_entity_is_inside_and_at_the_start_belongs_to_the_first_sentence() -> None:
    sentences = [Sentence(("mast", "cell"), ("B-Cell", "I-Cell"))]
    [article] = project(sentences, {"1": "\n mast  cell\nrest "})
    doc = article_doc(Vocab(), article)
    assert doc.text == "\n mast  cell\nrest "
    assert article.unplaced == []
    assert iob(doc) == [
        ("\n ", "O"),
        ("mast", "B-Cell"),
        (" ", "I-Cell"),
        ("cell", "I-Cell"),
        ("\n", "O"),
        ("rest", ""),
    ]
    assert [sent.text for sent in doc.sents] == ["\n mast  cell\n", "rest"]


@pytest.mark.parametrize("text", ["", " ", "\n\n", "A b."])
def test_article_doc_without_sentences_keeps_the_text_and_knows_nothing(text: str) -> None:
    doc = article_doc(Vocab(), Article("1", text, ()))
    assert doc.text == text
    assert all(token.ent_iob == (2 if token.text.isspace() else 0) for token in doc)
    assert [token.text for token in doc if token.is_sent_start] == [token.text for token in doc][:1]


def test_iob_doc_has_the_corpus_words_one_to_one() -> None:
    vocab = Vocab()
    doc = iob_doc(vocab, SENTENCES, "11")
    assert doc.vocab is vocab
    assert [token.text for token in doc] == [word for sentence in SENTENCES for word in sentence.words]
    assert doc.text == " ".join(word for sentence in SENTENCES for word in sentence.words)
    tags = [tag for sentence in SENTENCES for tag in sentence.tags]
    assert [tag for _, tag in iob(doc)] == tags
    assert [len(sent) for sent in doc.sents] == [len(sentence.words) for sentence in SENTENCES]
    assert doc.user_data == {"pmid": "11"}
    assert len(iob_doc(Vocab(), [], "12")) == 0


FOLDABLE = st.sampled_from([*"abXY19.,+-/'()", *ASCII_OF_CHARACTER, *"αβΔéüñÅ–“”’", "e\u0301"])
WORD = st.lists(FOLDABLE, min_size=1, max_size=6).map("".join)
SPACE = st.sampled_from(["", " ", "  ", "\n", " \n", "\u00a0", "\u2009", "\n\n"])
TAG = st.sampled_from(["O", "B-Cell", "B-Taxon"])
SENTENCE_PARTS = st.lists(st.tuples(WORD, SPACE, TAG), min_size=1, max_size=6)


@given(st.lists(SENTENCE_PARTS, min_size=1, max_size=6), SPACE)
def test_projection_gives_back_exact_offsets(parts: list[list[tuple[str, str, str]]], ahead: str) -> None:
    text, sentences, spans = (
        ahead + "Title\n",
        [Sentence(("Title",), ("O",))],
        [((len(ahead), len(ahead) + 5),)],
    )
    for sentence in parts:
        offsets = []
        for word, space, _ in sentence:
            offsets.append((len(text), len(text) + len(word)))
            text += word + space
        words = tuple(fold(word).text for word, _, _ in sentence)
        sentences.append(Sentence(words, tuple(tag for _, _, tag in sentence)))
        spans.append(tuple(offsets))
    [article] = project(sentences, {"1": text})
    assert [placed.spans for placed in article.sentences] == spans
    for sentence, placed in article.sentences:
        assert placed is not None
        assert tuple(fold(text[start:end]).text for start, end in placed) == sentence.words
    doc = article_doc(Vocab(), article)
    assert doc.text == text
    assert [token.text for token in doc if not token.text.isspace()] == [
        text[a:b] for row in spans for a, b in row
    ]
    assert [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] == article.entities
    assert len(doc.ents) == sum(tag != "O" for sentence in sentences for tag in sentence.tags)
    assert sum(token.is_sent_start for token in doc) == len(sentences)


@given(st.text(max_size=40), st.lists(SENTENCE_PARTS, max_size=3))
def test_the_doc_is_any_text_whatever_is_placed(rest: str, parts: list[list[tuple[str, str, str]]]) -> None:
    text = "Title\n" + rest
    sentences = [
        Sentence(tuple(fold(word).text for word, _, _ in row), tuple(tag for _, _, tag in row))
        for row in parts
    ]
    [article] = project([Sentence(("Title",), ("O",)), *sentences], {"1": text})
    doc = article_doc(Vocab(), article)
    assert doc.text == text
    assert [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] == article.entities
    known = {i for placed in article.sentences for a, b in placed.spans or () for i in range(a, b)}
    for token in doc:
        if not token.text.isspace() and not unicodedata.category(token.text[0]).startswith("M"):
            assert (token.ent_iob != 0) == (token.idx in known), token


def windows_of(path: Path, max_tokens: int) -> list[Example]:
    return list(SentenceWindows(path, max_tokens=max_tokens)(spacy.blank("en")))


def test_each_sentence_alone(tmp_path: Path, article: Article) -> None:
    path = write_docs(tmp_path / "a.spacy", article_doc(Vocab(), article))
    examples = windows_of(path, 0)
    assert [example.reference.text.strip(" ") for example in examples] == [
        TITLE,
        "Mice ate 5\u2009± 2 µg of\nzinc.",
        "They slept.",
        "Copyright line, not in the corpus",
        "α2−/− mice → 5′ ends—naïve cafe\u0301.",
        "They slept.",
    ]
    assert [(ent.text, ent.label_) for ent in examples[4].reference.ents] == [
        ("α2−/−", "Protein"),
        ("mice", "Taxon"),
        ("5′ ends", "Sequence"),
        ("cafe\u0301", "Cell"),
    ]
    assert [token.ent_iob for token in examples[3].reference] == [0] * 7
    assert {example.reference.user_data["pmid"] for example in examples} == {"11"}
    for example in examples:
        assert example.predicted.text == example.reference.text
        assert not example.predicted.ents


def test_windows_hold_whole_sentences_up_to_max_tokens(tmp_path: Path, article: Article) -> None:
    doc = article_doc(Vocab(), article)
    path = write_docs(tmp_path / "a.spacy", doc)
    counts = [sum(not token.text.isspace() for token in sent) for sent in doc.sents]
    assert counts == [5, 9, 3, 7, 9, 3]

    def sizes(max_tokens: int) -> list[int]:
        docs = [example.reference for example in windows_of(path, max_tokens)]
        return [sum(not token.text.isspace() for token in reference) for reference in docs]

    assert sizes(1) == counts
    assert sizes(11) == [5, 9, 10, 9, 3]
    assert sizes(12) == [5, 12, 7, 12]
    assert sizes(14) == [14, 10, 12]
    assert sizes(36) == [36]
    assert [len(list(example.reference.sents)) for example in windows_of(path, 14)] == [2, 2, 2]


def test_windows_do_not_go_over_documents(tmp_path: Path) -> None:
    docs = [iob_doc(Vocab(), [Sentence((word,), ("O",))], word) for word in ("one", "two")]
    path = write_docs(tmp_path / "a.spacy", *docs)
    assert [example.reference.text for example in windows_of(path, 100)] == ["one", "two"]


def test_adjacent_entities_stay_apart_and_missing_stays_missing_in_windows(tmp_path: Path) -> None:
    tags = ["B-Cell", "B-Cell", "I-Cell", "", "O", "B-Taxon", "B-Cell"]
    doc = Doc(Vocab(), words=list("abcdefg"), sent_starts=[True, *[False] * 4, True, False], ents=tags)
    path = write_docs(tmp_path / "a.spacy", doc)
    for max_tokens, expected in ((0, [tags[:5], tags[5:]]), (7, [tags])):
        found = [[tag for _, tag in iob(example.reference)] for example in windows_of(path, max_tokens)]
        assert found == expected


def test_a_sentence_border_inside_an_entity_is_no_border() -> None:
    doc = Doc(
        Vocab(),
        words=list("abcd"),
        sent_starts=[True, False, True, True],
        ents=["O", "B-Cell", "I-Cell", "O"],
    )
    assert [window.text for window in sentence_windows(doc, 0)] == ["a b c", "d"]
    doc = Doc(Vocab(), words=list("abc"), sent_starts=[True, True, True], ents=["B-Cell", "I-Cell", "O"])
    assert [window.text for window in sentence_windows(doc, 0)] == ["a b", "c"]


def test_a_document_that_begins_inside_an_entity_loses_no_word() -> None:
    doc = Doc(Vocab(), words=list("ab"), sent_starts=[True, True], ents=["I-Cell", "O"])
    assert [window.text for window in sentence_windows(doc, 0)] == ["a", "b"]


def test_white_space_around_windows_is_left_out_and_inside_kept() -> None:
    words = ["\n", "a", "\n\n", "b", "\n", "\n"]
    doc = Doc(Vocab(), words=words, spaces=[False] * 6, sent_starts=[True, False, False, True, False, True])
    assert [window.text for window in sentence_windows(doc, 0)] == ["a", "b"]
    assert [window.text for window in sentence_windows(doc, 2)] == ["a\n\nb"]
    blank = Doc(Vocab(), words=["\n"], spaces=[False], sent_starts=[True])
    assert sentence_windows(blank, 5) == []
    assert sentence_windows(Doc(Vocab()), 5) == []


@given(
    st.lists(
        st.lists(st.sampled_from(["O", "B-Cell", "I-Cell", ""]), min_size=1, max_size=5),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 12),
)
def test_windows_never_lose_a_word_or_an_entity(rows: list[list[str]], max_tokens: int) -> None:
    tags = [tag for row in rows for tag in row]
    tags = [
        "B-Cell" if tag == "I-Cell" and (i == 0 or tags[i - 1] in ("O", "")) else tag
        for i, tag in enumerate(tags)
    ]
    doc = Doc(
        Vocab(),
        words=[f"w{index}" for index in range(len(tags))],
        sent_starts=[index == 0 for row in rows for index in range(len(row))],
        ents=tags,
    )
    windows = sentence_windows(doc, max_tokens)
    assert [token.i for window in windows for token in window] == list(range(len(doc)))
    references = [window.as_doc() for window in windows]
    assert [tag for reference in references for _, tag in iob(reference)] == [tag for _, tag in iob(doc)]
    assert sum(len(reference.ents) for reference in references) == len(doc.ents)
    for window in windows:
        borders = [sent.start for sent in window.sents if sent[0].ent_iob_ != "I"]
        assert len(window) <= max_tokens or len(borders) <= 1
    groups = [sent.start for sent in doc.sents if sent[0].ent_iob_ != "I"]
    end_of_group = dict(pairwise([*groups, len(doc)]))
    for left, right in pairwise(windows):
        assert end_of_group[right.start] - left.start > max_tokens


def test_a_folder_is_read_sorted_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/a.spacy", "b.spacy"):
        write_docs(tmp_path / name, iob_doc(Vocab(), [Sentence((name,), ("O",))], "1"))
    (tmp_path / "c.txt").write_text("no DocBin")
    assert [example.reference.text for example in windows_of(tmp_path, 0)] == ["b.spacy", "sub/a.spacy"]


def test_the_reader_is_registered_and_takes_its_settings_from_a_config(tmp_path: Path) -> None:
    path = write_docs(tmp_path / "a.spacy", iob_doc(Vocab(), SENTENCES, "11"))

    def count(**settings: object) -> int:
        block = {"@readers": "craftner_spacy.SentenceWindows.v1", "path": str(path), **settings}
        return len(list(registry.resolve({"corpus": block})["corpus"](spacy.blank("en"))))

    assert (count(), count(max_tokens=0), count(max_tokens=1000)) == (6, 6, 1)


def test_the_augmenter_decides_what_is_read(tmp_path: Path) -> None:
    path = write_docs(tmp_path / "a.spacy", iob_doc(Vocab(), SENTENCES[:2], "11"))

    def twice(nlp: Language, example: Example) -> Iterator[Example]:
        yield example
        yield Example(nlp.make_doc("other"), Doc(nlp.vocab, words=["other"]))

    texts = [example.reference.text for example in SentenceWindows(path, augmenter=twice)(spacy.blank("en"))]
    assert texts[1::2] == ["other ", "other "]
    assert len(texts) == 4


@pytest.mark.parametrize("value", [-1, 1.5, True, "8", None])
def test_wrong_max_tokens_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError, match=rf"max_tokens = {value!r}: has to be a whole number, 0 or more"):
        SentenceWindows(tmp_path, max_tokens=value)  # type: ignore[arg-type]


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^path = None: has to be a \.spacy file or a folder of them\.$"):
        SentenceWindows(None)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.spacy': there is no such file"):
        SentenceWindows(tmp_path / "nowhere.spacy")
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path.name}': the folder holds no \.spacy file"):
        SentenceWindows(tmp_path)


def test_a_document_without_sentence_starts_is_refused(tmp_path: Path) -> None:
    path = write_docs(tmp_path / "a.spacy", Doc(Vocab(), words=["a", "b"]))
    with pytest.raises(ValueError, match=r"a\.spacy, document 1: has to hold sentence starts"):
        windows_of(path, 0)
