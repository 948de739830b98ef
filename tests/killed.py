"""Annotate, be killed (-9) at chosen and at random moments, go on: the output is the same, byte for byte.

    python tests/killed.py PIPELINE SOURCE FOLDER RANDOM_KILLS

A program of its own, so that it has but one thread and may be forked: torch is imported once for all runs.
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

from craftner_spacy.annotation import annotate, component_of

POINTS = {"fsync": (1, 2, 3, 6, 9), "replace": (1, 2, 5, 9), "unlink": (1, 2, 3, 5)}
"""Calls at which a run is killed. The ninth file that is made sure of, and renamed, is the output."""


def fork(work: Callable[[], object]) -> int:
    """Run something in a copy of this process; its process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def status_of(pid: int) -> int:
    return os.waitpid(pid, 0)[1]


def kill_at(function: str, call: int) -> None:
    """Make this process end at the given call of a function of `os`, before the call does anything."""
    real, count = getattr(os, function), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(os, function, counted)


def go_on(run: Callable[[], object], out: Path) -> int:
    """Start again and watch the finished shards: none may change. RETURNS: how many there were."""
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
    assert ended[1] == 0, f"{out}: the second start failed"
    return len(before)


def main(pipeline: str, source: str, folder: Path, random_kills: int) -> None:
    nlp = spacy.load(pipeline)
    assert component_of(nlp).scheme.labels

    def run(out: Path, model: Language = nlp) -> None:
        annotate(source, out, model, skip_errors=True, shard_characters=1)

    for suffix in (".jsonl", ".xml"):
        assert status_of(fork(partial(run, folder / f"whole{suffix}"))) == 0
    finished = []

    def run_until(function: str, call: int, out: Path) -> None:
        kill_at(function, call)
        run(out)

    def check(out: Path) -> None:
        finished.append(go_on(partial(run, out), out))
        assert out.read_bytes() == (folder / f"whole{out.suffix}").read_bytes(), f"{out} is another"
        assert (folder / f"{out.name}.skipped.jsonl").read_bytes() == (
            folder / f"whole{out.suffix}.skipped.jsonl"
        ).read_bytes()
        shutil.rmtree(out.with_name(f"{out.name}.work"), ignore_errors=True)

    for function, calls in POINTS.items():
        for call in calls:
            out = folder / f"{function}-{call}.xml"
            killed = fork(partial(run_until, function, call, out))
            assert os.WIFSIGNALED(status_of(killed)), f"{out}: was not killed"
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
        status_of(pid)
        check(out)
    print(f"{len(finished)} kills; finished shards at each: {finished}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
