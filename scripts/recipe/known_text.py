"""Whether a text is part of others, independent of its split into words, its case and its Greek letters."""

import re
from collections.abc import Iterable

from craftner_spacy.training.folding import fold

SHINGLE = 8
"""Words of a shingle, the unit that is compared."""

_WORD = re.compile(r"[a-z0-9]+")


def folded_words(text: str) -> list[str]:
    """Runs of letters and digits, folded to ASCII, in lower case.

    >>> folded_words("IL-1β(\N{MINUS SIGN}/\N{MINUS SIGN}) mice"), folded_words("IL - 1beta ( - / - ) mice")
    (['il', '1beta', 'mice'], ['il', '1beta', 'mice'])
    """
    return [word for part in text.split() for word in _WORD.findall(fold(part).text.lower())]


def shingles(text: str) -> list[str]:
    """All runs of `SHINGLE` words; none of a shorter text."""
    words = folded_words(text)
    return [" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)]


class KnownText:
    """Texts of which no other text may have a part.

    >>> known = KnownText(["We show that the receptor of a ligand binds its promoter in cells of mice."])
    >>> known.share("show that the receptor of a ligand binds its promoter in cells")
    1.0
    >>> known.share("We show that the receptor of a hormone binds a promoter in cells of rats.")
    0.0
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._shingles: set[str] = set()
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Add a text."""
        self._shingles.update(shingles(text))

    def share(self, text: str) -> float:
        """The share of the text's shingles that a known text has, in [0, 1]; 0 of a text without shingles."""
        of_text = shingles(text)
        return sum(shingle in self._shingles for shingle in of_text) / max(1, len(of_text))
