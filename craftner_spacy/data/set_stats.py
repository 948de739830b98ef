"""Counts of an annotated set of records: its entities by label, their scores, frequent names and concepts."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from ..labels import DISPLACY_COLORS
from ..types import Entity
from .records import BadRecord, Record

N_BINS = 10
OTHER_COLOR = "#dddddd"


class ConceptCount(NamedTuple):
    """A concept, and how many entities stand for it.

    id (str): its id.
    name (str): its name; "" if it is not known.
    mentions (int): the entities.
    """

    id: str
    name: str
    mentions: int


class LabelStats(NamedTuple):
    """Counts of one label.

    label (str): its name.
    color (str): of its entities, as CSS has it.
    mentions (int): all of its entities.
    distinct (int): different ones; upper and lower case are the same.
    mean (float | None): of the scores; None if no entity has one.
    bins (tuple[int, ...]): entities by score, in `N_BINS` bins of equal width from 0 to 1.
    frequent (list[tuple[str, int]]): the most frequent entities, spelled as the first of them, with counts.
    linked (int): entities whose concept is known.
    concepts (list[ConceptCount]): the most frequent concepts.
    """

    label: str
    color: str
    mentions: int
    distinct: int
    mean: float | None
    bins: tuple[int, ...]
    frequent: list[tuple[str, int]]
    linked: int
    concepts: list[ConceptCount]


class SetStats(NamedTuple):
    """Counts of a set of records.

    records, words, entities (int): in the set; words are what white space separates.
    without_entities (int): records that have none.
    linked (int): entities whose concept is known.
    labels (list[LabelStats]): sorted from the most to the least frequent.
    shown (list[Record]): the first records.
    bad_records (int): records that cannot be read; they are in no other count.
    first_problem (str): the number of the first of them, and what is wrong with it.
    bad_scores (int): scores that are no finite numbers; their entities count as entities without a score.
    """

    records: int
    words: int
    entities: int
    without_entities: int
    linked: int
    labels: list[LabelStats]
    shown: list[Record]
    bad_records: int = 0
    first_problem: str = ""
    bad_scores: int = 0


class _LabelCounts:
    """The counts of one label while records are counted."""

    def __init__(self) -> None:
        """Start at zero."""
        self._mentions: Counter[str] = Counter()
        self._spellings: dict[str, str] = {}
        self._bins = [0] * N_BINS
        self._score_sum = 0.0
        self.bad_scores = 0
        self._concepts: Counter[str] = Counter()
        self._names: dict[str, str] = {}

    def add(self, mention: str, entity: Entity) -> None:
        """Count an entity."""
        score, concept = entity.score, entity.concept
        key = mention.casefold()
        self._mentions[key] += 1
        self._spellings.setdefault(key, mention)
        if score is not None and not _is_finite(score):
            self.bad_scores += 1
        elif score is not None:
            self._bins[score_bin(score)] += 1
            self._score_sum += score
        if concept is not None:
            self._concepts[concept.id] += 1
            self._names.setdefault(concept.id, concept.name)

    def stats(self, label: str, n_frequent: int) -> LabelStats:
        """The counts so far."""
        n_scores = sum(self._bins)
        return LabelStats(
            label=label,
            color=DISPLACY_COLORS.get(label, OTHER_COLOR),
            mentions=self._mentions.total(),
            distinct=len(self._mentions),
            mean=self._score_sum / n_scores if n_scores else None,
            bins=tuple(self._bins),
            frequent=[(self._spellings[key], n) for key, n in self._mentions.most_common(n_frequent)],
            linked=self._concepts.total(),
            concepts=[
                ConceptCount(id_, self._names[id_], n) for id_, n in self._concepts.most_common(n_frequent)
            ],
        )


def set_stats(records: Iterable[Record | BadRecord], n_shown: int, n_frequent: int = 10) -> SetStats:
    """Count a set of records.

    records (Iterable[Record | BadRecord]): the set, with those that cannot be read.
    n_shown (int): how many of the first records to keep.
    n_frequent (int): the most frequent entities to list for each label.

    >>> mice = (Entity(0, 5, "Taxon", 0.9), Entity(7, 12, "Taxon", 0.5))
    >>> stats = set_stats([Record("1", "Mouse, mouse", {}, (), mice)], 1)
    >>> stats.labels[0].mentions, stats.labels[0].distinct, stats.labels[0].frequent
    (2, 1, [('Mouse', 2)])
    """
    counts: dict[str, _LabelCounts] = {}
    shown: list[Record] = []
    n_records = n_words = n_without = n_bad = 0
    first_problem = ""
    for number, record in enumerate(records, start=1):
        if isinstance(record, BadRecord):
            n_bad += 1
            first_problem = first_problem or f"record {number}: {record.reason}"
            continue
        n_records += 1
        n_words += len(record.text.split())
        n_without += not record.entities
        if len(shown) < n_shown:
            shown.append(record)
        for entity in record.entities:
            mention = record.text[entity.start : entity.end]
            counts.setdefault(entity.label, _LabelCounts()).add(mention, entity)
    labels = [of_label.stats(label, n_frequent) for label, of_label in counts.items()]
    labels.sort(key=lambda row: (-row.mentions, row.label))
    return SetStats(
        records=n_records,
        words=n_words,
        entities=sum(row.mentions for row in labels),
        without_entities=n_without,
        linked=sum(row.linked for row in labels),
        labels=labels,
        shown=shown,
        bad_records=n_bad,
        first_problem=first_problem,
        bad_scores=sum(of_label.bad_scores for of_label in counts.values()),
    )


def score_bin(score: float) -> int:
    """The bin of a score, from 0; a score out of [0, 1] belongs to the first or the last bin.

    score (float): of an entity.

    >>> [score_bin(score) for score in (0.0, 0.19, 0.2, 1.0)]
    [0, 1, 2, 9]
    """
    return min(N_BINS - 1, max(0, int(score * N_BINS)))


def _is_finite(score: float) -> bool:
    """Whether a score is a number that can be counted: no NaN, no infinity, no whole number beyond floats."""
    try:
        return math.isfinite(score)
    except OverflowError:
        return False
