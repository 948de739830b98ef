"""Try all attacks at once, each in a process of its own, and print a table of what happened: `make attack`.

    python tests/programs/attack.py [WORD...]

Words choose attacks by their names. It fails if an attack gets through: if its function raises, or takes more
time or memory than it is allowed. Linux only (/proc).
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from attacks import data, loading, processing  # noqa: F401 (they register their attacks)
from attacks.frame import ATTACKS, Attack
from proc_files import family_of, read_if_there
from rich.console import Console
from rich.table import Table

PEAK = re.compile(rb"VmHWM:\s+(\d+) kB")


class Outcome(NamedTuple):
    """What an attack did.

    is_held (bool): whether it did not get through.
    what (str): what happened, in one line.
    seconds (float): its time, the start of its process included.
    megabytes (float): peak memory of its largest process.
    """

    is_held: bool
    what: str
    seconds: float
    megabytes: float


def try_attack(attack: Attack) -> Outcome:
    """Run an attack in a process of its own, within its limits."""
    with TemporaryDirectory(prefix="attack-") as folder:
        work, result, errors = (Path(folder, name) for name in ("work", "result", "errors"))
        work.mkdir()
        start, peak, end = time.monotonic(), 0.0, ""
        command = [sys.executable, __file__, "--inside", str(result), str(work), attack.name]
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=stderr, env=_environment(Path(folder))
            )
        while process.poll() is None:
            family = family_of(process.pid)
            peak = max([peak, *map(peak_memory, family)])
            if peak > attack.megabytes:
                end = f"more than {attack.megabytes} MB"
            elif time.monotonic() - start > attack.seconds:
                end = f"more than {attack.seconds:.0f} s"
            if end:
                _kill(family)
                process.wait()
            time.sleep(0.02)
        seconds = time.monotonic() - start
        if not end and process.returncode:
            lines = errors.read_text(encoding="utf8", errors="replace").strip().splitlines()
            end = lines[-1] if lines else f"its process ended with {process.returncode}"
        return Outcome(not end, end or result.read_text(encoding="utf8"), seconds, peak)


def run_inside(result: Path, work: Path, name: str) -> None:
    """Run an attack in this process and write down what happened; what it raises ends the process."""
    result.write_text(ATTACKS[name].run(work), encoding="utf8", errors="replace")


def peak_memory(process: int) -> float:
    """Peak memory of a process so far, in MB; 0 if it has ended."""
    peak = PEAK.search(read_if_there(Path(f"/proc/{process}/status")))
    return int(peak[1]) / 1024 if peak else 0.0


def print_table(rows: Iterable[tuple[Attack, Outcome]]) -> None:
    """Print each attack, what is expected, what happened, its time and its peak memory."""
    table = Table("item", "attack", "expected", "what happened", "s", "MB", show_lines=True)
    for attack, outcome in rows:
        mark = "" if outcome.is_held else "GOT THROUGH: "
        what = " ".join(f"{mark}{outcome.what}".split())[:300]
        cells = [str(attack.item), attack.name, attack.expects, what]
        table.add_row(*map(_plain, cells), f"{outcome.seconds:.1f}", f"{outcome.megabytes:.0f}")
    Console(width=None if sys.stdout.isatty() else 200, markup=False).print(table)


def main(words: list[str]) -> int:
    """Try the attacks whose names have one of the words; all without words. RETURNS: the exit code."""
    chosen = [a for name, a in ATTACKS.items() if not words or any(word in name for word in words)]
    if not chosen:
        sys.exit(f"attack: no name of an attack has one of: {', '.join(words)}")
    rows = []
    for attack in sorted(chosen, key=lambda attack: attack.item):
        outcome = try_attack(attack)
        mark = "held" if outcome.is_held else f"GOT THROUGH: {_plain(outcome.what)}"
        print(f"{attack.item}: {attack.name}: {mark}", file=sys.stderr)
        rows.append((attack, outcome))
    print_table(rows)
    through = sum(not outcome.is_held for _, outcome in rows)
    print(f"{len(rows)} attacks, {through} got through")
    return 1 if through else 0


def _environment(home: Path) -> dict[str, str]:
    """The environment of an attack: a home of its own, and the helpers of the tests on the path."""
    helpers = Path(__file__).parent.parent / "helpers"
    path = os.pathsep.join(filter(None, [str(helpers), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "HOME": str(home), "PYTHONPATH": path}


def _kill(processes: Iterable[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _plain(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    if arguments.inside:
        run_inside(Path(arguments.inside[0]), Path(arguments.inside[1]), arguments.inside[2])
    else:
        sys.exit(main(arguments.words))
