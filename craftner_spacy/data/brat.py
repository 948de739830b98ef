"""BRAT standoff: texts ``ID.txt`` with their annotations ``ID.ann``, in a folder or in a zip file."""

import io
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator
from functools import partial
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import IO, cast
from urllib.parse import quote, unquote

from ..types import Entity
from .encodings import as_utf8
from .file_kinds import uncompressed_name
from .limits import MAX_RECORD_BYTES, check_size, check_values
from .records import (
    PLAIN,
    BadRecord,
    ReadOptions,
    Record,
    Tokenizer,
    WriteOptions,
    check_entities,
    decode_text,
    one_line,
    or_bad_record,
    parse_concept,
    parse_score,
    shorten,
)

_TEXT_BOUND = re.compile(r"(T\S+)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)\t(.*)")
_REFERENCE = re.compile(r"(N\S+)\tReference (T\S+) (\S+)\t(.*)")
_SCORE = re.compile(r"#\S+\tAnnotatorNotes ([TN]\S+)\tscore=(\S+)")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f%<>:"\\|?*]')
_BESIDE_TEXTS = re.compile(r"(^|/)([._]|README|LICENSE)|\.conf$")
"""Names of files that corpora have beside texts: settings of BRAT, hidden files, words on the corpus."""
_OF_MACOS = "__MACOSX/"
"""The folder in which macOS puts a file of its own for each file: with the same suffix, but no text."""
_TIME = (1980, 1, 1, 0, 0, 0)
"""Of all files in a zip file: the same records give the same bytes."""


class _Stream:
    """A file that is written from start to end: a compressed one cannot be anything else."""

    def __init__(self, file: BufferedIOBase) -> None:
        """Write to a binary file."""
        self.write = file.write
        self.flush = file.flush


