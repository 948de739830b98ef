"""The concepts of a document's mentions: by their names, else by what the document says elsewhere."""

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from .abbreviations import expand, find_abbreviations
from .candidates import MATCHES, Candidate, NameFinder, Weighed, score
from .names import MAX_NAME, exact_key, loose_key
from .ties import break_ties

MAX_LONGER = 2000
"""Distinct mentions of a label that are looked through for longer forms; in a document with more, none is."""

_BY_KEY = ("exact", "words", "loose")
_INITIAL = re.compile(r"([A-Z][a-z]{0,2})(?:\.\s*|\s+)(\S.*)", flags=re.DOTALL)


class Mention(NamedTuple):
    """A mention in a text: its words, its label, and where it begins, in characters."""

    text: str
    label: str
    start: int


def link_document(
    text: str,
    mentions: Sequence[Mention],
    finder: NameFinder,
    *,
    rules: Sequence[str] = MATCHES,
    prefer_taxa: Sequence[str] = (),
) -> list[list[Candidate]]:
    """The candidates for each mention of a document.

    text (str): the document's text.
    mentions: in any order. Those of one text and label get the same candidates, but for ties.
    finder (NameFinder): what the names of a knowledge base stand for.
    rules (Sequence[str]): those of `candidates.MATCHES` that are used.
    prefer_taxa (Sequence[str]): ids of species, the preferred one first: for ties that the document leaves.
    RETURNS: for each mention its candidates, the best one first; none where no rule finds a concept.
    RAISES: ValueError if the knowledge base's file is damaged.
    """
    document = _Document(text, finder, [rule for rule in MATCHES if rule in rules])
    candidates_of: dict[tuple[str, str], list[Candidate]] = {}
    for mention in mentions:
        if (mention.label, mention.text) not in candidates_of:
            candidates_of[mention.label, mention.text] = document.by_names(mention.label, mention.text)
    document.fill_by_others(candidates_of)
    linked = [candidates_of[mention.label, mention.text] for mention in mentions]
    return break_ties(linked, [mention.start for mention in mentions], prefer_taxa)


class _Document:
    """What is known of a text while its mentions are linked."""

    def __init__(self, text: str, finder: NameFinder, rules: list[str]) -> None:
        self.text = text
        self.finder = finder
        self.rules = rules

    @cached_property
    def long_forms(self) -> dict[str, str]:
        """Long form by short form. Found at the first question: not every document has one."""
        return find_abbreviations(self.text)

    @cached_property
    def short_forms(self) -> dict[str, str]:
        """Short form by the exact key of its long form."""
        return {exact_key(long): short for short, long in self.long_forms.items()}

    def by_names(self, label: str, text: str) -> list[Candidate]:
        """The candidates by the names of the mention, or of what it is short or long for."""
        if label not in self.finder.labels or len(text) > MAX_NAME:
            return []
        for rule in self.rules:
            if rule in _BY_KEY:
                concepts = self.finder.find(label, text, rule)
            elif rule == "abbreviation":
                concepts = self._by_any_key(label, expand(text, self.long_forms))
            elif rule == "short form":
                concepts = self._by_any_key(label, self.short_forms.get(exact_key(text)))
            else:
                continue
            if concepts:
                return score(concepts, rule)
        return []

    def _by_any_key(self, label: str, text: str | None) -> tuple[Weighed, ...]:
        """The concepts by the strictest key of a text that has some."""
        for kind in _BY_KEY if text is not None and len(text) <= MAX_NAME else ():
            concepts = self.finder.find(label, text or "", kind) if kind in self.rules else ()
            if concepts:
                return concepts
        return ()

    def fill_by_others(self, candidates_of: dict[tuple[str, str], list[Candidate]]) -> None:
        """Give mentions without candidates those of other mentions of the document.

        candidates_of: by label and text of a mention.
        """
        best_of: dict[str, dict[str, Candidate]] = {}
        for (label, text), candidates in candidates_of.items():
            best_of.setdefault(label, {}).update({text: candidates[0]} if candidates else {})
        for (label, text), candidates in candidates_of.items():
            if not candidates and len(text) <= MAX_NAME:
                candidates_of[label, text] = self._by_others(text, best_of[label])

    def _by_others(self, text: str, best_of: dict[str, Candidate]) -> list[Candidate]:
        for rule, find in (("initial", _whole_names), ("longer form", _longer_forms)):
            if rule in self.rules and len(best_of) <= MAX_LONGER:
                others = find(text, best_of)
                if len({other.id for other in others}) == 1:
                    best = others[0]
                    return score([Weighed(best.id, best.name, best.taxon, 0, 0)], rule)
        return []


def _whole_names(text: str, best_of: dict[str, Candidate]) -> list[Candidate]:
    match = _INITIAL.fullmatch(text)
    if match is None:
        return []
    return [best for other, best in best_of.items() if is_initial_of(match[1], match[2], other)]


def is_initial_of(initial: str, rest: str, name: str) -> bool:
    """Whether a name is a word that begins with some letters, and the rest.

    >>> is_initial_of("T", "rubripes", "Takifugu rubripes"), is_initial_of("T", "nigra", "Takifugu rubripes")
    (True, False)
    """
    first, _, others = name.partition(" ")
    is_longer = len(first) > len(initial) + 1
    return is_longer and first.startswith(initial) and others.casefold() == rest.casefold()


def _longer_forms(text: str, best_of: dict[str, Candidate]) -> list[Candidate]:
    words = _loose_words(text)
    return [best for other, best in best_of.items() if words and words < _loose_words(other)]


@lru_cache(maxsize=4096)
def _loose_words(text: str) -> frozenset[str]:
    return frozenset(loose_key(text).split())
