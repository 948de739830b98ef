"""An annotated file as one HTML page: counts, frequent entities and concepts, scores, and the texts."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..labels import DISPLACY_COLORS, GLOSSARY
from ..linking.links import concept_url
from ..types import Entity
from .file_kinds import check_input, check_output
from .formats import get_format, read_file, stem_of
from .records import BadRecord, ReadOptions, Record

N_BINS = 10
OTHER_COLOR = "#dddddd"
FAINTEST = 25
"""Percent of the label's colour in an entity of score 0: pale, but still another colour for each label."""


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


def report(
    annotated: str | Path,
    out: str | Path,
    *,
    input_format: str | None = None,
    texts: int = 20,
    overwrite: bool = False,
) -> SetStats:
    """Write the page of an annotated file, which `annotate` or another program wrote.

    Records that cannot be read are counted, on the page, too.

    annotated (str | Path): the file.
    out (str | Path): the page to write.
    input_format (str | None): of the file, see `formats.FORMATS`; None: as its suffix tells.
    texts (int): how many texts to show: the first ones.
    overwrite (bool): whether to replace the page if it exists.
    RETURNS (SetStats): the counts on the page.
    RAISES: ValueError for an unknown format, a file of which no record can be read, or an input or output
        that is no place for a file; FileExistsError if the page exists, unless `overwrite`; OSError if a file
        cannot be read or written; ImportError if the format needs a library that is not installed.
    """
    path, page_path = Path(annotated), Path(out)
    check_input(path)
    check_output(page_path, [path], overwrite)
    fmt = get_format(path, input_format, "--input-format")
    stats = set_stats(read_file(path, fmt, ReadOptions(stem_of(path))), texts)
    if stats.bad_records and not stats.records:
        raise ValueError(f"{path}, {stats.first_problem}")
    page_path.write_text(page(stats, path.name), encoding="utf8")
    return stats


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


def page(stats: SetStats, title: str) -> str:
    """The page as HTML. It loads nothing and runs no script: its style sheet hides labels and shows scores.

    stats (SetStats): what it shows.
    title (str): its heading.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = "{:,}".format
    environment.globals.update(
        segments=segments,
        color_share=color_share,
        meanings=meanings([row.label for row in stats.labels]),
        concept_url=concept_url,
        n_bins=N_BINS,
        # The page styles the entities of each label by a class with its number.
        numbers={row.label: number for number, row in enumerate(stats.labels)},
    )
    return environment.get_template("report.html").render(title=title, stats=stats)


def meanings(labels: Sequence[str]) -> list[tuple[str, str]]:
    """Labels and what CRAFT marks with them, where all labels are of CRAFT; else none.

    labels (Sequence[str]): those of a set of records.

    >>> meanings(["Gene"]), meanings(["Gene", "Disease"])
    ([('Gene', 'cellular components (Gene Ontology)')], [])
    """
    of_craft = {row.name: row.meaning for row in GLOSSARY}
    return [(label, of_craft[label]) for label in labels] if of_craft.keys() >= set(labels) else []


def segments(record: Record) -> Iterator[tuple[str, Entity | None]]:
    """The text of a record in parts, each with its entity; None for the text between entities.

    An entity that overlaps the one before it is left out.

    record (Record): with sorted entities.

    >>> list(segments(Record("1", "T cells!", {}, (), (Entity(0, 7, "Cell"), Entity(2, 7, "Cell")))))
    [('', None), ('T cells', Entity(start=0, end=7, label='Cell', score=None, concept=None)), ('!', None)]
    """
    end = 0
    for entity in record.entities:
        if entity.start >= end:
            yield record.text[end : entity.start], None
            yield record.text[entity.start : entity.end], entity
            end = entity.end
    yield record.text[end:], None


def color_share(score: float | None) -> int:
    """How much of an entity's background is its label's colour, in percent: from `FAINTEST` to 100.

    score (float | None): of the entity; None counts as 1.

    >>> [color_share(score) for score in (0.0, 0.5, 1.0, None)]
    [25, 62, 100, 100]
    """
    clipped = 1.0 if score is None else min(1.0, max(0.0, score))
    return round(FAINTEST + (100 - FAINTEST) * clipped)


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
