"""Processes that annotate: they end with their parent, and one that cannot start is an error, not a wait."""

import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import resource_tracker, spawn
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import PROGRAMS, run_program
from spacy.language import Language
from spacy.tokens import Doc
from tiny_records import write_lines

from craftner_spacy.data.records import Record
from craftner_spacy.pipelines import load_pipeline
from craftner_spacy.processing import processes
from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.processes import annotate_in_processes, refuse_unguarded_main


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are spawned, as on macOS and Windows."""
    context = multiprocessing.get_context("spawn")
    monkeypatch.setattr(multiprocessing, "get_context", lambda: context)


def test_a_script_without_a_guard_is_an_error_that_names_it(pipeline: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    done = run_program("unguarded.py", pipeline, source, tmp_path / "out.jsonl", check=False, timeout=100)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "Error: " in line]
    assert errors[0].startswith("RuntimeError: annotate() is called while a process is started")
    assert "ended before it was ready" in errors[-1]
    assert all('if __name__ == "__main__":' in error for error in (errors[0], errors[-1]))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_process_that_ends_before_it_has_read_its_start_data_is_an_error(
    spawned: None, pipeline: Path
) -> None:
    nlp = load_pipeline(str(pipeline))
    nlp.vocab.strings.add("x" * 200_000)
    # It is spawned, too.
    resource_tracker.ensure_running()
    executable = spawn.get_executable()
    multiprocessing.set_executable("/bin/false")
    try:
        with pytest.raises(
            ChildProcessError, match=r"n_process = 2 ended before .*: put what .* below a line if __"
        ):
            list(annotate_in_processes(nlp, [(0, [Record("1", "mouse", {})])], 2, print))
    finally:
        multiprocessing.set_executable(executable)


def test_a_process_that_is_being_started_is_told_of_the_guard(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_unguarded_main()
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(RuntimeError, match='if __name__ == "__main__":'):
        annotate(many, tmp_path / "out.jsonl")


def test_spawned_processes_find_the_same(spawned: None, pipeline: Path) -> None:
    nlp = load_pipeline(str(pipeline))
    batch = [Record("1", "mouse kinase", {}), Record("2", "yeast", {})]
    shown: list[float] = []
    [(number, annotated)] = annotate_in_processes(nlp, [(0, batch)], 1, shown.append)
    assert number == 0
    assert shown == sorted(shown)
    assert [record.entities for record in annotated] == [
        tuple(e) for e in processes.find_entities(nlp, [record.text for record in batch])
    ]


def test_a_pipeline_that_cannot_be_pickled_is_an_error_that_says_why(spawned: None, pipeline: Path) -> None:
    @Language.component("local")
    def local(doc: Doc) -> Doc:
        return doc

    nlp = load_pipeline(str(pipeline))
    nlp.add_pipe("local")
    with pytest.raises(ValueError, match=r"the pipeline cannot be pickled.*<locals>\.local.*n_process = 1"):
        list(annotate_in_processes(nlp, [(0, [Record("1", "mouse", {})])], 2, print))


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition holds within some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def start_slow(
    pipeline: Path, source: Path, out: Path, n_process: int
) -> tuple[subprocess.Popen[str], list[int]]:
    """A command that annotates for ever, and the ids of the processes that work."""
    command = [
        sys.executable,
        "-E",
        "-s",
        str(PROGRAMS / "slow_processes.py"),
        *map(str, (pipeline, source, out)),
    ]
    process = subprocess.Popen(
        [*command, str(n_process)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, [int(process.stdout.readline()) for _ in range(n_process)]


def is_running(process: int) -> bool:
    """Whether a process of this machine has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_processes_end_when_their_parent_is_killed(pipeline: Path, many: Path, tmp_path: Path) -> None:
    parent, working = start_slow(pipeline, many, tmp_path / "out.jsonl", n_process=2)
    assert all(map(is_running, working))
    parent.kill()
    parent.communicate()
    assert wait_for(lambda: not any(map(is_running, working)), seconds=5)


def test_sigterm_ends_the_command_and_its_processes_at_once(
    pipeline: Path, many: Path, tmp_path: Path
) -> None:
    parent, working = start_slow(pipeline, many, tmp_path / "out.jsonl", n_process=2)
    start = time.monotonic()
    parent.send_signal(signal.SIGTERM)
    _, errors = parent.communicate(timeout=60)
    assert time.monotonic() - start < 10
    assert parent.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("SIGTERM: stopped. No shard was finished: repeat the command")
    assert not any(map(is_running, working))
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("is_told", [True, False])
def test_a_process_ends_when_it_is_told_to_or_has_another_parent(
    is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents = iter([7, 7, 7, 7] if is_told else [7, 7, 7, 1])
    codes: list[int] = []
    alive, _alive = multiprocessing.Pipe(duplex=False)
    is_stopped, stop = multiprocessing.Pipe(duplex=False)
    if is_told:
        stop.send_bytes(b"stop")
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(sentinel=alive))
    monkeypatch.setattr(processes.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(processes.os, "_exit", codes.append)
    processes._end_with_parent(is_stopped)
    assert codes == [1]
    assert len(list(parents)) == (2 if is_told else 0)
