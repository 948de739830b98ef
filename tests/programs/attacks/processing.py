"""Hostile inputs, outputs and work folders of `annotate`."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .frame import attack, craftner, refused

PROGRAMS = Path(__file__).parent.parent


def pipeline(folder: Path) -> Path:
    """A pipeline with a tiny model."""
    from tiny_models import make_tiny_model
    from tiny_pipelines import make_nlp

    make_nlp(make_tiny_model(folder / "bert")).to_disk(folder / "pipeline")
    return folder / "pipeline"


def source(folder: Path, n: int = 2, name: str = "in.jsonl") -> Path:
    """A file with some records."""
    from tiny_records import sentence, write_lines

    return write_lines(folder / name, ({"id": k, "text": sentence(k)} for k in range(n)))


def error_of(work: Callable[[], Any]) -> str:
    """The message of the error that something has to end with."""
    try:
        done = work()
    except (OSError, ValueError) as err:
        return str(err)
    raise AssertionError(f"no error, but {done}")


def annotator(folder: Path) -> Callable[..., Any]:
    """`annotate` with a tiny pipeline."""
    import spacy

    from craftner_spacy.processing.annotate import annotate

    nlp = spacy.load(pipeline(folder))
    return lambda inputs, out, **settings: annotate(inputs, out, nlp, shard_characters=1, **settings)


def is_running(process: int) -> bool:
    """Whether a process has not ended."""
    from proc_files import read_if_there

    state = read_if_there(Path(f"/proc/{process}/stat")).rpartition(b")")[2].split()
    return bool(state) and state[0] != b"Z"


@attack("two commands on one output", item=5, expects="the second is refused in one line", seconds=150)
def two_commands(folder: Path) -> str:
    from craftner_spacy.processing.workdir import WorkDir

    model = pipeline(folder)
    with WorkDir(folder / "out.jsonl").opened():
        done = craftner("annotate", source(folder), "-o", folder / "out.jsonl", "--model", model)
        return refused(done, "another command writes", "out.jsonl")


@attack("a folder OUT.work of others, a link, a file", item=6, expects="refused; nothing is removed")
def work_of_others(folder: Path) -> str:
    annotate, work, victim = annotator(folder), folder / "out.jsonl.work", folder / "victim"
    victim.mkdir()
    (victim / "00000.jsonl").write_bytes(b"mine")
    work.symlink_to(victim)
    messages = [error_of(lambda: annotate(source(folder), folder / "out.jsonl", overwrite=True))]
    work.unlink()
    victim.rename(work)
    messages.append(error_of(lambda: annotate(source(folder), folder / "out.jsonl", overwrite=True)))
    assert (work / "00000.jsonl").read_bytes() == b"mine"
    assert all("out.jsonl.work" in message for message in messages), messages
    return messages[-1]


@attack(
    "an output that is a folder, a device, a FIFO or a link", item=6, expects="refused before work starts"
)
def output_is_no_file(folder: Path) -> str:
    annotate = annotator(folder)
    (folder / "d.jsonl").mkdir()
    os.mkfifo(folder / "f.jsonl")
    (folder / "z.jsonl").symlink_to("/dev/full")
    messages = []
    for name in ("d.jsonl", "f.jsonl", "z.jsonl"):
        out = folder / name
        messages.append(error_of(partial(annotate, source(folder), out, overwrite=True)))
    assert not list(folder.glob("*.work"))
    return messages[0]


@attack("an output in a folder of inputs", item=6, expects="refused, or never an input")
def output_among_inputs(folder: Path) -> str:
    annotate, inputs = annotator(folder), folder / "in"
    inputs.mkdir()
    source(inputs)
    message = error_of(lambda: annotate(inputs, inputs / "out.jsonl", input_format="jsonl", overwrite=True))
    done = [annotate(inputs, inputs / "out.xml", input_format="jsonl", overwrite=True) for _ in range(2)]
    assert [summary.records for summary in done] == [2, 2]
    return message


@attack("inputs that change after the check", item=7, expects="an error; no output")
def inputs_change(folder: Path) -> str:
    from craftner_spacy.processing.workdir import WorkDir

    annotate, path, begin = annotator(folder), source(folder, 200), WorkDir.begin
    lines = path.read_bytes().splitlines(keepends=True)
    messages = []
    for changed in (
        [*lines[:-1], lines[-1].replace(b".", b"!")],
        [*lines[:3], b"bad now\n", *lines[4:]],
        [lines[1], lines[0], *lines[2:]],
    ):

        def change(*args: Any, content: bytes = b"".join(changed)) -> None:
            begin(*args)
            path.write_bytes(content)

        path.write_bytes(b"".join(lines))
        WorkDir.begin = change  # type: ignore[assignment, method-assign]
        messages.append(error_of(lambda: annotate(path, folder / "out.jsonl", overwrite=True)))
        assert not (folder / "out.jsonl").exists()
        subprocess.run(["rm", "-r", str(folder / "out.jsonl.work")], check=False)
    assert all("an input has changed" in message for message in messages), messages
    return messages[0]


@attack(
    "a parent of processes that is killed; SIGTERM",
    item=9,
    expects="its processes end; it says how to go on",
    seconds=150,
)
def parent_dies(folder: Path) -> str:
    arguments = [pipeline(folder), source(folder, 200), folder / "out.jsonl", 2]
    command = [sys.executable, str(PROGRAMS / "slow_processes.py"), *map(str, arguments)]
    said = ""
    for end in (subprocess.Popen.kill, subprocess.Popen.terminate):
        parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        working = [int(parent.stdout.readline()) for _ in range(2)]
        end(parent)
        said = parent.communicate()[1].splitlines()[-1]
        limit = time.monotonic() + 5
        while any(map(is_running, working)):
            assert time.monotonic() < limit, "a process outlives its parent"
            time.sleep(0.05)
    assert "repeat the command" in said, said
    return said


@attack("manifests that are empty, {}, [], or of others", item=10, expects="an error with the path")
def manifests(folder: Path) -> str:
    from craftner_spacy.processing.source_files import LOCK_NAME

    annotate, work = annotator(folder), folder / "out.jsonl.work"
    work.mkdir()
    messages = []
    for with_lock in (False, True):
        for content in (b"", b"{}", b"[]", b"[" * 100_000, b"\xff", json.dumps({"name": "app"}).encode()):
            (work / "manifest.json").write_bytes(content)
            if with_lock:
                (work / LOCK_NAME).touch()
            messages.append(error_of(lambda: annotate(source(folder), folder / "out.jsonl", overwrite=True)))
            assert (work / "manifest.json").read_bytes() == content
    assert all("out.jsonl.work/manifest.json" in message for message in messages), messages
    return messages[0]


@attack(
    "FIFO, device, socket, links, a folder x.txt",
    item=11,
    expects="refused or counted, never opened",
    seconds=30,
)
def no_files(folder: Path) -> str:
    annotate, inputs = annotator(folder), folder / "in"
    (inputs / "x.txt").mkdir(parents=True)
    (inputs / "real.txt").write_text("mouse", encoding="utf8")
    os.mkfifo(inputs / "fifo.txt")
    (inputs / "zero.txt").symlink_to("/dev/zero")
    (inputs / "lost.txt").symlink_to("nowhere")
    (inputs / "round.txt").symlink_to("round.txt")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(inputs / "socket.txt"))
    for name in ("fifo.txt", "zero.txt", "lost.txt", "round.txt", "socket.txt"):
        assert name in error_of(partial(annotate, inputs / name, folder / "out.jsonl"))
    done = annotate(inputs, folder / "out.jsonl")
    assert (done.records, len(done.left_out)) == (1, 6)
    return f"{done.records} record, {len(done.left_out)} left out and named"


@attack(
    "an unguarded script with two spawned processes",
    item=21,
    expects="an error that names the guard",
    seconds=150,
)
def unguarded(folder: Path) -> str:
    arguments = [pipeline(folder), source(folder), folder / "out.jsonl"]
    command = [sys.executable, str(PROGRAMS / "unguarded.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1, done.returncode
    assert "__main__" in last, last
    return last


@attack(
    "Ray without a home, read by others",
    item=4,
    expects="no token on disk; a private session that is removed",
    seconds=200,
)
def ray(folder: Path) -> str:
    model, out, before = pipeline(folder), folder / "out.jsonl", set(Path("/tmp").glob("ray*"))
    done = craftner(
        "annotate",
        source(folder),
        *("-o", out, "--model", model, "--engine", "ray", "--workers", 1),
        env={**os.environ, "HOME": "/dev/null"},
    )
    assert done.returncode == 0, done.stderr[-300:]
    left = set(Path("/tmp").glob("ray*")) - before
    assert not left, left
    return done.stdout.strip()
