"""A file of 1 GB, annotated, killed and resumed: `make big`. Linux only (/proc).

The program watches the command as users start it, with the shipped model. An unfinished shard exists from its
first annotated record on, and so shows how long the reading before that took.
"""

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import measured
import typer
from tables import page, table
from watching import finished, watch

MEMORY_MB = 1500
READING_SECONDS = 60
RECORD_CHARACTERS = 1500

SUBJECTS = (
    "Loss of {protein}, A deletion in exon 3 of {protein}, Treatment with {chemical}, The {protein} protein, "
    "A fusion of {protein} and GFP, Overexpression of {protein}, The {taxon} homologue of {protein}"
)
VERBS = "reduced, increased, did not change, was needed for, seemed to precede, restored, blocked"
OBJECTS = (
    "the number of {cell}, {chemical} in {cell}, the transcription of {protein}, mitochondria in {cell}, "
    "binding of {protein} to {chemical}, the nuclear localization of {protein}, division of {cell}"
)
PLACES = (
    "in {taxon} embryos, in cultured {cell}, of adult {taxon}, on the surface of {cell}, in mutant {taxon}"
)
NAMES = {
    "protein": "Sox9, Zfp410b, Brca1, IL-1β, Pax6, TGF-β1, β-actin, Sycp3, p53, Fgf8".split(", "),
    "cell": "neurons, spermatocytes, oocytes, fibroblasts, T cells, chondrocytes, hair cells".split(", "),
    "chemical": "glucose, ATP, retinoic acid, Ca2+, glutathione, 5 mM ethanol, cholesterol".split(", "),
    "taxon": "mouse, zebrafish, human, Drosophila, yeast, Xenopus".split(", "),
}


class RunMeasurements(NamedTuple):
    """Measurements of one run of the command.

    reading_seconds (float): from the start of the process until all records were checked; if an earlier run
        had checked them, until the first annotated record, with the time to annotate its batch.
    first_record_seconds (float): from the start of the process to its first annotated record.
    peak_mb (float): the most memory of the process and its children, in MB.
    shards (int): finished shards when it ended.
    """

    reading_seconds: float
    first_record_seconds: float
    peak_mb: float
    shards: int


def main(
    megabytes: Annotated[int, typer.Option(min=1, help="size of the file, in millions of bytes")] = 1000,
    minutes: Annotated[float, typer.Option(help="time limit of both runs in sum")] = 10,
    shards: Annotated[int, typer.Option(min=1, help="finished shards when the first run is killed")] = 2,
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/big_file"),
    folder: Annotated[Path | None, typer.Option(help="where to work", exists=True)] = None,
) -> None:
    """Kill the command (-9) amid a big file, resume it, and check memory, shards and reading time."""
    with TemporaryDirectory(dir=folder) as name:
        source, output = Path(name) / "big.jsonl", Path(name) / "out.jsonl"
        n_records = write_source(source, megabytes * 1_000_000)
        load = os.getloadavg()[0]
        work = output.with_name(f"{output.name}.work")
        deadline = time.monotonic() + 60 * minutes
        print(f"{source.stat().st_size:,} bytes, {n_records:,} records", flush=True)
        first = watch_command(source, output, lambda: len(finished(work)) >= shards, signal.SIGKILL, deadline)
        before = {path: facts(path) for path in finished(work)}
        print(first, flush=True)
        second = watch_command(source, output, lambda: False, signal.SIGINT, deadline)
        print(second, flush=True)
        broken = broken_limits(first, second)
        if {path: facts(path) for path in before} != before:
            broken.append("the second run changed a finished shard")
        if first.shards < shards:
            broken.append(f"only {first.shards} shards were finished within the time limit")
        n_annotated = records_in_order(finished(work))
        if n_annotated is None:
            broken.append("the shards do not hold the first records in their order")
        report: dict[str, Any] = {
            "load_average": [round(load, 2), round(os.getloadavg()[0], 2)],
            "bytes": source.stat().st_size,
            "records": n_records,
            "minutes": minutes,
            "records_annotated": n_annotated,
            "limits": {"peak_mb": MEMORY_MB, "reading_seconds": READING_SECONDS},
            "start": first._asdict(),
            "resume": second._asdict(),
            "broken": broken,
        }
    measured.write(out, report, "small", as_markdown, of_shape=True)
    if broken:
        sys.exit(f"big file: {'; '.join(broken)}")


def write_source(path: Path, n_bytes: int) -> int:
    """Write records of invented abstracts until the file has this size. RETURNS: the number of records."""
    random, number, written = Random(0), 0, 0
    pool = [sentence(random) for _ in range(20_000)]
    with path.open("wb") as file:
        while written < n_bytes:
            text, length = [], 0
            while length < RECORD_CHARACTERS:
                text.append(random.choice(pool))
                length += len(text[-1]) + 1
            row = {"id": str(number), "text": " ".join(text), "year": 1980 + number % 45}
            written += file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            number += 1
    return number


