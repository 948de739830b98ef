"""Corpora of others as texts with character offsets: the formats PubTator and BRAT standoff."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from craftner_spacy.types import Entity

_TITLE_OR_ABSTRACT = re.compile(r"(?P<id>\S+?)\|(?P<part>[ta])\|(?P<text>.*)")
_STANDOFF = re.compile(r"T\d+\t(?P<label>\S+) (?P<start>\d+) (?P<end>\d+)\t")


class AnnotatedText(NamedTuple):
    """A text with its annotated entities.

    id (str): as the corpus has it; passages of one article have the same.
    entities (tuple[Entity, ...]): over characters, in the order of the file; they may overlap.
    n_misplaced (int): entities that are left out, because the text at their offsets is another, or because
        they have several parts.
    """

    id: str
    text: str
    entities: tuple[Entity, ...]
    n_misplaced: int = 0


def read_pubtator(path: Path) -> Iterator[AnnotatedText]:
    """Read a PubTator file: the text is title and abstract, joined by a space.

    An entity is left out, and counted, if the text at its offsets is not the one that the file repeats. Case
    is not compared.

    path (Path): the file, in UTF-8.
    RAISES: ValueError if a block is not a title, an abstract and lines of tab-separated entities; OSError if
        the file cannot be read.
    """
    for number, block in enumerate(re.split(r"\n\s*\n", path.read_text(encoding="utf-8")), start=1):
        lines = block.strip("\n").split("\n")
        if any(lines):
            yield _parse_block(lines, f"{path}, block {number}")


def _parse_block(lines: list[str], place: str) -> AnnotatedText:
    parts = [_TITLE_OR_ABSTRACT.fullmatch(line) for line in lines[:2]]
    if [part and part["part"] for part in parts] != ["t", "a"]:
        raise ValueError(f"{place}: {lines[0][:60]!r} has to be ID|t|title, with ID|a|abstract after it")
    title, abstract = (part for part in parts if part is not None)
    text = f"{title['text']} {abstract['text']}"
    entities, n_misplaced = [], 0
    for line in lines[2:]:
        columns = line.split("\t")
        if len(columns) < 5 or not (columns[1].isdigit() and columns[2].isdigit()):
            raise ValueError(f"{place}: {line[:60]!r} has to be ID, start, end, text and label")
        start, end = int(columns[1]), int(columns[2])
        if start < end and text[start:end].casefold() == columns[3].casefold():
            entities.append(Entity(start, end, columns[4]))
        else:
            n_misplaced += 1
    return AnnotatedText(title["id"], text.rstrip(), tuple(entities), n_misplaced)


def read_standoff(folder: Path) -> Iterator[AnnotatedText]:
    """Read a folder of BRAT standoff: texts ``ID.txt``, and their entities ``ID.ann``.

    Entities of several parts are left out, and counted.

    RAISES: FileNotFoundError if a text has no ``ID.ann``, or the folder has no text.
    """
    texts = sorted(folder.glob("*.txt"))
    if not texts:
        raise FileNotFoundError(f"{folder} has no text: expected are files ID.txt and ID.ann")
    for path in texts:
        annotation = path.with_suffix(".ann").read_text(encoding="utf-8").splitlines()
        lines = [line for line in annotation if line.startswith("T")]
        matches = [match for match in map(_STANDOFF.match, lines) if match]
        entities = tuple(Entity(int(m["start"]), int(m["end"]), m["label"]) for m in matches)
        text = path.read_text(encoding="utf-8")
        yield AnnotatedText(path.stem, text, entities, len(lines) - len(entities))


def without_overlap(entities: tuple[Entity, ...]) -> list[Entity]:
    """Of entities that overlap, the longest; of the same length, the first.

    RETURNS: the remaining entities, sorted by start.

    >>> [e[:3] for e in without_overlap((Entity(0, 3, "Gene"), Entity(0, 8, "Gene"), Entity(9, 12, "Gene")))]
    [(0, 8, 'Gene'), (9, 12, 'Gene')]
    """
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start - e.end, e.start)):
        if all(entity.end <= other.start or other.end <= entity.start for other in kept):
            kept.append(entity)
    return sorted(kept, key=lambda e: e.start)
