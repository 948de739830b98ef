"""projection.py: made-up articles and sentences only; nothing of CRAFT's."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.vocab import Vocab
from tiny_corpus import SENTENCES, TEXT, TITLE, iob

from craftner_spacy.training.corpus import Sentence
from craftner_spacy.training.folding import ASCII_OF_CHARACTER, fold
from craftner_spacy.training.projection import Article, article_doc, project


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


def test_entities_have_exact_characters_also_where_words_share_one(article: Article) -> None:
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


def test_a_sentence_that_is_not_in_the_text_is_unplaced_and_the_others_are_placed(article: Article) -> None:
    assert article.unplaced == [SENTENCES[3]]
    assert [placed.spans is None for placed in article.sentences] == [False, False, False, True, False, False]


def test_documents_begin_at_titles_and_are_in_the_order_of_the_corpus() -> None:
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


def test_unplaced_sentences_extend_the_reach_by_twice_their_length() -> None:
    text = {"1": "Title\n" + "x " * 8 + "End"}
    for lost, unplaced in ((["abcd"], 1), (["abc"], 2), (["ab", "cd"], 2), (["ab", "c"], 3)):
        sentences = [Sentence((word,), ("O",)) for word in ("Title", *lost, "End")]
        assert len(project(sentences, text, reach=0)[0].unplaced) == unplaced


def places(text: str, word: str, reach: int = 2000) -> tuple[tuple[int, int], ...] | None:
    """The position of a sentence of one word after the title of a text."""
    [article] = project([Sentence((part,), ("O",)) for part in ("T", word)], {"1": f"T\n{text}"}, reach=reach)
    spans = article.sentences[1].spans
    return spans and tuple((start - 2, end - 2) for start, end in spans)


def test_a_match_inside_a_word_is_skipped_for_the_next_one_within_reach() -> None:
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


def test_a_sentence_neither_begins_inside_a_word_nor_splits_a_character() -> None:
    text = {"1": "Title\nxpha αx alpha."}
    sentences = [Sentence((word,), ("O",)) for word in ("Title", "pha", "alphax")]
    [article] = project(sentences, text)
    assert [placed.spans for placed in article.sentences] == [((0, 5),), None, ((11, 13),)]
    [article] = project([*sentences[:1], Sentence(("alph",), ("O",))], {"1": "Title α"[:5] + "\nα b"})
    assert article.sentences[1].spans is None


def test_the_words_of_an_unplaced_sentence_are_not_used_for_the_next_one() -> None:
    tags = ("O", "O", "B-Cell", "B-Taxon", "O")
    sentences = [
        Sentence(("A",), ("O",)),
        Sentence(("b", "1", "+", "/-", "2"), tags),
        Sentence(("b",), ("B-Cell",)),
    ]
    [article] = project(sentences, {"1": "A\nb 1±2 b"})
    assert article.unplaced == sentences[1:2]
    assert article.entities == [(8, 9, "Cell")]


def test_a_sentence_whose_entities_share_a_character_is_unplaced() -> None:
    tags = ("O", "B-Cell", "B-Taxon", "O")
    [article] = project([Sentence(("A",), ("O",)), Sentence(("1", "+", "/-", "2"), tags)], {"1": "A\n1±2"})
    assert article.unplaced == [Sentence(("1", "+", "/-", "2"), tags)]
    assert article.entities == []


@pytest.mark.parametrize(
    "sentence",
    [Sentence((), ()), Sentence(("A", ""), ("O", "O")), Sentence(("A",), ())],
)
def test_a_sentence_without_words_or_tags_is_refused(sentence: Sentence) -> None:
    with pytest.raises(ValueError, match="sentence 1 has to have words, and one tag for each"):
        project([sentence], {"1": "A"})


def test_unknown_title_and_negative_reach_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'No title', has to be the title of one of the 1 articles"):
        project([Sentence(("No", "title"), ("O", "O"))], {"1": "Title"})
    with pytest.raises(ValueError, match=r"reach = -1: allowed are .* from 0"):
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


def test_words_are_split_around_a_shared_character_so_that_entities_stay_exact() -> None:
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


def test_white_space_is_inside_an_entity_and_belongs_to_the_first_sentence_at_the_start() -> None:
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
def test_article_doc_without_sentences_has_the_text_and_missing_tags(text: str) -> None:
    doc = article_doc(Vocab(), Article("1", text, ()))
    assert doc.text == text
    assert all(token.ent_iob == (2 if token.text.isspace() else 0) for token in doc)
    assert [token.text for token in doc if token.is_sent_start] == [token.text for token in doc][:1]


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
def test_the_doc_has_any_text_whatever_is_placed(rest: str, parts: list[list[tuple[str, str, str]]]) -> None:
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
