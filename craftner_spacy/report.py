"""An annotated set as one page for a browser: counts, frequent entities, scores, and the texts themselves."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from spacy.displacy import EntityRenderer

from .formats import Annotation, BadRecord, Reading, Record, format_of, read_file, stem_of
from .labels import DISPLACY_COLORS

N_BINS = 10
OTHER_COLOR = "#dddddd"
# Faint enough to tell from a sure entity, strong enough to tell one label from another.
FAINTEST = 25
ENTITY = (
    '<mark class="entity l{index}" style="--share:{share}%" title="{title}">{text}'
    '<small>{label}<span class="score"> {score}</span></small></mark>'
)


class LabelStats(NamedTuple):
    """What a set says of one label.

    mentions, distinct (int): mentions, and different ones, upper and lower case alike.
    mean (float | None): of the scores; None: there are none.
    bins (tuple[int, ...]): mentions by score, in N_BINS equal steps from 0 to 1.
    frequent (list[tuple[str, int]]): the most frequent mentions, as they are first spelt, and their counts.
    """

    label: str
    color: str
    mentions: int
    distinct: int
    mean: float | None
    bins: tuple[int, ...]
    frequent: list[tuple[str, int]]


class SetStats(NamedTuple):
    """What a set holds: numbers, labels from the most to the least frequent, and its first records."""

    records: int
    words: int
    entities: int
    without: int
    labels: list[LabelStats]
    shown: list[Record]


class _Counts:
    """Counts of one label while records are gone through."""

    def __init__(self) -> None:
        self.bins = [0] * N_BINS
        self.mentions: Counter[str] = Counter()
        self.spelling: dict[str, str] = {}
        self.total = 0.0
        self.scored = 0

    def add(self, mention: str, score: float | None) -> None:
        key = mention.casefold()
        self.mentions[key] += 1
        self.spelling.setdefault(key, mention)
        if score is not None:
            self.bins[score_bin(score)] += 1
            self.total += score
            self.scored += 1


def score_bin(score: float) -> int:
    """The bin of a score; those of other scales go to the ends.

    >>> [score_bin(score) for score in (0.0, 0.19, 0.2, 1.0)]
    [0, 1, 2, 9]
    """
    return min(N_BINS - 1, max(0, int(score * N_BINS)))


def set_stats(records: Iterable[Record], n_shown: int, n_frequent: int = 10) -> SetStats:
    """Count a set of records, of which the first `n_shown` are kept.

    >>> mice = (Annotation(0, 5, "Taxon", 0.9), Annotation(7, 12, "Taxon", 0.5))
    >>> stats = set_stats([Record("1", "Mouse, mouse", {}, (), mice)], 1)
    >>> stats.labels[0].mentions, stats.labels[0].distinct, stats.labels[0].frequent
    (2, 1, [('Mouse', 2)])
    """
    counts: dict[str, _Counts] = {}
    shown: list[Record] = []
    n_records = n_words = without = 0
    for record in records:
        n_records += 1
        n_words += len(record.text.split())
        without += not record.entities
        if len(shown) < n_shown:
            shown.append(record)
        for entity in record.entities:
            mention = record.text[entity.start : entity.end]
            counts.setdefault(entity.label, _Counts()).add(mention, entity.score)
    labels = [
        LabelStats(
            label=label,
            color=DISPLACY_COLORS.get(label, OTHER_COLOR),
            mentions=found.mentions.total(),
            distinct=len(found.mentions),
            mean=found.total / found.scored if found.scored else None,
            bins=tuple(found.bins),
            frequent=[(found.spelling[key], n) for key, n in found.mentions.most_common(n_frequent)],
        )
        for label, found in counts.items()
    ]
    labels.sort(key=lambda row: (-row.mentions, row.label))
    return SetStats(n_records, n_words, sum(row.mentions for row in labels), without, labels, shown)


def text_markup(record: Record, index: Mapping[str, int]) -> Markup:
    """A text as displaCy shows it, an entity the stronger the higher its score, which shows on hovering.

    index: number of each label; the page styles the classes ``l0``, ``l1``, ...
    """
    spans = []
    for entity in without_overlap(record.entities):
        score = "" if entity.score is None else f"{entity.score:.3f}"
        share = (
            100 if entity.score is None else FAINTEST + (100 - FAINTEST) * min(1.0, max(0.0, entity.score))
        )
        params = {
            "index": index[entity.label],
            "share": round(share),
            "score": score,
            "title": escape(f"{entity.label} {score}".strip()),
            # displaCy escapes the text, but takes labels for harmless.
            "label": escape(entity.label),
        }
        spans.append({"start": entity.start, "end": entity.end, "label": "", "params": params})
    return Markup(EntityRenderer({"template": ENTITY}).render_ents(record.text, spans, None))


def without_overlap(entities: Iterable[Annotation]) -> Iterator[Annotation]:
    """The entities that begin behind the end of the one before them: displaCy shows no others.

    >>> list(without_overlap([Annotation(0, 5, "A", None), Annotation(3, 6, "B", None)]))
    [Annotation(start=0, end=5, label='A', score=None)]
    """
    end = 0
    for entity in entities:
        if entity.start >= end:
            end = entity.end
            yield entity


def page(stats: SetStats, title: str) -> str:
    """The page. It asks the network for nothing and runs no script: the label filter is a style's."""
    index = {row.label: number for number, row in enumerate(stats.labels)}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    texts = [(record.id, len(record.entities), text_markup(record, index)) for record in stats.shown]
    return environment.get_template("report.html").render(
        title=title, stats=stats, texts=texts, n_bins=N_BINS
    )


def report(
    annotated: str | Path, out: str | Path, *, input_format: str | None = None, texts: int = 20
) -> SetStats:
    """Write the page of an annotated file, which `annotate` or another program wrote.

    texts (int): of the set's first records, so many are shown.
    RAISES: ValueError for a record that cannot be read; OSError where a file cannot be read or written.
    """
    path = Path(annotated)
    stats = set_stats(_records(path, input_format), texts)
    Path(out).write_text(page(stats, path.name), encoding="utf8")
    return stats


def _records(path: Path, input_format: str | None) -> Iterator[Record]:
    kind = format_of(path, input_format, "--input-format")
    for number, record in enumerate(read_file(path, kind, Reading(stem_of(path))), start=1):
        if isinstance(record, BadRecord):
            raise ValueError(f"{path}, record {number}: {record.reason}")
        yield record