def sentence(random: Random) -> str:
    """A sentence in the style of abstracts, from a small vocabulary."""
    frames = (random.choice(part.split(", ")) for part in (SUBJECTS, VERBS, OBJECTS, PLACES))
    # Each part of the sentence gets its own names.
    named = (
        frame.format(**{slot: random.choice(names) for slot, names in NAMES.items()}) for frame in frames
    )
    return f"{' '.join(named)} ({random.randint(2, 99)} of {random.randint(100, 400)} cases)."


def watch_command(
    source: Path, output: Path, is_over: Callable[[], bool], end: signal.Signals, deadline: float
) -> RunMeasurements:
    """Start the command, watch it, and send it a signal when `is_over` or at the deadline.

    RAISES: SystemExit if the command ends by itself or has annotated nothing.
    """
    work = output.with_name(f"{output.name}.work")
    is_resumed = (work / "manifest.json").exists()
    left = {path: path.stat().st_mtime_ns for path in work.glob("*.tmp")}
    checked: float | None = None
    first: float | None = None

    def look(seconds: float) -> bool:
        """Note when the records are checked and when the first one is annotated; whether to stop."""
        nonlocal checked, first
        if checked is None and not is_resumed and (work / "manifest.json").exists():
            checked = seconds
        if first is None and begun(work, left):
            first = seconds
        return is_over() or time.monotonic() >= deadline

    seen = watch(["annotate", str(source), "-o", str(output)], source.parent, look, end)
    if not seen.is_stopped:
        sys.exit("big file: the command ended by itself")
    if first is None:
        sys.exit("big file: the command annotated nothing within the time limit")
    return RunMeasurements(
        round(checked or first, 1), round(first, 1), round(seen.peak_mb), len(finished(work))
    )


def begun(work: Path, left: dict[Path, int]) -> bool:
    """Whether there is an unfinished shard that an earlier run did not leave."""
    for path in work.glob("[0-9]*.jsonl.tmp"):
        try:
            if path.stat().st_mtime_ns != left.get(path):
                return True
        except FileNotFoundError:
            # It was finished and renamed.
            return True
    return False


def facts(path: Path) -> tuple[str, int, int]:
    """Digest, modification time and inode of a file."""
    stat = path.stat()
    return hashlib.sha256(path.read_bytes()).hexdigest(), stat.st_mtime_ns, stat.st_ino


def records_in_order(shards: list[Path]) -> int | None:
    """The number of records in the shards; None if they are not the first records of the file, in order."""
    number = 0
    for shard in shards:
        with shard.open(encoding="utf8") as file:
            for line in file:
                if json.loads(line)["id"] != str(number):
                    return None
                number += 1
    return number


def broken_limits(start: RunMeasurements, resume: RunMeasurements) -> list[str]:
    """Limits that a run did not keep."""
    broken = []
    for name, run in (("start", start), ("resume", resume)):
        if run.peak_mb >= MEMORY_MB:
            broken.append(f"{name}: {run.peak_mb:.0f} MB; the limit is {MEMORY_MB}")
        if run.reading_seconds >= READING_SECONDS:
            broken.append(
                f"{name}: read for {run.reading_seconds:.0f} s before the first record; the limit is "
                f"{READING_SECONDS}"
            )
    return broken


def as_markdown(report: dict[str, Any]) -> str:
    """A page with a table of both runs."""
    limits = report["limits"]
    rows = [
        [
            name,
            f"{run['reading_seconds']:.1f} s",
            f"{limits['reading_seconds']} s",
            f"{run['first_record_seconds']:.1f} s",
            f"{run['peak_mb']:,.0f} MB",
            f"{limits['peak_mb']:,} MB",
            run["shards"],
        ]
        for name, run in ((name, report[name]) for name in ("start", "resume"))
    ]
    header = ("run", "reading", "limit", "to the first new record", "peak memory", "limit", "finished shards")
    broken = "; ".join(report["broken"]) or "none, and no finished shard was touched by the second run"
    low, high = sorted(report["load_average"])
    return page(
        f"# A file of {report['bytes'] / 1e9:.2f} GB",
        f"{report['records']:,} records in JSON Lines, `annotate` with the shipped model. The first run was "
        f"killed (-9), the second resumed its work and was stopped {report['minutes']:g} minutes after the "
        f"first had begun. Finished shards held {report['records_annotated'] or 0:,} records by then.",
        table(header, rows),
        "Times are from the start of the process, with imports and the loading of the model; the reading of "
        "the second run includes its first batch of 64 records.",
        f"Limits broken: {broken}.",
        f"{measured.measured_on(report)} Load average {low} to {high}.",
    )


if __name__ == "__main__":
    typer.run(main)
