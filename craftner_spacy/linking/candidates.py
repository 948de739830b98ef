"""Candidates for a mention: concepts whose names share a key with it, and how sure each of them is.

Rules are tried in the order of `MATCHES`; the first that finds a concept gives all candidates of a mention.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from .knowledge_base import KnowledgeBase, NameMatch
from .names import exact_key, loose_key, word_key
from .schema import SCOPES

MATCHES = ("exact", "abbreviation", "short form", "words", "loose", "initial", "longer form")
"""How a mention led to a concept, in the order in which it is tried.

===============  =====================================================================================
exact            a name with the same exact key
abbreviation     a name with a key of the mention, the document's abbreviations written out
short form       a name with a key of the document's abbreviation for the mention
words            a name with the same word key
loose            a name with the same loose key
initial          another mention of the document, whose first word it gives by its first letters
longer form      other mentions of the document that have all its words and more, if they have one concept
===============  =====================================================================================
"""
SOURCES = ("mentions", "names")
"""What of a knowledge base is used: counts of annotated documents, and the ontologies' names."""

PRECISION = {
    "exact": 0.997,
    "abbreviation": 0.977,
    "short form": 0.9,
    "words": 0.984,
    "loose": 0.609,
    "initial": 0.958,
    "longer form": 0.8,
}
"""How often the concept that a rule puts first is the right one: CRAFT's development articles, by
`scripts/measure/linking.py`, which also has the error of these scores for articles that they were not made
from."""
NAME_WEIGHT = 0.5
"""What a name that was never seen in text weighs beside one that was seen once."""

MAX_CANDIDATES = 100
"""Concepts that one text stands for, at most: the best ones."""
MAX_CACHED = 16384
"""Texts whose concepts are remembered."""
_KEYS: dict[str, Callable[[str], str]] = {"exact": exact_key, "words": word_key, "loose": loose_key}


class Candidate(NamedTuple):
    """A concept that a mention may stand for.

    id (str): the concept's id.
    name (str): its preferred name.
    score (float): how likely it is the right one, in [0, 1].
    match (str): the rule that found it; one of `MATCHES`.
    taxon (str | None): the id of the concept's species, if it has one.
    is_tied (bool): whether mentions and names speak for another one just as much.
    """

    id: str
    name: str
    score: float
    match: str
    taxon: str | None = None
    is_tied: bool = False


class Weighed(NamedTuple):
    """A concept and what speaks for it: how often it was seen, and the best scope of its names."""

    id: str
    name: str
    taxon: str | None
    frequency: int
    scope: int


class NameFinder:
    """Finds the concepts whose names share a key with a text, and remembers what it found."""

    def __init__(self, kb: KnowledgeBase, sources: Sequence[str] = SOURCES) -> None:
        """Take the knowledge base.

        kb (KnowledgeBase): the names.
        sources (Sequence[str]): which of `SOURCES` count.
        RAISES: ValueError for a source that is not one.
        """
        unknown = [source for source in sources if source not in SOURCES]
        if unknown or not sources:
            raise ValueError(f"sources = {list(sources)!r}: allowed are {', '.join(SOURCES)}")
        self.kb = kb
        self.sources = frozenset(sources)
        self.labels = frozenset(info.label for info in kb.labels())
        self.find = lru_cache(maxsize=MAX_CACHED)(self._find)

    def __reduce__(self) -> tuple[Any, ...]:
        return NameFinder, (self.kb, tuple(self.sources))

    def _find(self, label: str, text: str, kind: str) -> tuple[Weighed, ...]:
        """The concepts with a name that has the text's key, the best one first, at most `MAX_CANDIDATES`."""
        return weigh(self._used(self.kb.find(label, _KEYS[kind](text), kind)))[:MAX_CANDIDATES]

    def _used(self, matches: Iterable[NameMatch]) -> list[NameMatch]:
        used = list(matches)
        if "mentions" not in self.sources:
            used = [match._replace(frequency=0) for match in used if match.scope != "mention"]
        elif "names" not in self.sources:
            used = [match for match in used if match.frequency]
        return used


def weigh(matches: Iterable[NameMatch]) -> tuple[Weighed, ...]:
    """Gather the names of each concept.

    RETURNS (tuple[Weighed, ...]): the concepts by frequency, the highest first, then by the best scope, then
        by id.

    >>> def match(id, scope, frequency):
    ...     return NameMatch(id, "", None, "", scope, frequency, "exact")
    >>> concepts = weigh([match("X:2", "name", 0), match("X:1", "exact", 1), match("X:1", "mention", 2)])
    >>> [(w.id, w.frequency) for w in concepts]
    [('X:1', 3), ('X:2', 0)]
    """
    concepts: dict[str, Weighed] = {}
    for match in matches:
        scope = SCOPES.index(match.scope)
        before = concepts.get(match.id)
        if before is None:
            concepts[match.id] = Weighed(match.id, match.name, match.taxon, match.frequency, scope)
        else:
            best = min(scope, before.scope)
            concepts[match.id] = before._replace(frequency=before.frequency + match.frequency, scope=best)
    return tuple(sorted(concepts.values(), key=lambda w: (-w.frequency, w.scope, w.id)))


def score(concepts: Sequence[Weighed], match: str) -> list[Candidate]:
    """Candidates with scores: the rule's `PRECISION`, shared among the concepts by their weights.

    concepts: the concepts in their order.
    match (str): the rule that found them.

    >>> two = [Weighed("X:1", "one", None, 3, 0), Weighed("X:2", "two", None, 0, 1)]
    >>> [(c.id, round(c.score, 3)) for c in score(two, "exact")]
    [('X:1', 0.855), ('X:2', 0.142)]
    """
    weights = [w.frequency or NAME_WEIGHT for w in concepts]
    total = sum(weights)
    best = concepts[0] if concepts else None
    n_best = sum((w.frequency, w.scope) == (best.frequency, best.scope) for w in concepts) if best else 0
    return [
        Candidate(w.id, w.name, PRECISION[match] * (weight / total), match, w.taxon, number < n_best > 1)
        for number, (w, weight) in enumerate(zip(concepts, weights, strict=True))
    ]
