"""The records of a run: which are good, which make a shard, and whether they are as they were checked."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, tee, zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from ..data.formats import read_file
from ..data.jsonl import json_line
from ..data.records import BadRecord, ReadOptions, Record, id_problem, shorten
from .seen_ids import SeenIds, open_seen_ids
from .settings import BATCH_RECORDS, Settings
from .source_files import Source

CHANGED = (
    "an input has changed since its records were checked. Let no program write to the inputs, remove the "
    "working folder and start again"
)


class Place(NamedTuple):
    """Where a record is: the number of its file among the inputs, from 0, and its own in the file, from 1."""

    source: int
    record: int


class Skipped(NamedTuple):
    """A record that is left out: its place, its file as it was given, and the reason."""

    place: Place
    file: str
    reason: str


class Checked(NamedTuple):
    """What a run knows of its records once all are checked.

    n_records (int): the number of good ones.
    skipped (Sequence[Skipped]): the bad ones.
    digests (Sequence[str]): of the good ones, for each shard.
    """

    n_records: int
    skipped: Sequence[Skipped]
    digests: Sequence[str]


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
    entities (bool): whether the entities of the inputs are read.
    """

    sources: Sequence[Source]
    settings: Settings
    max_length: int
    forbidden_id_chars: str
    entities: bool = False


def check_inputs(plan: ReadPlan, ids: Path, progress: bool) -> Checked:
    """Read and check all records of a plan.

    plan (ReadPlan): what is read.
    ids (Path): a file for the ids that were seen, which must not exist; it is removed at the end.
    progress (bool): whether to show a bar on standard error.
    RETURNS (Checked): which records are good.
    RAISES: ValueError for a bad record unless `skip_errors`, or if no record is good; OSError if a file
        cannot be read, or the ids cannot be stored.
    """
    try:
        with (
            open_seen_ids(ids) as seen_ids,
            tqdm(desc="checking", unit=" records", disable=not progress) as bar,
        ):
            return check_records(plan, seen_ids, bar)
    except sqlite3.OperationalError as err:
        raise OSError(f"ids cannot be stored in {ids.parent} ({err}): is the disk full?") from err


def check_records(plan: ReadPlan, seen_ids: SeenIds, bar: Any) -> Checked:
    """Read and check the records up to the limit.

    plan (ReadPlan): what is read.
    seen_ids (SeenIds): an empty one.
    bar (tqdm): updated for each record.
    RETURNS (Checked): which records are good.
    RAISES: ValueError for a bad record unless `skip_errors`, or if no record is good; OSError if a file
        cannot be read; sqlite3.OperationalError if ids cannot be stored.
    """
    skipped: list[Skipped] = []

    def good() -> Iterator[tuple[Place, Record]]:
        """The good records; the bad ones are put aside."""
        for place, record in _read(plan):
            bar.update()
            file = str(plan.sources[place.source].path)
            reason = _record_problem(record, plan)
            if reason is None and isinstance(record, Record):
                earlier = seen_ids.add(record.id, file, place.record)
                if earlier is None:
                    yield place, record
                    continue
                reason = f"its id {record.id!r} is also that of {earlier[0]}, record {earlier[1]}"
            if not plan.settings.skip_errors:
                raise ValueError(
                    f"{file}, record {place.record}: {reason}. --skip-errors leaves such records out"
                )
            skipped.append(Skipped(place, file, str(reason)))

    n_good, digests = 0, []
    for _, records in _divide(islice(good(), plan.settings.limit), plan):
        digest = _Digest()
        for place, record in records:
            digest.add(place, record)
            n_good += 1
        digests.append(digest.value)
    if not n_good:
        raise ValueError(
            f"no record to annotate in {plan.sources[0].path} ({len(plan.sources)} files in all)"
        )
    return Checked(n_good, skipped, digests)


def make_shards(plan: ReadPlan, checked: Checked) -> Iterator[Shard]:
    """The good records in shards, which are the same whenever they are made; one record is in memory at once.

    plan (ReadPlan): what is read.
    checked (Checked): which records are good.
    RAISES: ValueError if an input has changed since it was checked, at the end of the first shard with other
        records; OSError if a file cannot be read.
    """
    good = ((place, record) for place, record in _read(plan, checked.skipped) if isinstance(record, Record))
    shards = _divide(islice(good, checked.n_records), plan)
    for (number, records), expected in zip_longest(shards, checked.digests, fillvalue=(0, ())):
        yield Shard(number, _check_unchanged(records, expected))


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


class _Digest:
    """The digest of a shard: of its records and their places."""

    def __init__(self) -> None:
        """Start without a record."""
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def value(self) -> str:
        """Of the records so far, in hexadecimal digits."""
        return self._hash.hexdigest()

    def add(self, place: Place, record: Record) -> None:
        """Add a record; one that JSON cannot hold is no good record, and gives another digest than any."""
        try:
            line = json_line(record)
        except (ValueError, RecursionError):
            line = b""
        self._hash.update(b"%d %d %d " % (*place, len(line)))
        self._hash.update(line)


def _check_unchanged(records: Iterable[tuple[Place, Record]], expected: object) -> Iterator[Record]:
    """The records of a shard; ValueError behind the last one if they are not those that were checked."""
    digest = _Digest()
    for place, record in records:
        digest.add(place, record)
        yield record
    if digest.value != expected:
        raise ValueError(CHANGED)


def _divide(
    records: Iterable[tuple[Place, Record]], plan: ReadPlan
) -> Iterator[tuple[int, Iterator[tuple[Place, Record]]]]:
    """The number and the records of each shard."""
    placed, measured = tee(records)
    lengths = (len(record.text) for _, record in measured)
    numbers = shard_numbers(lengths, plan.settings.shard_characters, BATCH_RECORDS)
    for number, numbered in groupby(zip(numbers, placed, strict=True), key=itemgetter(0)):
        yield number, (pair for _, pair in numbered)


def _read(plan: ReadPlan, skipped: Iterable[Skipped] = ()) -> Iterator[tuple[Place, Record | BadRecord]]:
    """Each record with its place; the skipped ones come as bad records, unchecked."""
    reasons = {row.place: row.reason for row in skipped}
    for n_source, source in enumerate(plan.sources):
        options = ReadOptions(
            source.name,
            plan.settings.text_field,
            plan.settings.id_field,
            entities=plan.entities,
            encoding=plan.settings.encoding,
        )
        for number, record in enumerate(read_file(source.path, source.format, options), start=1):
            place = Place(n_source, number)
            reason = reasons.get(place) if reasons else None
            yield place, _complete(record, place, source, plan) if reason is None else BadRecord(reason)


def _complete(record: Record | BadRecord, place: Place, source: Source, plan: ReadPlan) -> Record | BadRecord:
    """A record with what its file's place says of it: the fields of its folders, and an id if one is made."""
    if isinstance(record, BadRecord):
        return record
    if source.fields:
        for name, value in source.fields.items():
            if name in record.fields and str(record.fields[name]) != value:
                own = shorten(record.fields[name])
                return BadRecord(f"its field {name!r} is {own}, but its folder is called {name}={value}")
        record = record._replace(fields={**source.fields, **record.fields})
    if not record.id and plan.settings.make_ids:
        return record._replace(id=f"{source.name}:{place.record}")
    return record


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
        return (
            f"{len(record.text):,} characters: the pipeline takes up to {plan.max_length:,} (its "
            "nlp.max_length, which can be set where it is loaded in Python)"
        )
    try:
        json_line(record)
    except (ValueError, RecursionError) as err:
        return f"it cannot be written as JSON: {err}"
    return None
