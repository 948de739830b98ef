"""Valid files with a few bytes changed, through the reader of each format: `make soak` runs this.

    python tests/programs/fuzz.py [--minutes N] [--seed N] [FORMAT...]

The minutes are for each format, which has a process of its own. It fails if a reader raises, crashes, takes
more than `SECONDS` or `MEGABYTES`, or loses a record without a bad one: what comes out plus what is counted
has to be what went in. The file that did it is kept. Linux only (ru_maxrss in kilobytes).
"""

import argparse
import io
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory, gettempdir

from format_files import BY_NAME, MAKE_DOC, WRITABLE

from craftner_spacy.data.formats import Format, read_file
from craftner_spacy.data.jsonl import json_line
from craftner_spacy.data.records import PLAIN, BadRecord, Passage, ReadOptions, Record
from craftner_spacy.types import Entity, LinkedConcept

SECONDS = 5
MEGABYTES = 300
"""More than before the first file."""
N_RECORDS = 5
WORDS = "Sox9 mice <b> α-tubulin & |t| IL-1β 𝛼 \u2028 cells. [1] {x} \t -- ]]> &#38;".split(" ")
SIGNS = [
    b'"',
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"<",
    b">",
    b"&x;",
    b"<!--",
    b"</document>",
    b"<document>",
]
SIGNS += [
    b"NaN",
    b"1e999",
    b"-1",
    b"\n",
    b"\n\n",
    b"\t",
    b"|t|",
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\x7f",
    b"\xef\xbb\xbf",
]
"""Bytes that mean something in one of the formats."""


def make_record(random: Random, number: int) -> Record:
    """A record with fields, passages and entities."""
    title, abstract = (" ".join(random.choices(WORDS, k=random.randint(1, 8))) for _ in range(2))
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
        for start in sorted(random.sample(range(len(text)), min(len(text), random.randint(0, 4))))
    ]
    return Record(f"r{number}", text, fields, passages, tuple(entities))


def make_file(fmt: Format, random: Random) -> bytes:
    """A file of `N_RECORDS` records; of one text for the format of plain text."""
    records = [make_record(random, number) for number in range(N_RECORDS)]
    if fmt.write is None:
        return records[0].text.encode()
    file = io.BytesIO()
    fmt.write(file, records, MAKE_DOC, PLAIN)
    return file.getvalue()


def change(content: bytes, random: Random) -> bytes:
    """The content with one to three small changes; none of them takes out more than four bytes."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(changed) or 1)
        changed = changed or bytearray(1)
        kind = random.randrange(6)
        if kind == 0:
            changed[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            changed[at] = random.choice([0, 1, 127, 128, 255, random.randrange(256)])
        elif kind == 2:
            changed[at:at] = random.choice(SIGNS)
        elif kind == 3:
            sign = random.choice(SIGNS)
            changed[at : at + min(4, len(sign))] = sign
        elif kind == 4:
            del changed[at : at + random.randint(1, 4)]
        else:
            source = random.randrange(len(changed))
            changed[at : at + 4] = changed[source : source + 4]
    return bytes(changed)


def change_docbin(content: bytes, random: Random) -> bytes:
    """As `change`, before compression: a checksum would find every change after it."""
    return zlib.compress(change(zlib.decompress(content), random), 1)


def change_pubtator(content: bytes, random: Random) -> bytes:
    """As `change`, but no line break goes: two lines made one are a text like others."""
    while (changed := change(content, random)).count(b"\n") < content.count(b"\n"):
        pass
    return changed


CHANGES: dict[str, Callable[[bytes, Random], bytes]] = {"docbin": change_docbin, "pubtator": change_pubtator}


def check_file(path: Path, fmt: Format, expected: int, entities: bool) -> tuple[int, int]:
    """Read a file of so many records. RETURNS: the numbers of good and of bad ones.

    RAISES: AssertionError if one is lost.
    """
    good, bad = 0, 0
    for record in read_file(path, fmt, ReadOptions("name", entities=entities)):
        if isinstance(record, BadRecord):
            assert record.reason
            bad += 1
            continue
        good += 1
        try:
            json_line(record)
        except ValueError:
            # As the check before the annotation does, which counts the record as a bad one.
            bad += 1
    assert bad or good >= expected, f"{good} of {expected} records, and no bad one"
    return good, bad


def fuzz(fmt: Format, minutes: float, seed: int) -> None:
    """Read changed files for so many minutes; a file that fails is kept."""
    random = Random(seed)
    kept = Path(gettempdir(), f"fuzz-{fmt.name}{fmt.suffixes[0]}")
    files = good = bad = expected = 0
    slowest = 0.0
    end = time.monotonic() + 60 * minutes
    with TemporaryDirectory() as folder:
        path = Path(folder, f"x{fmt.suffixes[0]}")
        before = getrusage(RUSAGE_SELF).ru_maxrss
        while time.monotonic() < end:
            if files % 50 == 0:
                content = make_file(fmt, random)
                path.write_bytes(content)
                expected, n_bad = check_file(path, fmt, 1, entities=True)
                assert not n_bad, "the unchanged file has a bad record"
            changed = CHANGES.get(fmt.name, change)(content, random)
            path.write_bytes(changed)
            # Kept before it is read: a crash leaves no time.
            kept.write_bytes(changed)
            start = time.monotonic()
            of_file = check_file(path, fmt, expected, entities=bool(files % 2))
            taken = time.monotonic() - start
            assert taken < SECONDS, f"{taken:.0f} s"
            added = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024
            assert added < MEGABYTES, f"{added:.0f} MB"
            files, good, bad, slowest = files + 1, good + of_file[0], bad + of_file[1], max(slowest, taken)
    kept.unlink()
    print(
        f"fuzz: {fmt.name}: {files:,} files, {good:,} good records, {bad:,} bad ones, slowest file "
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
    for name in arguments.formats or ("text", *(row.name for row in WRITABLE)):
        command = [sys.executable, __file__, "--inside", f"--minutes={arguments.minutes}"]
        if subprocess.run([*command, f"--seed={arguments.seed}", name], check=False).returncode:
            failed.append(name)
            print(f"fuzz: {name} failed; the file is in {gettempdir()}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
