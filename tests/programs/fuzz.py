"""Valid files with a few bytes changed, through the reader of each format: `make soak` runs this.

    python tests/programs/fuzz.py [--minutes N] [--seed N] [FORMAT...]

The minutes are for each format, which has a process of its own. It fails if a reader raises, crashes, takes
more than `SECONDS` or `MEGABYTES`, or loses a record or more than `MOST_LOST` characters of a text without a
bad record at that place. The file that did it is kept. Linux only (ru_maxrss in kilobytes).
"""

import argparse
import io
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from random import Random
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory, gettempdir

from foreign_files import MAKERS
from format_files import BY_NAME, MAKE_DOC

from craftner_spacy.data.formats import FORMATS, Format, read_file
from craftner_spacy.data.jsonl import json_line
from craftner_spacy.data.records import PLAIN, BadRecord, Passage, ReadOptions, Record
from craftner_spacy.types import Entity, LinkedConcept

SECONDS = 5
"""Of the processor, for one file."""
MEGABYTES = 300
"""More than before the first file."""
N_RECORDS = 5
WORDS = "Sox9 mice <b> α-tubulin & |t| IL-1β 𝛼 \u2028 cells. [1] {x} \t -- ]]> &#38;".split(" ")
MOST_CHANGES = 3
MOST_DELETED = 4
"""Bytes that one change takes out or replaces."""
MOST_LOST = 2 * MOST_CHANGES * MOST_DELETED
"""Characters: a reader may take a sign that was damaged for markup or white space, and its neighbours."""
MARKS = (
    '" \\ [ ] { } , ; : < > | &x; <!-- --> <![CDATA[ ]]> <? <document> </document> <PubmedArticle> '
    "</PubmedArticle> <article> </article> NaN 1e999 -1 |t| \ufeff"
)
SIGNS = [mark.encode() for mark in MARKS.split(" ")]
SIGNS += [b"\n", b"\n\n", b"\r", b"\t", b"\x00", b"\xff", b"\xff\xff\xff\x7f"]
"""Bytes that mean something in one of the formats."""


def make_record(random: Random, number: int) -> Record:
    """A record with fields, passages and entities."""
    title, abstract = (" ".join(["Mice", *random.choices(WORDS, k=random.randint(1, 8))]) for _ in range(2))
    text = f"{title}\n{abstract}"
    fields = {"year": 2000 + number, "journal": random.choice(WORDS), "mesh": random.sample(WORDS, 2)}
    passages = (
        Passage(0, len(title), {"type": "title"}),
        Passage(len(title) + 1, len(text), {"type": "abstract"}),
    )
    entities = [
        Entity(
            start, start + 1, "Gene", random.choice([None, 0.5]), random.choice([None, LinkedConcept("X:1")])
        )
        for start in sorted(random.sample(range(len(text)), random.randint(0, 4)))
    ]
    return Record(f"{number}", text, fields, passages, tuple(entities))


def make_file(fmt: Format, random: Random) -> bytes:
    """A file of `N_RECORDS` records; of one text for the format of plain text."""
    records = [make_record(random, number) for number in range(N_RECORDS)]
    if fmt.name in MAKERS:
        return MAKERS[fmt.name](records)
    assert fmt.write is not None, f"tests/helpers/foreign_files.py makes no {fmt.name}"
    file = io.BytesIO()
    fmt.write(file, records, MAKE_DOC, PLAIN)
    return file.getvalue()


