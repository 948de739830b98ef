"""Watch a command as users start it: its memory, and the shards that it has finished. Linux only (/proc)."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from memory import read_memory

POLL_SECONDS = 0.1


class Watched(NamedTuple):
    """What was seen of a command.

    peak_mb (float): the most memory of the process and its children, in MB.
    seconds (float): from its start to its end.
    is_stopped (bool): whether it was stopped, and did not end by itself.
    """

    peak_mb: float
    seconds: float
    is_stopped: bool


def watch(
    arguments: list[str],
    folder: Path,
    is_over: Callable[[float], bool],
    stop: signal.Signals = signal.SIGKILL,
) -> Watched:
    """Run a command of the package until it ends, or stop it when `is_over`.

    arguments (list[str]): of the command.
    folder (Path): where it runs: not in this repository, whose package would be imported in place of the
        installed one.
    is_over (Callable[[float], bool]): asked ten times a second, with the seconds since the start.
    stop (signal.Signals): what the command is sent then.
    RAISES: SystemExit if it fails by itself.
    """
    peak, start, is_stopped = 0.0, time.monotonic(), False
    command = [sys.executable, "-m", "craftner_spacy", *arguments]
    log = folder / "log.txt"
    with log.open("wb") as shown, subprocess.Popen(command, cwd=folder, stderr=shown) as process:
        while process.poll() is None and not is_stopped:
            peak = max(peak, memory_mb(process.pid))
            if is_over(time.monotonic() - start):
                process.send_signal(stop)
                is_stopped = True
            time.sleep(POLL_SECONDS)
    if process.returncode and not is_stopped:
        sys.exit(f"{' '.join(arguments)} ended with {process.returncode}: {log.read_text()[-1000:]}")
    return Watched(peak, time.monotonic() - start, is_stopped)


def memory_mb(pid: int) -> float:
    """Memory of a process and its children, in MB; at least the peak of the process itself."""
    total = highest = 0.0
    for process in tree(pid):
        try:
            memory = read_memory(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += memory.resident
        highest = max(highest, memory.peak)
    return max(total, highest)


def tree(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text(encoding="utf8").split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            yield from tree(int(child))


def finished(work: Path) -> list[Path]:
    """The finished shards in a working folder, in order."""
    return sorted(work.glob("[0-9]*.jsonl"), key=lambda path: int(path.stem))
