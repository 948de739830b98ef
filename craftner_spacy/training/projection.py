"""Projection of the labels of CRAFT-IOB on the true text of its articles, with exact character offsets.

The corpus is folded to ASCII and split into words; its articles are not. If an article is folded in the same
way, without its white space, the sentences of the corpus are substrings of it, in order. So each label has
exact offsets in the true text:

    article   IL-1β ± 2       folded   I L - 1 b e t a + / - 2       corpus   IL  -  1beta  +/-  2
              0123456 8                0 1 2 3 4 4 4 4 6 6 6 8                0-2 2-3 3-5   6-7  8-9
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from .corpus import Sentence, entities_of_tags
from .folding import Folded, fold

# The longest distance between two sentences that are next to each other in the corpus, in folded characters.
REACH = 2000
UNCOVERED_TOKEN = re.compile(r"\w+|[^\w\s]")


class PlacedSentence(NamedTuple):
    """A sentence and the position of its words in the article.

    sentence (Sentence): the sentence.
    spans (tuple[tuple[int, int], ...] | None): start and end of each word, in characters of the article;
        None: the sentence could not be placed.
    """

    sentence: Sentence
    spans: tuple[tuple[int, int], ...] | None


class Article(NamedTuple):
    """One article and all its sentences, in order.

    pmid (str): its PubMed id.
    text (str): its true text.
    sentences (tuple[PlacedSentence, ...]): all sentences that the corpus has of it.
    """

    pmid: str
    text: str
    sentences: tuple[PlacedSentence, ...]

    @property
    def unplaced(self) -> list[Sentence]:
        """The sentences that could not be placed in the text."""
        return [placed.sentence for placed in self.sentences if placed.spans is None]

    @property
    def entities(self) -> list[tuple[int, int, str]]:
        """Start, end (characters of the text) and label of each entity of the placed sentences, in order."""
        return [
            (spans[first][0], spans[last][1], label)
            for sentence, spans in self.sentences
            if spans is not None
            for label, first, last in entities_of_tags(sentence.tags)
        ]


def project(sentences: Iterable[Sentence], articles: Mapping[str, str], reach: int = REACH) -> list[Article]:
    """Put the sentences of the corpus on the true text of their articles.

    An article begins at a sentence that equals its title (its first line) and was not met before. Sentences
    are placed in order. A sentence is expected directly after the last placed one. Otherwise it is searched
    for, at white space, up to `reach` characters farther, plus twice the length of the sentences that were
    not found since. So a sentence that is not in the text does not affect the other ones.

    A character of the source is never split. If several words of the corpus correspond to one character
    (``+ / -`` to a plus-minus sign), each of them has the span of the whole character, and an entity on one
    of them is that character. A sentence in which two entities would share a character is not placed: no
    entity is silently left out or shortened. The next sentence is searched for after it. Combining marks that
    follow a word belong to it.

    sentences (Iterable[Sentence]): the sentences of a split, one document after the other.
    articles (Mapping[str, str]): true text by PMID; it may have articles of other splits, too.
    reach (int): how far a sentence may be from the one before it, in folded characters.
    RETURNS (list[Article]): the articles found, in the corpus's order, each with all its sentences.
    RAISES: ValueError if `reach` is negative, the first sentence is not the title of an article, or a
        sentence has no words, an empty word, or another number of tags than words.

    >>> first = Sentence(("beta", "cells"), ("B-Cell", "I-Cell"))
    >>> second = Sentence(("2", "+", "/", "-", "1"), ("O",) * 5)
    >>> [article] = project([first, second], {"7": "β cells\\n2±1"})
    >>> [placed.spans for placed in article.sentences]
    [((0, 1), (2, 7)), ((8, 9), (9, 10), (9, 10), (9, 10), (10, 11))]
    >>> article.entities
    [(0, 7, 'Cell')]
    """
    if reach < 0:
        raise ValueError(f"reach = {reach}: allowed are whole numbers of folded characters from 0")
    titles = {fold(text.lstrip().partition("\n")[0]).text: pmid for pmid, text in articles.items()}
    documents: list[tuple[str, list[Sentence]]] = []
    for number, sentence in enumerate(sentences, start=1):
        if not sentence.words or not all(sentence.words) or len(sentence.words) != len(sentence.tags):
            raise ValueError(f"sentence {number} has to have words, and one tag for each: {sentence}")
        pmid = titles.pop("".join(sentence.words), None)
        if pmid is not None:
            documents.append((pmid, []))
        if not documents:
            raise ValueError(
                f"the first sentence, {' '.join(sentence.words)!r}, has to be the title of one of the "
                f"{len(articles)} articles"
            )
        documents[-1][1].append(sentence)
    return [_place(pmid, articles[pmid], group, reach) for pmid, group in documents]


def _place(pmid: str, text: str, sentences: list[Sentence], reach: int) -> Article:
    """Place the sentences of one article."""
    folded = fold(text)
    cursor = pending = 0
    placed = []
    for sentence in sentences:
        length = sum(map(len, sentence.words))
        begin = _find("".join(sentence.words), text, folded, cursor, cursor + reach + 2 * pending)
        spans = None if begin is None else _word_spans(sentence, text, folded, begin)
        if begin is None:
            pending += length
        else:
            cursor, pending = begin + length, 0
        placed.append(PlacedSentence(sentence, spans))
    return Article(pmid, text, tuple(placed))


def _find(wanted: str, text: str, folded: Folded, cursor: int, last: int) -> int | None:
    """Where `wanted` begins in the folded text: at `cursor`, or after white space between it and `last`."""
    origin = folded.origin
    begin = folded.text.find(wanted, cursor, last + len(wanted))
    while begin >= 0:
        end = begin + len(wanted)
        at_border = begin == cursor or text[origin[begin] - 1].isspace()
        cuts_first = begin > 0 and origin[begin] == origin[begin - 1]
        cuts_last = end < len(origin) and origin[end] == origin[end - 1]
        if at_border and not cuts_first and not cuts_last:
            return begin
        begin = folded.text.find(wanted, begin + 1, last + len(wanted))
    return None


def _word_spans(
    sentence: Sentence, text: str, folded: Folded, begin: int
) -> tuple[tuple[int, int], ...] | None:
    """Span of each word in the source; None if two entities would share a character of the source."""
    spans = []
    for word in sentence.words:
        end = folded.origin[begin + len(word) - 1] + 1
        while end < len(text) and unicodedata.category(text[end]).startswith("M"):
            end += 1
        spans.append((folded.origin[begin], end))
        begin += len(word)
    entities = entities_of_tags(sentence.tags)
    for (_, _, last), (_, first, _) in pairwise(entities):
        if spans[first][0] < spans[last][1]:
            return None
    return tuple(spans)


def article_doc(vocab: Vocab, article: Article) -> Doc:
    """Make a Doc of an article's true text: ``doc.text == article.text``, character by character.

    The tokens are: the words of the corpus; white space, except a single space after a token; and in text
    that no placed sentence covers, runs of word characters and single other characters. Words that share a
    character of the source are split around it, so that each entity begins and ends at a token border. A
    sentence begins at each placed sentence and at each run of text that none covers. White space belongs to
    the sentence before it; at the start of the text, to the first one.

    The corpus says nothing about text that no placed sentence covers: the entity tag of its tokens is
    *missing*, not O, so that neither the loss nor the scores count it. Tokens of white space are O, or inside
    the entity around them.

    vocab (Vocab): the pipeline's vocabulary.
    article (Article): the article.
    RETURNS (Doc): with ``doc.ents``, sentence starts and ``doc.user_data["pmid"]``.

    >>> sentences = [Sentence(("beta", "cells"), ("B-Cell", "I-Cell"))]
    >>> [article] = project(sentences, {"7": "β cells\\n\\nMore."})
    >>> [(token.text, token.ent_iob_) for token in article_doc(Vocab(), article)]
    [('β', 'B'), ('cells', 'I'), ('\\n\\n', 'O'), ('More', ''), ('.', '')]
    """
    text = article.text
    tokens: list[tuple[int, int]] = []
    sentence_starts: set[int] = set()
    uncovered_starts: set[int] = set()
    for spans in [*(placed.spans for placed in article.sentences if placed.spans is not None), ()]:
        left = tokens[-1][1] if tokens else 0
        right = spans[0][0] if spans else len(text)
        uncovered = [match.span() for match in UNCOVERED_TOKEN.finditer(text, left, right)]
        borders = sorted({border for span in spans for border in span})
        words = [(start, end) for start, end in pairwise(borders) if not text[start:end].isspace()]
        for run in (uncovered, words):
            sentence_starts.update(start for start, _ in run[:1])
            tokens.extend(run)
        uncovered_starts.update(start for start, _ in uncovered)
    pieces, spaces = _with_white_space(text, tokens)
    starts = [start for start, _ in pieces]
    sent_starts: list[bool | int | None] = [start in sentence_starts for start in starts]
    if starts and starts[0] not in sentence_starts:
        # White space at the start of the text.
        sent_starts[:2] = [True, False][: len(starts)]
    doc = Doc(
        vocab,
        words=[text[start:end] for start, end in pieces],
        spaces=spaces,
        sent_starts=sent_starts,
        user_data={"pmid": article.pmid},
    )
    first_token = {start: index for index, (start, _) in enumerate(pieces)}
    end_token = {end: index for index, (_, end) in enumerate(pieces, start=1)}
    entities = [
        Span(doc, first_token[start], end_token[end], label=label) for start, end, label in article.entities
    ]
    missing = [doc[index : index + 1] for index, start in enumerate(starts) if start in uncovered_starts]
    doc.set_ents(entities, missing=missing)
    return doc


def _with_white_space(text: str, tokens: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[bool]]:
    """Add the text between the tokens as further tokens.

    RETURNS: start and end of each token, and whether one space follows it.
    """
    pieces: list[tuple[int, int]] = []
    spaces: list[bool] = []
    cursor = 0
    for start, end in [*tokens, (len(text), len(text))]:
        if pieces and cursor < start and text[cursor] == " ":
            spaces[-1] = True
            cursor += 1
        for piece in ((cursor, start), (start, end)):
            if piece[0] < piece[1]:
                pieces.append(piece)
                spaces.append(False)
        cursor = end
    return pieces, spaces
