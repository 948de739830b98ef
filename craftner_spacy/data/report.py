"""An annotated file as one HTML page: counts, frequent entities and concepts, scores, and the texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..labels import GLOSSARY
from ..linking.links import concept_url
from ..types import Entity
from .encodings import check_encoding
from .file_kinds import check_input, check_output
from .formats import get_format, read_file, stem_of
from .records import ReadOptions, Record
from .set_stats import N_BINS, SetStats, set_stats

FAINTEST = 25
"""Percent of the label's colour in an entity of score 0: pale, but still another colour for each label."""


def report(
    annotated: str | Path,
    out: str | Path,
    *,
    input_format: str | None = None,
    text_field: str = "text",
    encoding: str | None = None,
    texts: int = 20,
    overwrite: bool = False,
) -> SetStats:
    """Write the page of an annotated file, which `annotate` or another program wrote.

    Records that cannot be read are counted, on the page, too.

    annotated (str | Path): the file.
    out (str | Path): the page to write; its folder is made if it is not there.
    input_format (str | None): of the file, see `formats.FORMATS`; None: as its suffix tells.
    text_field (str): the name of the text in formats whose records have fields.
    encoding (str | None): of plain text, unless its first bytes tell another one; None: UTF-8.
    texts (int): how many texts to show: the first ones.
    overwrite (bool): whether to replace the page if it exists.
    RETURNS (SetStats): the counts on the page.
    RAISES: ValueError for an unknown format or encoding, a file of which no record can be read, or an input
        or output that is no place for a file; FileExistsError if the page exists, unless `overwrite`; OSError
        if a file cannot be read or written; ImportError if the format needs a library that is not installed.
    """
    path, page_path = Path(annotated), Path(out)
    check_input(path)
    check_output(page_path, [path], overwrite)
    fmt = get_format(path, input_format, "--input-format")
    if encoding is not None:
        check_encoding(encoding)
    options = ReadOptions(stem_of(path), text_field, encoding=encoding)
    stats = set_stats(read_file(path, fmt, options), texts)
    if stats.bad_records and not stats.records:
        raise ValueError(f"{path}, {stats.first_problem}")
    page_path.parent.mkdir(parents=True, exist_ok=True)
    page_path.write_text(page(stats, path.name), encoding="utf8")
    return stats


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
