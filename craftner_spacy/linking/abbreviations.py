"""Abbreviations that a text defines itself, by the algorithm of Schwartz and Hearst (2003).

A definition is a short form in parentheses after its long form, or the other way round. The characters of
the short form are looked for in the text before it, from right to left; its first one has to begin a word::

    ... in trophoblast giant cells (TGCs) of ...
           ^           ^     ^   ^
           T           G     C   s

Schwartz, A. and Hearst, M.: A simple algorithm for identifying abbreviation definitions in biomedical text.
Pacific Symposium on Biocomputing 8:451-462, 2003.
"""

import re

MIN_SHORT, MAX_SHORT = 2, 10
"""Characters of a short form."""
MAX_SHORT_WORDS = 2

_PARENTHESES = re.compile(r"\(([^()\n]{1,200})\)|\[([^\[\]\n]{1,200})\]")
_PART_END = re.compile(r"[;,]")
_SENTENCE_END = re.compile(r"[.?!:;]\s|[\n()\[\]]")
_WORD = re.compile(r"\S+")
_REACH = 300
"""Characters before a parenthesis that are looked at: more than the words allowed ever take."""


def find_abbreviations(text: str) -> dict[str, str]:
    """The abbreviations that a text defines.

    text (str): any text; definitions do not reach over line ends.
    RETURNS (dict[str, str]): long form by short form, both as they are written; of two definitions of one
        short form the first.

    >>> find_abbreviations("We saw trophoblast giant cells (TGCs; n = 3) and ENU (N-ethyl-N-nitrosourea).")
    {'TGCs': 'trophoblast giant cells', 'ENU': 'N-ethyl-N-nitrosourea'}
    >>> find_abbreviations("the mice (see Figure 2) and cells (data not shown)")
    {}
    """
    long_forms: dict[str, str] = {}
    for match in _PARENTHESES.finditer(text):
        inside = _PART_END.split(match[1] or match[2], maxsplit=1)[0].strip()
        before = _sentence_part(text, match.start())
        if is_short_form(inside):
            short, long = inside, find_long_form(inside, _last_words(before, _max_words(inside)))
        else:
            short = before.split()[-1] if before.split() else ""
            long = _whole_long_form(short, inside)
        if long is not None:
            long_forms.setdefault(short, long)
    return long_forms


def is_short_form(text: str) -> bool:
    """Whether a text can be a short form: 2 to 10 characters in one or two words, a letter, no odd start.

    >>> [is_short_form(text) for text in ["TGC", "D2R", "data not shown", "2002", "n", "(a"]]
    [True, True, False, False, False, False]
    """
    return (
        MIN_SHORT <= len(text) <= MAX_SHORT
        and len(text.split()) <= MAX_SHORT_WORDS
        and text[0].isalnum()
        and any(character.isalpha() for character in text)
    )


def find_long_form(short: str, text: str) -> str | None:
    """The shortest end of a text that a short form can stand for.

    short (str): the short form.
    text (str): what stands before it.
    RETURNS (str | None): the long form; None if the text has none, or none longer than the short form.

    >>> find_long_form("TGC", "differentiation of trophoblast giant cells")
    'trophoblast giant cells'
    >>> find_long_form("BCAA", "the branched-chain amino acids")
    'branched-chain amino acids'
    >>> find_long_form("XYZ", "the branched-chain amino acids") is None
    True
    """
    lowered = text.lower()
    at = len(text)
    letters = [character for character in short.lower() if character.isalnum()]
    for number, letter in reversed(list(enumerate(letters))):
        at = lowered.rfind(letter, 0, at)
        while number == 0 and at > 0 and lowered[at - 1].isalnum():
            at = lowered.rfind(letter, 0, at)
        if at < 0:
            return None
    # The first letter may begin a part of a word ("N-ethyl"): the long form has the whole word.
    long = text[text.rfind(" ", 0, at) + 1 :]
    if len(long) <= len(short) or short in long.split():
        return None
    return long


def _whole_long_form(short: str, text: str) -> str | None:
    """The text, if all of it is the long form of the word before its parenthesis.

    Most parentheses after a word say something else of it, some of them with its letters in order.
    """
    if not is_short_form(short) or len(text.split()) > _max_words(short):
        return None
    return text if find_long_form(short, text) == text else None


def _max_words(short: str) -> int:
    """Words of a long form, at most: by the paper the lesser of |A| + 5 and 2 |A|."""
    return min(len(short) + 5, len(short) * 2)


def _sentence_part(text: str, end: int) -> str:
    """What stands in a sentence before a place, up to `_REACH` characters."""
    before = text[max(0, end - _REACH) : end]
    borders = [match.end() for match in _SENTENCE_END.finditer(before)]
    return before[borders[-1] if borders else 0 :].strip()


def _last_words(text: str, n_words: int) -> str:
    words = list(_WORD.finditer(text))
    return text[words[-n_words].start() :] if len(words) > n_words else text


def expand(text: str, abbreviations: dict[str, str]) -> str | None:
    """Put the long forms in place of the short forms of a text; a short form's plural counts as it.

    abbreviations (dict[str, str]): long form by short form.
    RETURNS (str | None): the text with long forms; None if it has no short form.

    >>> expand("medullary TECs", {"TEC": "thymic epithelial cell"})
    'medullary thymic epithelial cell'
    >>> expand("TEC", {"TECs": "thymic epithelial cells"})
    'thymic epithelial cells'
    >>> expand("medulla", {"TEC": "thymic epithelial cell"}) is None
    True
    """
    if text in abbreviations:
        return abbreviations[text]
    words = text.split()
    long = [_long_form(word, abbreviations) for word in words]
    if not any(long):
        return None
    return " ".join(new or old for old, new in zip(words, long, strict=True))


def _long_form(word: str, abbreviations: dict[str, str]) -> str | None:
    for form in (word, word + "s", word[:-1] if word.endswith("s") else word):
        if form in abbreviations:
            return abbreviations[form]
    return None
