"""The inputs of a run: which files are read, which of their records are good, which records make a shard."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, tee
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from ..data.formats import Format, get_format, read_file, stem_of
from ..data.jsonl import json_line
from ..data.records import BadRecord, ReadOptions, Record, id_problem
from .seen_ids import SeenIds
from .settings import BATCH_RECORDS, Settings


class Source(NamedTuple):
    """A file to read.

    path (Path): of the file.
    name (str): the id of its text, or the first part of the ids that are made for its records.
    format (Format): its format.
    """

    path: Path
    name: str
    format: Format


class Skipped(NamedTuple):
    """A record that is left out: its file, its number in the file (from 1) and the reason."""

    file: str
    record: int
    reason: str


class Shard(NamedTuple):
    """Records that are annotated and stored together.

    number (int): of the shard, from 0.
    records (Iterator[Record]): its records; the next shard has to wait until all of them are read.
    """

    number: int
    records: Iterator[Record]


@dataclass(frozen=True)
class ReadPlan:
    """What is read, and which records are good.

    sources (Sequence[Source]): the files, in order.
    settings (Settings): of the run.
    max_length (int): the most characters that the pipeline takes in one text.
    forbidden_id_chars (str): characters that an id cannot contain in the output's format.
    """

    sources: Sequence[Source]
    settings: Settings
    max_length: int
    forbidden_id_chars: str


def find_sources(inputs: Sequence[str | Path], input_format: str | None) -> list[Source]:
    """The files that the inputs stand for; those of a folder are sorted by path.

    inputs (Sequence[str | Path]): files and folders. Of a folder all files of `input_format` are taken, at
        any depth.
    input_format (str | None): see `data.formats.FORMATS`; None: of a file, as its suffix tells; of a folder,
        text.
    RAISES: FileNotFoundError if an input does not exist or a folder has no such file; ValueError for an
        unknown format; ImportError if a format needs a library that is not installed.
    """
    sources = []
    for path in map(Path, inputs):
        if path.is_dir():
            fmt = get_format(path, input_format or "text", "--input-format")
            paths = [p for p in sorted(path.rglob("*")) if p.name.removesuffix(".gz").endswith(fmt.suffixes)]
            if not paths:
                raise FileNotFoundError(
                    f"{path} holds no {' or '.join(fmt.suffixes)} file: give --input-format"
                )
            sources += [Source(p, (p.parent / stem_of(p)).relative_to(path).as_posix(), fmt) for p in paths]
        elif path.is_file():
            sources.append(Source(path, stem_of(path), get_format(path, input_format, "--input-format")))
        else:
            raise FileNotFoundError(f"{path}: there is no such file or folder")
    return sources


def describe_sources(sources: Sequence[Source]) -> dict[str, Any]:
    """Number and bytes of the files, and a digest of their names, formats, sizes and times of change.

    sources (Sequence[Source]): the files.
    RAISES: OSError if a file's size or time cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    for source in sources:
        stat = source.path.stat()
        size += stat.st_size
        digest.update(repr((str(source.path.resolve()), source.name, source.format.name)).encode())
        digest.update(repr((stat.st_size, stat.st_mtime_ns)).encode())
    return {"files": len(sources), "bytes": size, "digest": digest.hexdigest()}


def check_records(plan: ReadPlan, seen_ids: SeenIds, bar: Any) -> tuple[int, list[Skipped]]:
    """Read and check the records up to the limit.

    plan (ReadPlan): what is read.
    seen_ids (SeenIds): an empty one.
    bar (tqdm): updated for each record.
    RETURNS (tuple[int, list[Skipped]]): the number of good records, and the bad ones.
    RAISES: ValueError for a bad record unless `skip_errors`, or if no record is good; OSError if a file
        cannot be read; sqlite3.OperationalError if ids cannot be stored.
    """
    n_good, skipped = 0, []
    for source, number, record in _read(plan):
        if n_good == plan.settings.limit:
            break
        bar.update()
        reason = _record_problem(record, plan)
        if reason is None and isinstance(record, Record):
            earlier = seen_ids.add(record.id, str(source.path), number)
            if earlier is not None:
                reason = f"its id {record.id!r} is also that of {earlier[0]}, record {earlier[1]}"
        if reason is None:
            n_good += 1
        elif plan.settings.skip_errors:
            skipped.append(Skipped(str(source.path), number, reason))
        else:
            raise ValueError(
                f"{source.path}, record {number}: {reason}. --skip-errors leaves such records out"
            )
    if not n_good:
        raise ValueError(
            f"no record to annotate in {plan.sources[0].path} ({len(plan.sources)} files in all)"
        )
    return n_good, skipped


def make_shards(plan: ReadPlan, n_records: int, skipped: Iterable[Skipped]) -> Iterator[Shard]:
    """The good records in shards, which are the same whenever they are made; one record is in memory at once.

    plan (ReadPlan): what is read.
    n_records (int): the number of good records.
    skipped (Iterable[Skipped]): the bad records.
    RAISES: OSError if a file cannot be read.
    """
    good = (record for _, _, record in _read(plan, skipped) if isinstance(record, Record))
    records, measured = tee(islice(good, n_records))
    lengths = (len(record.text) for record in measured)
    numbers = shard_numbers(lengths, plan.settings.shard_characters, BATCH_RECORDS)
    for number, numbered in groupby(zip(numbers, records, strict=True), key=itemgetter(0)):
        yield Shard(number, (record for _, record in numbered))


def shard_numbers(lengths: Iterable[int], characters: int, batch: int) -> Iterator[int]:
    """The number of each record's shard: a shard ends with the batch that brings it to this many characters.

    lengths (Iterable[int]): of the records, in characters.
    characters (int): the least that a shard has, but for the last one.
    batch (int): records in a batch.

    >>> list(shard_numbers([5, 9, 5, 5, 5], characters=12, batch=2))
    [0, 0, 1, 1, 1]
    """
    shard, total = 0, 0
    for number, length in enumerate(lengths, start=1):
        yield shard
        total += length
        if number % batch == 0 and total >= characters:
            shard, total = shard + 1, 0


def _read(
    plan: ReadPlan, skipped: Iterable[Skipped] = ()
) -> Iterator[tuple[Source, int, Record | BadRecord]]:
    """Each record with its file and its number in it; the skipped ones come as bad records, unchecked."""
    reasons = {(row.file, row.record): row.reason for row in skipped}
    for source in plan.sources:
        options = ReadOptions(source.name, plan.settings.text_field, plan.settings.id_field, entities=False)
        for number, record in enumerate(read_file(source.path, source.format, options), start=1):
            reason = reasons.get((str(source.path), number)) if reasons else None
            if reason is not None:
                yield source, number, BadRecord(reason)
            elif isinstance(record, Record) and not record.id and plan.settings.make_ids:
                yield source, number, record._replace(id=f"{source.name}:{number}")
            else:
                yield source, number, record


def _record_problem(record: Record | BadRecord, plan: ReadPlan) -> str | None:
    """Why a record cannot be annotated and written; None if it can. Ids of other records are not compared."""
    if isinstance(record, BadRecord):
        return record.reason
    if not record.id:
        field = plan.settings.id_field
        return f"it has no id (field {field!r}); --id-field names another, --make-ids makes them"
    if reason := id_problem(record.id, plan.forbidden_id_chars):
        return reason
    if len(record.text) > plan.max_length:
        return f"{len(record.text)} characters: the pipeline takes up to {plan.max_length} (nlp.max_length)"
    try:
        json_line(record)
    except (ValueError, RecursionError) as err:
        return f"it cannot be written as JSON: {err}"
    return None
