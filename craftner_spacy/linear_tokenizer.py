"""spaCy's tokenizer, in time that is linear in the length of what stands between two spaces.

spaCy strips one prefix and one suffix at a time and searches all that is left each time, so that 8,000 dashes
without a space take ten seconds. Rules of affixes look at few characters: here they are given the ends only.
"""

import re
from collections.abc import Callable, Iterator

from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc

MAX_CHUNK = 100
"""Text without a space that is not longer, in characters, is left to spaCy."""
MAX_WHOLE = 1000
"""What is longer, in characters, is no URL, and nothing else that stays whole by the tokenizer's rules."""
WINDOW = 32
"""Characters at an end that are searched for an affix; more, if the affix takes half of them."""

Search = Callable[[str], "re.Match[str] | None"]


class LinearTokenizer(Tokenizer):
    """A tokenizer with the rules of another; it gives the same tokens, also of long text without a space.

    Exceptions to the rules that are made of several tokens, such as emoticons, are left out where more than
    `MAX_CHUNK` characters stand without a space.
    """

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer) -> "LinearTokenizer":
        """Make one of the rules of a tokenizer."""
        return cls(
            tokenizer.vocab,
            rules=tokenizer.rules,
            prefix_search=tokenizer.prefix_search,
            suffix_search=tokenizer.suffix_search,
            infix_finditer=tokenizer.infix_finditer,
            token_match=tokenizer.token_match,
            url_match=tokenizer.url_match,
            faster_heuristics=tokenizer.faster_heuristics,
            max_cache_size=tokenizer.max_cache_size,
        )

    def __call__(self, string: str) -> Doc:
        if len(string) <= MAX_CHUNK or max(map(len, string.split()), default=0) <= MAX_CHUNK:
            return super().__call__(string)
        return Doc.from_docs(list(self._parts(string)), ensure_whitespace=False, attrs=["NORM"])

    def _parts(self, string: str) -> Iterator[Doc]:
        """The Docs of long chunks, and of the text between them."""
        start = 0
        for chunk in re.finditer(r"\S+", string):
            if len(chunk[0]) > MAX_CHUNK:
                if start < chunk.start():
                    yield super().__call__(string[start : chunk.start()])
                # A single space belongs to the token before it.
                has_space = string.startswith(" ", chunk.end())
                start = chunk.end() + has_space
                yield from self._parts_of_chunk(chunk[0], has_space)
        if start < len(string):
            yield super().__call__(string[start:])

    def _parts_of_chunk(self, chunk: str, has_space: bool) -> Iterator[Doc]:
        """The Docs of what is stripped before, of the middle, and of what is stripped behind."""
        prefixes, middle, suffixes = self._strip(chunk)
        if prefixes:
            yield self._make_doc(prefixes, has_space and not middle and not suffixes)
        if middle:
            ends_here = has_space and not suffixes
            if len(middle) <= MAX_CHUNK:
                yield super().__call__(f"{middle} " if ends_here else middle)
            else:
                yield self._make_doc(self._split(middle), ends_here)
        if suffixes:
            yield self._make_doc(suffixes, has_space)

    def _make_doc(self, words: list[str], has_space: bool) -> Doc:
        return Doc(self.vocab, words=words, spaces=[False] * (len(words) - 1) + [has_space])

    def _strip(self, chunk: str) -> tuple[list[str], str, list[str]]:
        """Strip affixes until none is left, or spaCy can take over. RETURNS: prefixes, the rest, suffixes."""
        prefixes, suffixes = [], []
        start, end = 0, len(chunk)
        while end - start > MAX_CHUNK and not _matches(self.token_match, chunk, start, end):
            prefix = _affix_length(self.prefix_search, chunk, start, end, 1)
            suffix = _affix_length(self.suffix_search, chunk, start + prefix, end, -1)
            if not prefix and not suffix:
                break
            if prefix:
                prefixes.append(chunk[start : start + prefix])
            if suffix:
                suffixes.append(chunk[end - suffix : end])
            start, end = start + prefix, end - suffix
        return prefixes, chunk[start:end], suffixes[::-1]

    def _split(self, middle: str) -> list[str]:
        """Split text without affixes at its infixes, as spaCy does."""
        size = len(middle)
        is_whole = _matches(self.token_match, middle, 0, size) or _matches(self.url_match, middle, 0, size)
        if is_whole or self.infix_finditer is None:
            return [middle]
        words, start = [], 0
        for infix in self.infix_finditer(middle):
            if infix.start() > 0:
                words += [middle[start : infix.start()], infix[0]]
                start = infix.end()
        return [word for word in (*words, middle[start:]) if word]


def _matches(match: Search | None, text: str, start: int, end: int) -> bool:
    """Whether a part of a text stays whole by a rule."""
    return match is not None and end - start <= MAX_WHOLE and match(text[start:end]) is not None


def _affix_length(search: Search | None, text: str, start: int, end: int, side: int) -> int:
    """The length of the prefix (side 1) or suffix (side -1) of a part of a text; 0 if it has none.

    >>> _affix_length(re.compile(r"\\)+$").search, "f(x)))", 0, 6, -1)
    3
    """
    if search is None:
        return 0
    size = WINDOW
    while True:
        window = text[start : min(end, start + size)] if side > 0 else text[max(start, end - size) : end]
        match = search(window)
        length = match.end() - match.start() if match else 0
        if size >= end - start or length <= size // 2:
            return length
        size *= 2
