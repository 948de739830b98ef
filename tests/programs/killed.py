"""Annotate, get killed (-9) at chosen and at random moments, resume: the output is the same, byte for byte.

    python tests/programs/killed.py PIPELINE SOURCE FOLDER RANDOM_KILLS

It is a program of its own, so that it has only one thread and can be forked: torch is imported once for all
runs.
"""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

from craftner_spacy.pipelines import get_component
from craftner_spacy.processing.annotate import annotate

POINTS = {"fsync": (1, 2, 3, 6, 9, 10), "replace": (1, 2, 5, 9, 10), "unlink": (1, 2, 3, 5, 10)}
"""Calls at which a run is killed. The output is the ninth file that is synced to disk, and the tenth that is
renamed; the lock is the tenth that is removed."""


def fork(work: Callable[[], object]) -> int:
    """Run something in a fork of this process. RETURNS: its process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def wait(pid: int) -> int:
    """Wait until a process ends. RETURNS: its status."""
    return os.waitpid(pid, 0)[1]


def kill_at(function: str, call: int) -> None:
    """Let this process be killed at the given call of a function of `os`, before the call has an effect."""
    real, count = getattr(os, function), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(os, function, counted)


def resume(run: Callable[[], object], out: Path) -> int:
    """Start again and check that no finished shard changes. RETURNS: how many there were."""
    work = out.with_name(f"{out.name}.work")
    before = {path: path.stat() for path in work.glob("[0-9]*.jsonl")}
    if out.exists() and not (work / "manifest.json").exists():
        return len(before)
    pid = fork(run)
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
        for path, stat in before.items():
            if path.exists():
                try:
                    now = path.stat()
                except FileNotFoundError:
                    continue
                assert (now.st_mtime_ns, now.st_ino) == (stat.st_mtime_ns, stat.st_ino), path
        time.sleep(0.01)
    assert ended[1] == 0, f"{out}: the second run failed"
    return len(before)


def main(pipeline: str, source: str, folder: Path, random_kills: int) -> None:
    nlp = spacy.load(pipeline)
    assert get_component(nlp).scheme.labels

    def run(out: Path, model: Language = nlp) -> None:
        annotate(source, out, model, skip_errors=True, shard_characters=1)

    for suffix in (".jsonl", ".xml"):
        assert wait(fork(partial(run, folder / f"whole{suffix}"))) == 0
    finished = []

    def run_until(function: str, call: int, out: Path) -> None:
        kill_at(function, call)
        run(out)

    def check(out: Path) -> None:
        finished.append(resume(partial(run, out), out))
        assert out.read_bytes() == (folder / f"whole{out.suffix}").read_bytes(), f"{out} has other bytes"
        assert (folder / f"{out.name}.skipped.jsonl").read_bytes() == (
            folder / f"whole{out.suffix}.skipped.jsonl"
        ).read_bytes()
        shutil.rmtree(out.with_name(f"{out.name}.work"), ignore_errors=True)

    for function, calls in POINTS.items():
        for call in calls:
            out = folder / f"{function}-{call}.xml"
            killed = fork(partial(run_until, function, call, out))
            assert os.WIFSIGNALED(wait(killed)), f"{out}: the run was not killed"
            check(out)
    start = time.monotonic()
    run(folder / "timed.jsonl")
    seconds = time.monotonic() - start
    rng = random.Random(1)
    for number in range(random_kills):
        out = folder / f"random-{number}.jsonl"
        pid = fork(partial(run, out))
        time.sleep(rng.uniform(0, seconds))
        os.kill(pid, signal.SIGKILL)
        wait(pid)
        check(out)
    print(f"{len(finished)} kills; finished shards at each: {finished}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
