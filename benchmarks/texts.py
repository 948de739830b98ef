"""The texts that are annotated: sentences, abstracts and articles, cut from a folder of articles."""

import re
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

import spacy

KINDS = ("sentences", "abstracts", "articles")
ABSTRACT_WORDS = 250


def read(articles: Path) -> list[str]:
    """The texts of a folder's .txt files, sorted by name."""
    return [path.read_text(encoding="utf8") for path in sorted(articles.glob("*.txt"))]


def cut(texts: Sequence[str], kind: str, forever: bool = False) -> Iterator[str]:
    """Sentences, abstracts of `ABSTRACT_WORDS` words, or the articles themselves.

    kind (str): one of `KINDS`.
    forever (bool): whether to repeat the texts; abstracts are cut at other words each time.
    """
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    for turn in count() if forever else [0]:
        for text in texts:
            if kind == "articles":
                yield text
            elif kind == "sentences":
                yield from (sent.text.strip() for sent in nlp(text).sents if sent.text.strip())
            else:
                words = text.split()[turn:]
                starts = range(0, len(words) - ABSTRACT_WORDS, ABSTRACT_WORDS)
                yield from (" ".join(words[i : i + ABSTRACT_WORDS]) for i in starts)


def take_words(texts: Iterator[str], n_words: int) -> Iterator[str]:
    """Texts with `n_words` words in all. The last one is cut, since a whole article takes a slow model long.

    >>> list(take_words(iter(["a b", "c d e", "f"]), 4))
    ['a b', 'c d']
    """
    for text in texts:
        ends = [word.end() for word in islice(re.finditer(r"\S+", text), n_words)]
        if ends:
            yield text[: ends[-1]]
        n_words -= len(ends)
        if n_words <= 0:
            return


def count_words(texts: Sequence[str]) -> int:
    """Words of all texts, separated by white space."""
    return sum(len(text.split()) for text in texts)