def change(content: bytes, random: Random) -> bytes:
    """The content with up to `MOST_CHANGES` small changes."""
    changed = bytearray(content)
    for _ in range(random.randint(1, MOST_CHANGES)):
        changed = changed or bytearray(1)
        at = random.randrange(len(changed))
        kind = random.randrange(6)
        if kind == 0:
            changed[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            changed[at] = random.choice([0, 1, 127, 128, 255, random.randrange(256)])
        elif kind == 2:
            changed[at:at] = random.choice(SIGNS)
        elif kind == 3:
            sign = random.choice(SIGNS)
            changed[at : at + min(MOST_DELETED, len(sign))] = sign
        elif kind == 4:
            del changed[at : at + random.randint(1, MOST_DELETED)]
        else:
            source = random.randrange(len(changed))
            changed[at : at + MOST_DELETED] = changed[source : source + MOST_DELETED]
    return bytes(changed)


def change_table(content: bytes, random: Random) -> bytes:
    """As `change`, but the header stays: a damaged one may have the first row as names of columns."""
    header, end, rows = content.partition(b"\n")
    return header + end + change(rows, random)


def change_docbin(content: bytes, random: Random) -> bytes:
    """As `change`, before compression: a checksum would find every change after it."""
    return zlib.compress(change(zlib.decompress(content), random), 1)


def change_zip(content: bytes, random: Random) -> bytes:
    """As `change`: half of the files as a whole, in the others a member before compression."""
    if random.random() < 0.5:
        return change(content, random)
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(changed, "w") as other:
        chosen = random.choice(archive.namelist())
        for name in archive.namelist():
            data = archive.read(name)
            other.writestr(name, change(data, random) if name == chosen else data)
    return changed.getvalue()


def change_tar(content: bytes, random: Random) -> bytes:
    """As `change`, but no header has another name: its checksum is a sum, and may be the same by chance."""
    while not tar_names(changed := change(content, random)) <= tar_names(content):
        pass
    return changed


def tar_names(content: bytes) -> set[str]:
    """The names in all headers of a tar file."""
    names = set()
    for start in range(0, len(content) - tarfile.BLOCKSIZE + 1, tarfile.BLOCKSIZE):
        with suppress(tarfile.HeaderError):
            header = content[start : start + tarfile.BLOCKSIZE]
            names.add(tarfile.TarInfo.frombuf(header, "utf-8", "replace").name)
    return names


def change_but(mark: bytes, content: bytes, random: Random) -> bytes:
    """As `change`, but no mark between records goes: two records made one are a record like others."""
    while (changed := change(content, random)).count(mark) < content.count(mark):
        pass
    return changed


UNKNOWN_TEXTS = ("parquet",)
"""Formats whose reader cannot know that a text has lost characters: its length stands in the damaged file."""
FILES_MISSING = "the zip file lists"
"""What the last bad record of a zip file says, for all files that are missing in its list."""
CHANGES: dict[str, Callable[[bytes, Random], bytes]] = {
    "csv": change_table,
    "tsv": change_table,
    "docbin": change_docbin,
    "brat": change_zip,
    "pubtator": partial(change_but, b"\n"),
    "jats-tar": change_tar,
    "conll": partial(change_but, b"\n-DOCSTART-"),
}


def read(path: Path, fmt: Format, entities: bool) -> list[Record | BadRecord]:
    """The records of a file; one that has no place in JSON is a bad one, as before an annotation."""
    records: list[Record | BadRecord] = []
    for record in read_file(path, fmt, ReadOptions("name", entities=entities)):
        if isinstance(record, BadRecord):
            assert record.reason
        else:
            try:
                json_line(record)
            except ValueError as err:
                record = BadRecord(f"{err}")
        records.append(record)
    return records


def same_records(originals: Sequence[Record], records: Sequence[Record | BadRecord]) -> list[tuple[int, int]]:
    """Which records are those of the original file, as pairs of indices in order.

    They have the same text, or else the same id, which no other record has. Of all ways to pair them in
    order, the best one.
    """
    n_with_id = Counter(record.id for record in records if isinstance(record, Record))

    @cache
    def best(i: int, j: int) -> tuple[int, tuple[tuple[int, int], ...]]:
        if i == len(originals) or j == len(records):
            return 0, ()
        ways: list[tuple[int, tuple[tuple[int, int], ...]]] = []
        record = records[j]
        if isinstance(record, Record):
            has_id = record.id == originals[i].id and n_with_id[record.id] == 1
            points = 3 if record.text == originals[i].text else 2 if has_id else 0
            if points:
                score, pairs = best(i + 1, j + 1)
                ways.append((score + points, ((i, j), *pairs)))
        # Of ways with as many points, the first: the earliest pairs.
        ways += [best(i + 1, j), best(i, j + 1)]
        return max(ways, key=lambda way: way[0])

    return list(best(0, 0)[1])


def n_characters(records: Sequence[Record | BadRecord]) -> int:
    """The characters of the ids and texts of records, and of their fields that are text."""
    return sum(
        len(record.id)
        + len(record.text)
        + sum(len(value) for value in record.fields.values() if isinstance(value, str))
        for record in records
        if isinstance(record, Record)
    )


def check_nothing_lost(
    originals: Sequence[Record], records: Sequence[Record | BadRecord], fmt: Format
) -> None:
    """Check that each original record came out whole, or that something stands in its place.

    RAISES: AssertionError if records are missing between two that came out, and neither a bad record nor as
        many other ones are there; or if a record has lost more than `MOST_LOST` characters, which are not in
        other ones after it, and no bad record is beside it.
    """
    if any(isinstance(record, BadRecord) and FILES_MISSING in record.reason for record in records[-1:]):
        return
    borders = [(-1, -1), *same_records(originals, records), (len(originals), len(records))]
    for (i, j), (next_i, next_j) in pairwise(borders):
        # A record that is paired by its id may be the one before or after, with the id of a bad one.
        if any(isinstance(other, BadRecord) for other in records[max(0, j - 1) : next_j + 2]):
            continue
        n_missing = next_i - i - (next_j - j)
        assert n_missing <= 0, f"{n_missing} records after number {i}, and no bad one"
        before, after = originals[max(0, i) : next_i], records[max(0, j) : next_j]
        n_lost = n_characters(before) - n_characters(after)
        assert n_lost <= MOST_LOST or fmt.name in UNKNOWN_TEXTS, f"{n_lost} characters: {before}, {after}"


def fuzz(fmt: Format, minutes: float, seed: int) -> None:
    """Read changed files for so many minutes; a file that fails is kept."""
    random = Random(seed)
    kept = Path(gettempdir(), f"fuzz-{fmt.name}{fmt.suffixes[0]}")
    n_files = n_good = n_bad = 0
    slowest = added = 0.0
    originals: list[Record] = []
    end = time.monotonic() + 60 * minutes
    with TemporaryDirectory() as folder:
        path = Path(folder, f"x{fmt.suffixes[0]}")
        before = getrusage(RUSAGE_SELF).ru_maxrss
        while time.monotonic() < end:
            if n_files % 50 == 0:
                content = make_file(fmt, random)
                path.write_bytes(content)
                originals = [row for row in read(path, fmt, entities=True) if isinstance(row, Record)]
                assert len(originals) == (1 if fmt.name == "text" else N_RECORDS), "the unchanged file"
            changed = CHANGES.get(fmt.name, change)(content, random)
            path.write_bytes(changed)
            # Kept before it is read: a crash leaves no time.
            kept.write_bytes(changed)
            start = time.process_time()
            records = read(path, fmt, entities=bool(n_files % 2))
            taken = time.process_time() - start
            assert taken < SECONDS, f"{taken:.0f} s"
            added = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024
            assert added < MEGABYTES, f"{added:.0f} MB"
            check_nothing_lost(originals, records, fmt)
            of_file = sum(isinstance(record, BadRecord) for record in records)
            n_files, n_bad, n_good = n_files + 1, n_bad + of_file, n_good + len(records) - of_file
            slowest = max(slowest, taken)
    kept.unlink()
    print(
        f"fuzz: {fmt.name}: {n_files:,} files, {n_good:,} good records, {n_bad:,} bad ones, slowest file "
        f"{slowest:.2f} s, {added:+.0f} MB",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", choices=[[], *BY_NAME])
    arguments = parser.parse_args()
    if arguments.inside:
        fuzz(BY_NAME[arguments.formats[0]], arguments.minutes, arguments.seed)
        return 0
    failed = []
    for name in arguments.formats or [row.name for row in FORMATS]:
        command = [sys.executable, __file__, "--inside", f"--minutes={arguments.minutes}"]
        if subprocess.run([*command, f"--seed={arguments.seed}", name], check=False).returncode:
            failed.append(name)
            print(f"fuzz: {name} failed; the file is in {gettempdir()}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
