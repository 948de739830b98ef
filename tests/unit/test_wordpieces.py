"""Wordpieces and words of a text, and the pieces that the encoder expects around them."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from craftner_spacy.wordpieces import Wordpieces, special_pieces, split_texts


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


@pytest.fixture(scope="module")
def bert(tiny_model: Path) -> PreTrainedTokenizerFast:
    return load_tokenizer(tiny_model)


@pytest.fixture(scope="module")
def roberta(tiny_roberta: Path) -> PreTrainedTokenizerFast:
    return load_tokenizer(tiny_roberta)


def words(text: str, wordpieces: Wordpieces) -> list[str]:
    return [text[start:end] for start, end in wordpieces.word_chars.tolist()]


def pieces(tokenizer: PreTrainedTokenizerFast, wordpieces: Wordpieces) -> list[list[str]]:
    names = tokenizer.convert_ids_to_tokens(wordpieces.ids.tolist())
    return [names[start:end] for start, end in wordpieces.word_pieces.tolist()]


def test_words_are_runs_of_wordpieces_with_their_characters(bert: PreTrainedTokenizerFast) -> None:
    text = " mouse  kinase-like\n"
    [wordpieces] = split_texts(bert, [text])
    assert words(text, wordpieces) == ["mouse", "kinase", "-", "like"]
    assert pieces(bert, wordpieces) == [["mouse"], ["kinase"], ["-"], ["l", "##i", "##k", "##e"]]
    assert wordpieces.word_chars.tolist() == [[1, 6], [8, 14], [14, 15], [15, 19]]


def test_white_space_is_no_part_of_a_byte_level_word(roberta: PreTrainedTokenizerFast) -> None:
    text = " mouse  kinase\u00a0\n"
    [wordpieces] = split_texts(roberta, [text])
    assert words(text, wordpieces) == ["mouse", "kinase"]
    assert wordpieces.word_chars.tolist() == [[1, 6], [8, 14]]


def test_a_minus_sign_is_read_as_a_hyphen(bert: PreTrainedTokenizerFast) -> None:
    hyphens, minus = split_texts(bert, ["Sam-/-", "Sam\u2212/\u2212"])
    assert minus.ids.tolist() == hyphens.ids.tolist()
    assert minus.word_chars.tolist() == hyphens.word_chars.tolist() == [[0, 3], [3, 4], [4, 5], [5, 6]]


@pytest.mark.parametrize("text", ["", " ", " \n\t ", "\u2009\u00a0\u3000"])
def test_a_blank_text_has_no_words(
    text: str, bert: PreTrainedTokenizerFast, roberta: PreTrainedTokenizerFast
) -> None:
    for tokenizer in (bert, roberta):
        [blank, other] = split_texts(tokenizer, [text, "mouse"])
        assert blank.word_pieces.shape == blank.word_chars.shape == (0, 2)
        assert words("mouse", other) == ["mouse"]


def test_special_pieces_are_those_of_the_model(
    bert: PreTrainedTokenizerFast, roberta: PreTrainedTokenizerFast
) -> None:
    for tokenizer, names in ((bert, ["[CLS]", "[SEP]", "[PAD]"]), (roberta, ["<s>", "</s>", "<pad>"])):
        prefix, suffix, padding = special_pieces(tokenizer)
        assert tokenizer.convert_ids_to_tokens([*prefix, *suffix, padding]) == names
        assert len(prefix) == len(suffix) == 1
