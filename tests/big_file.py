"""A file of 1 GB, annotated, killed and gone on with: `make big`. Linux only (/proc).

What is watched is the command as users start it, with the shipped model. A shard in the making is there from
the first record that was annotated for it, and so tells how long the reading before that took.
"""

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import typer

MEMORY_MB = 1500
READING_SECONDS = 60
RECORD_CHARACTERS = 1500
POLL_SECONDS = 0.1

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


class Watched(NamedTuple):
    """What was seen of one run of the command.

    reading_seconds (float): from the start of the process until all records were checked; where an earlier
        run had done that, until its first annotated record, the annotating of its batch included.
    first_record_seconds (float): from the start of the process to its first annotated record.
    peak_mb (float): the most memory of the process and its children.
    shards (int): finished ones when it ended.
    """

    reading_seconds: float
    first_record_seconds: float
    peak_mb: float
    shards: int


def main(
    megabytes: Annotated[int, typer.Option(min=1, help="size of the file, in millions of bytes")] = 1000,
    minutes: Annotated[float, typer.Option(help="for both runs together")] = 10,
    shards: Annotated[int, typer.Option(min=1, help="finished ones when the first run is killed")] = 2,
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/big_file"),
    folder: Annotated[Path | None, typer.Option(help="where to work", exists=True)] = None,
) -> None:
    """Kill the command (-9) in the middle of a big file, go on, and check memory, shards and reading time."""
    with TemporaryDirectory(dir=folder) as name:
        source, output = Path(name) / "big.jsonl", Path(name) / "out.jsonl"
        n_records = write_source(source, megabytes * 1_000_000)
        load = os.getloadavg()[0]
        work = output.with_name(f"{output.name}.work")
        deadline = time.monotonic() + 60 * minutes
        print(f"{source.stat().st_size:,} bytes, {n_records:,} records", flush=True)
        first = run(source, output, lambda: len(finished(work)) >= shards, signal.SIGKILL, deadline)
        before = {path: facts(path) for path in finished(work)}
        print(first, flush=True)
        second = run(source, output, lambda: False, signal.SIGINT, deadline)
        print(second, flush=True)
        broken = broken_limits(first, second)
        if {path: facts(path) for path in before} != before:
            broken.append("the second run changed a finished shard")
        if first.shards < shards:
            broken.append(f"only {first.shards} shards were finished when the time was over")
        n_annotated = records_in_order(finished(work))
        if n_annotated is None:
            broken.append("the shards do not hold the first records in their order")
        report: dict[str, Any] = {
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "processors": os.cpu_count(),
            "load_average": [round(load, 2), round(os.getloadavg()[0], 2)],
            "versions": {
                name: version(name) for name in ("spacy", "transformers", "torch", "craftner_spacy")
            },
            "bytes": source.stat().st_size,
            "records": n_records,
            "minutes": minutes,
            "records_annotated": n_annotated,
            "limits": {"peak_mb": MEMORY_MB, "reading_seconds": READING_SECONDS},
            "start": first._asdict(),
            "resume": second._asdict(),
            "broken": broken,
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf8")
    out.with_suffix(".md").write_text(as_markdown(report), encoding="utf8")
    print(as_markdown(report))
    if broken:
        sys.exit(f"big file: {'; '.join(broken)}")


def write_source(path: Path, n_bytes: int) -> int:
    """Write records of made-up abstracts until the file has this size; their number, which is the next id."""
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
    """A sentence as abstracts have them, of few words."""
    frames = (random.choice(part.split(", ")) for part in (SUBJECTS, VERBS, OBJECTS, PLACES))
    # Each part has names of its own.
    named = (
        frame.format(**{kind: random.choice(names) for kind, names in NAMES.items()}) for frame in frames
    )
    return f"{' '.join(named)} ({random.randint(2, 99)} of {random.randint(100, 400)} cases)."


def run(
    source: Path, output: Path, is_over: Callable[[], bool], end: signal.Signals, deadline: float
) -> Watched:
    """Start the command, watch it, and send it a signal when it is over or at the deadline.

    RAISES: SystemExit if it ends by itself, or has annotated nothing by then.
    """
    work = output.with_name(f"{output.name}.work")
    goes_on = (work / "manifest.json").exists()
    left = {path: path.stat().st_mtime_ns for path in work.glob("*.tmp")}
    command = [sys.executable, "-m", "craftner_spacy", "annotate", str(source), "-o", str(output)]
    checked, first, peak, start = None, None, 0.0, time.monotonic()
    log = source.with_name("log.txt")
    # Not in this folder, whose package would come before the installed one.
    with log.open("wb") as shown, subprocess.Popen(command, cwd=source.parent, stderr=shown) as process:
        while process.poll() is None and time.monotonic() < deadline and not is_over():
            peak = max(peak, memory_mb(process.pid))
            if checked is None and not goes_on and (work / "manifest.json").exists():
                checked = time.monotonic() - start
            if first is None and begun(work, left):
                first = time.monotonic() - start
            time.sleep(POLL_SECONDS)
        if process.poll() is not None:
            sys.exit(f"big file: the command ended with {process.returncode}: {log.read_text()[-1000:]}")
        process.send_signal(end)
    if first is None:
        sys.exit("big file: the command annotated nothing in the time it had")
    return Watched(round(checked or first, 1), round(first, 1), round(peak), len(finished(work)))


def begun(work: Path, left: dict[Path, int]) -> bool:
    """Whether a shard is in the making that is not what an earlier run left of it."""
    for path in work.glob("[0-9]*.jsonl.tmp"):
        try:
            if path.stat().st_mtime_ns != left.get(path):
                return True
        except FileNotFoundError:
            # It has its own name now.
            return True
    return False


def memory_mb(pid: int) -> float:
    """What a process and its children hold, in MB; at least what the process itself ever held."""
    total, highest = 0, 0
    for process in tree(pid):
        try:
            status = Path(f"/proc/{process}/status").read_text(encoding="utf8")
        except (FileNotFoundError, ProcessLookupError):
            continue
        sizes = dict(line.split(":", 1) for line in status.splitlines())
        # A process that has ended and was not waited for holds nothing.
        total += int(sizes.get("VmRSS", "0 kB").split()[0])
        highest = max(highest, int(sizes.get("VmHWM", "0 kB").split()[0]))
    return max(total, highest) / 1024


def tree(pid: int) -> Iterator[int]:
    """A process and those that come from it."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text(encoding="utf8").split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            yield from tree(int(child))


def finished(work: Path) -> list[Path]:
    return sorted(work.glob("[0-9]*.jsonl"), key=lambda path: int(path.stem))


def facts(path: Path) -> tuple[str, int, int]:
    """A file's digest, time of change and number on the disk."""
    stat = path.stat()
    return hashlib.sha256(path.read_bytes()).hexdigest(), stat.st_mtime_ns, stat.st_ino


def records_in_order(shards: list[Path]) -> int | None:
    """How many records the shards hold; None if they are not the file's first ones, in order."""
    number = 0
    for shard in shards:
        with shard.open(encoding="utf8") as file:
            for line in file:
                if json.loads(line)["id"] != str(number):
                    return None
                number += 1
    return number


def broken_limits(start: Watched, resume: Watched) -> list[str]:
    """What either run had too much of."""
    broken = []
    for name, seen in (("start", start), ("resume", resume)):
        if seen.peak_mb >= MEMORY_MB:
            broken.append(f"{name}: {seen.peak_mb:.0f} MB; the limit is {MEMORY_MB}")
        if seen.reading_seconds >= READING_SECONDS:
            broken.append(
                f"{name}: read for {seen.reading_seconds:.0f} s before the first record; the limit is "
                f"{READING_SECONDS}"
            )
    return broken


def as_markdown(report: dict[str, Any]) -> str:
    """A table of both runs."""
    lines = [
        f"# A file of {report['bytes'] / 1e9:.2f} GB",
        "",
        f"{report['records']:,} records in JSON Lines, `annotate` with the shipped model. The first run was "
        "killed (-9), the second went on with its work and was stopped "
        f"{report['minutes']:g} minutes after the first had begun. Finished shards held "
        f"{report['records_annotated'] or 0:,} records by then.",
        "",
        "| run | reading | limit | to its first new record | most memory | limit | finished shards |",
        "|---|---|---|---|---|---|---|",
    ]
    limits = report["limits"]
    for name in ("start", "resume"):
        seen = report[name]
        lines.append(
            f"| {name} | {seen['reading_seconds']:.1f} s | {limits['reading_seconds']} s "
            f"| {seen['first_record_seconds']:.1f} s | {seen['peak_mb']:,.0f} MB | {limits['peak_mb']:,} MB "
            f"| {seen['shards']} |"
        )
    told = "; ".join(report["broken"]) or "none, and no finished shard was touched by the second run"
    low, high = sorted(report["load_average"])
    lines += [
        "",
        "Times are from the start of the process, imports and the model's loading included; the second run's "
        "reading has its first batch of 64 records in it.",
        "",
        f"Limits broken: {told}.",
        "",
        f"Measured on {report['machine']}, {report['processors']} processors, load average {low} to {high}; "
        + ", ".join(f"{k} {v}" for k, v in report["versions"].items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
