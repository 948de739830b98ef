"""sentence_windows.py: made-up documents only."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab
from tiny_corpus import SENTENCES, TITLE, iob, write_docs

from craftner_spacy.training.corpus import Sentence, iob_doc
from craftner_spacy.training.projection import Article, article_doc
from craftner_spacy.training.sentence_windows import SentenceWindows, sentence_windows


def windows_of(path: Path, max_tokens: int) -> list[Example]:
    return list(SentenceWindows(path, max_tokens=max_tokens)(spacy.blank("en")))


def test_each_sentence_is_a_window_without_max_tokens(tmp_path: Path, article: Article) -> None:
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


def test_a_window_is_of_one_document(tmp_path: Path) -> None:
    docs = [iob_doc(Vocab(), [Sentence((word,), ("O",))], word) for word in ("one", "two")]
    path = write_docs(tmp_path / "a.spacy", *docs)
    assert [example.reference.text for example in windows_of(path, 100)] == ["one", "two"]


def test_adjacent_entities_stay_separate_and_missing_tags_stay_missing(tmp_path: Path) -> None:
    tags = ["B-Cell", "B-Cell", "I-Cell", "", "O", "B-Taxon", "B-Cell"]
    doc = Doc(Vocab(), words=list("abcdefg"), sent_starts=[True, *[False] * 4, True, False], ents=tags)
    path = write_docs(tmp_path / "a.spacy", doc)
    for max_tokens, expected in ((0, [tags[:5], tags[5:]]), (7, [tags])):
        windows = windows_of(path, max_tokens)
        assert [[tag for _, tag in iob(example.reference)] for example in windows] == expected


def test_a_window_does_not_end_inside_an_entity() -> None:
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


def test_white_space_is_left_out_around_windows_and_kept_inside() -> None:
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
        borders = [token.i for token in window if token.is_sent_start and token.ent_iob_ != "I"]
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


def test_the_augmenter_replaces_examples(tmp_path: Path) -> None:
    path = write_docs(tmp_path / "a.spacy", iob_doc(Vocab(), SENTENCES[:2], "11"))

    def twice(nlp: Language, example: Example) -> Iterator[Example]:
        yield example
        yield Example(nlp.make_doc("other"), Doc(nlp.vocab, words=["other"]))

    texts = [example.reference.text for example in SentenceWindows(path, augmenter=twice)(spacy.blank("en"))]
    assert texts[1::2] == ["other ", "other "]
    assert len(texts) == 4


@pytest.mark.parametrize("value", [-1, 1.5, True, "8", None])
def test_wrong_max_tokens_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError, match=rf"max_tokens = {value!r}: allowed are whole numbers from 0"):
        SentenceWindows(tmp_path, max_tokens=value)  # type: ignore[arg-type]


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^path = None: allowed are a \.spacy file or a folder with such files$"
    ):
        SentenceWindows(None)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.spacy': there is no such file"):
        SentenceWindows(tmp_path / "nowhere.spacy")
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path.name}': the folder has no \.spacy file"):
        SentenceWindows(tmp_path)


def test_a_document_without_sentence_starts_gets_them_by_punctuation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = "Mice ran . We saw".split()
    path = write_docs(tmp_path / "a.spacy", Doc(Vocab(), words=words), Doc(Vocab(), words=[]))
    assert [example.reference.text for example in windows_of(path, 0)] == ["Mice ran . ", "We saw "]
    assert caplog.messages == [f"{path}: 1 documents have no sentence starts; they were set by punctuation"]
