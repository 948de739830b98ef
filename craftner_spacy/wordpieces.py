"""From text to wordpieces, and the wordpieces of each word."""

from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import category

import numpy as np
from transformers import PreTrainedTokenizerFast

from .types import Ints

_MINUS = "\u2212"
"""A letter for BERT's pre-tokenizer, which would join it to the gene before it (``Sam68\u2212/\u2212``)."""

_IS_SPACE = np.array([chr(code).isspace() for code in range(0x3001)] + [False])
"""Whether a code point is white space; the last entry is for all code points from there on."""


class Wordpieces(NamedTuple):
    """The wordpieces of one text, without special tokens, and its words (the tokenizer's pre-tokens).

    ids (n_pieces,): vocabulary ids.
    word_pieces (n_words, 2): start and end of each word, in wordpieces, in order.
    word_chars (n_words, 2): start and end of each word, in characters, white space trimmed.
    """

    ids: Ints
    word_pieces: Ints
    word_chars: Ints


class SpecialPieces(NamedTuple):
    """Vocabulary ids that the encoder expects around each window, and the one of the padding."""

    prefix: list[int]
    suffix: list[int]
    padding: int

    @property
    def number(self) -> int:
        """Special pieces around a window."""
        return len(self.prefix) + len(self.suffix)


def special_pieces(tokenizer: PreTrainedTokenizerFast) -> SpecialPieces:
    """The special tokens that the tokenizer puts around a text: ``[CLS]`` and ``[SEP]`` for BERT."""
    encoding = tokenizer.backend_tokenizer.encode("a", add_special_tokens=True)
    inner = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
    first, last = (inner[0], inner[-1]) if inner else (len(encoding.ids), len(encoding.ids))
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    return SpecialPieces(encoding.ids[:first], encoding.ids[last + 1 :], padding)


def split_texts(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[Wordpieces]:
    """Wordpieces and words of each text, whole: nothing is truncated or padded.

    tokenizer: a fast tokenizer with neither truncation nor padding set.
    texts: of any length; an empty one gives empty arrays.
    """
    encodings = tokenizer.backend_tokenizer.encode_batch(
        [text.replace(_MINUS, "-") for text in texts], add_special_tokens=False
    )
    return [
        _words(np.array(enc.ids, dtype=np.int64), enc.word_ids, enc.offsets, text)
        for enc, text in zip(encodings, texts, strict=True)
    ]


def _words(ids: Ints, word_ids: list[int | None], offsets: list[tuple[int, int]], text: str) -> Wordpieces:
    """Collect the wordpieces of each word; white space is no word."""
    if not len(ids):
        none = np.zeros((0, 2), dtype=np.int64)
        return Wordpieces(ids, none, none)
    words = np.array([-1 if word is None else word for word in word_ids], dtype=np.int64)
    chars = np.array(offsets, dtype=np.int64)
    starts = np.flatnonzero(np.diff(words, prepend=words[0] - 1))
    ends = np.append(starts[1:], len(ids))
    spans = np.stack([chars[starts, 0], chars[ends - 1, 1]], axis=1)
    spans = _trim(spans, text)
    kept = (spans[:, 0] < spans[:, 1]) & (words[starts] >= 0)
    return Wordpieces(ids, np.stack([starts, ends], axis=1)[kept], _with_marks(spans[kept], text))


def _with_marks(spans: Ints, text: str) -> Ints:
    """Add to each word the combining marks after it, which tokenizers that strip accents leave out."""
    marks = {char for char in set(text) if char > "\u02ff" and category(char).startswith("M")}
    if not marks:
        return spans
    others = np.array([i for i, char in enumerate(text) if char not in marks] + [len(text)], dtype=np.int64)
    ends = others[np.searchsorted(others, spans[:, 1])]
    limits = np.append(spans[1:, 0], len(text))[: len(spans)]
    return np.stack([spans[:, 0], np.where(ends <= limits, ends, spans[:, 1])], axis=1)


def _trim(spans: Ints, text: str) -> Ints:
    """Remove white space at both ends of each span of characters."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    visible = np.flatnonzero(~_IS_SPACE[np.minimum(codes, len(_IS_SPACE) - 1)])
    first = np.searchsorted(visible, spans[:, 0], side="left")
    last = np.searchsorted(visible, spans[:, 1], side="left") - 1
    blank = last < first
    if blank.all():
        return np.zeros_like(spans)
    trimmed = np.stack([visible[np.minimum(first, len(visible) - 1)], visible[last] + 1], axis=1)
    trimmed[blank] = 0
    return trimmed