def read_brat(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each text of a zip file, or from the text beside an .ann file.

    Entities are the text-bound annotations; one of several parts goes from the start of the first to the end
    of the last. A reference to an ontology is its concept, and a note ``score=0.5`` is the score of
    either. Relations, events, attributes and other notes are not read.
    """
    if file.read(2) == b"PK":
        yield from _read_zip(file, options)
        return
    file.seek(0)
    yield or_bad_record(partial(_read_pair, file, options))


def write_brat(
    file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
) -> None:
    """Write a zip file with ``ID.txt`` and ``ID.ann`` of each record; without texts, the latter alone.

    White space in a label becomes ``_``; what a file name cannot hold of an id is written as in an URL.
    """
    with zipfile.ZipFile(cast(IO[bytes], _Stream(file)), "w") as archive:
        for record in records:
            name = member_name(record.id)
            if options.text:
                # A reader takes the first one for a byte order mark.
                mark = "\ufeff" if record.text.startswith("\ufeff") else ""
                _add(archive, f"{name}.txt", f"{mark}{record.text}")
            _add(archive, f"{name}.ann", "".join(_annotation_lines(record)))


def member_name(identifier: str) -> str:
    """The name of a record's files, which never leads out of their folder.

    >>> member_name("PMC/7"), member_name("../7"), member_name("a:b"), id_of_member("%2E%2E%2F7")
    ('PMC/7', '%2E%2E%2F7', 'a%3Ab', '../7')
    """
    parts = identifier.split("/")
    if all(part.strip(". ") for part in parts):
        return _UNSAFE.sub(lambda match: quote(match[0], safe=""), identifier)
    return quote(identifier, safe=" ").replace(".", "%2E")


def id_of_member(name: str) -> str:
    """The id whose files have this name; a name that `member_name` has not made is the id itself."""
    identifier = unquote(name)
    return identifier if member_name(identifier) == name else name


def text_beside(path: Path) -> Path:
    """The text of an .ann file, which may be compressed.

    >>> text_beside(Path("in/a.b.ann.gz")).as_posix()
    'in/a.b.txt'
    """
    return path.with_name(uncompressed_name(path)).with_suffix(".txt")


def parse_annotations(lines: str, text: str) -> Iterator[Entity]:
    """The entities of an .ann file.

    lines (str): its content.
    text (str): the text; at the offsets of an entity of one part, it has to be the one that the file repeats.
    RAISES: ValueError for a text-bound annotation of another form, or one whose text is another.

    >>> list(parse_annotations("T1\\tTaxon 2 7\\tmouse\\n", "a mouse"))
    [Entity(start=2, end=7, label='Taxon', score=None, concept=None)]
    """
    bound: dict[str, re.Match[str]] = {}
    references: dict[str, re.Match[str]] = {}
    scores: dict[str, float | None] = {}
    for line in (line.rstrip("\r") for line in lines.split("\n")):
        if match := _TEXT_BOUND.fullmatch(line):
            if match[1] in bound:
                raise ValueError(f"two annotations are called {match[1]}")
            bound[match[1]] = match
        elif match := _REFERENCE.fullmatch(line):
            references.setdefault(match[2], match)
        elif match := _SCORE.fullmatch(line):
            scores[match[1]] = parse_score(match[2])
        elif line.startswith("T"):
            raise ValueError(f"{shorten(line)} has to be an id, a label with offsets, and a text, with tabs")
    for key, match in bound.items():
        offsets = [int(number) for number in re.findall(r"\d+", match[3])]
        start, end = offsets[0], offsets[-1]
        if len(offsets) == 2 and text[start:end].split() != match[4].split():
            raise ValueError(
                f"{key} is {shorten(match[4])}, but the text at its offsets is {shorten(text[start:end])}"
            )
        reference = references.get(key)
        concept = None
        if reference is not None:
            concept = parse_concept(reference[3], reference[4], scores.get(reference[1]))
        yield Entity(start, end, match[2], scores.get(key), concept)


def _read_pair(file: BufferedIOBase, options: ReadOptions) -> Record:
    """The record of an .ann file, with the text of the .txt file beside it; ValueError if there is none."""
    path = None if options.path is None else text_beside(options.path)
    if path is None or not path.is_file():
        raise ValueError("the annotations have no text: beside NAME.ann a file NAME.txt is needed")
    with path.open("rb") as text:
        contents = text.read(MAX_RECORD_BYTES + 1), file.read(MAX_RECORD_BYTES + 1)
    return _make_record(options.name, *contents, options)


def _make_record(name: str, text: bytes, annotations: bytes, options: ReadOptions) -> Record:
    """A record of the bytes of both files; ValueError if they do not fit each other."""
    check_size(len(text))
    # What is between tabs and spaces of an annotation counts as a value.
    check_values(annotations, (b"\t", b" ", b"\n"))
    decoded = _decode(text, options)
    entities: tuple[Entity, ...] = ()
    if options.entities:
        entities = check_entities(parse_annotations(_decode(annotations, options), decoded), len(decoded))
    return Record(id_of_member(name), decoded, {}, (), entities)


def _decode(content: bytes, options: ReadOptions) -> str:
    """The text of a file's content; ValueError if it is in another encoding."""
    return decode_text(as_utf8(io.BytesIO(content), options.encoding).read(), options.encoding)


def _read_zip(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """The record of each text in a zip file."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [
                info.filename
                for info in archive.infolist()
                if not info.is_dir() and not info.filename.startswith(_OF_MACOS)
            ]
            known = set(names)
            for name in names:
                path = PurePosixPath(name)
                if path.suffix == ".txt":
                    pair = (name, f"{name.removesuffix('.txt')}.ann")
                    yield or_bad_record(partial(_read_members, archive, pair, known, options))
                elif path.suffix == ".ann":
                    if f"{name.removesuffix('.ann')}.txt" not in known:
                        yield BadRecord(f"{name} has no text: beside NAME.ann a file NAME.txt is needed")
                elif not _BESIDE_TEXTS.search(name):
                    yield BadRecord(f"{name} is neither a text (.txt) nor its annotations (.ann)")
            if problem := _list_problem(file, len(archive.infolist())):
                yield BadRecord(problem)
    except zipfile.BadZipFile as err:
        yield BadRecord(f"not a valid zip file: {err}")


def _list_problem(file: BufferedIOBase, n_listed: int) -> str | None:
    """Why the list of a zip file may lack files, which Python does not look at; None if it does not.

    file (BufferedIOBase): the zip file.
    n_listed (int): files in its list.
    """
    read_from = max(0, file.seek(0, io.SEEK_END) - 0x10015)
    file.seek(read_from)
    before, mark, end = file.read().rpartition(b"PK\x05\x06")
    if not mark or len(end) < 16:
        return None
    n_files, n_bytes, start = struct.unpack("<HLL", end[6:16])
    if n_files not in (n_listed, 0xFFFF):
        return f"the zip file lists {n_listed} of its {n_files} files"
    is_large = 0xFFFFFFFF in (n_bytes, start)
    if not is_large and n_bytes + start != read_from + len(before):
        return "the zip file has content that is not in its list: files may be lost"
    return None


def _read_members(
    archive: zipfile.ZipFile, pair: tuple[str, str], known: set[str], options: ReadOptions
) -> Record:
    """The record of a text in a zip file; a text without annotations has no entities."""
    contents = []
    for name in pair:
        try:
            check_size(archive.getinfo(name).file_size if name in known else 0)
            contents.append(archive.read(name) if name in known else b"")
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as err:
            # Damaged, encrypted, or compressed in a way that Python does not know.
            raise ValueError(f"{name} cannot be read: {err}") from err
    return _make_record(pair[0].removesuffix(".txt"), contents[0], contents[1], options)


def _add(archive: zipfile.ZipFile, name: str, content: str) -> None:
    """Write a file into a zip file."""
    info = zipfile.ZipInfo(name, _TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content.encode())


def _annotation_lines(record: Record) -> Iterator[str]:
    """The lines of a record's .ann file."""
    for number, entity in enumerate(record.entities, start=1):
        mention = re.sub(r"\s", " ", record.text[entity.start : entity.end])
        label = re.sub(r"\s", "_", entity.label)
        yield f"T{number}\t{label} {entity.start} {entity.end}\t{mention}\n"
        if entity.score is not None:
            yield f"#{2 * number - 1}\tAnnotatorNotes T{number}\tscore={entity.score}\n"
        if entity.concept is not None:
            name = one_line(entity.concept.name)
            yield f"N{number}\tReference T{number} {entity.concept.id}\t{name}\n"
            if entity.concept.score is not None:
                yield f"#{2 * number}\tAnnotatorNotes N{number}\tscore={entity.concept.score}\n"
