"""Ray's workers: how many fit, what is said of one that fails, and stops while Ray starts or ends."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from craftner_spacy.processing import ray_cluster
from craftner_spacy.processing.ray_cluster import cluster, reason_of, worker_count
from craftner_spacy.processing.settings import Workers

Events = dict[str, Callable[[], object]]


class TerminatedError(KeyboardInterrupt):
    """What the handler of the tests makes of SIGTERM."""


def terminate(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Events]:
    """What happens while a Ray that does nothing starts and ends. Its session folder has to go."""
    happens: Events = {"start": bool, "end": bool}

    def init(**options: Any) -> None:
        # As the real one does.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        happens["start"]()

    fake = SimpleNamespace(is_initialized=bool, init=init, shutdown=lambda: happens["end"]())
    monkeypatch.setattr(ray_cluster, "ray", fake)
    session = tmp_path / "session"

    def make_folder(**options: Any) -> str:
        session.mkdir()
        return str(session)

    monkeypatch.setattr(ray_cluster.tempfile, "mkdtemp", make_folder)
    before = signal.signal(signal.SIGTERM, terminate)
    yield happens
    assert signal.signal(signal.SIGTERM, before) is terminate
    assert not session.exists()


def test_a_cluster_that_runs_is_joined_and_left(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    options, ended = [], []
    events["end"] = lambda: ended.append(True)
    monkeypatch.setattr(ray_cluster.ray, "init", lambda **given: options.append(given))
    with cluster(Workers(address="auto")):
        assert not ended
    assert ended == [True]
    assert [(given["address"], "_temp_dir" in given) for given in options] == [("auto", False)]


def test_ray_has_a_cpu_more_than_its_workers_take(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    options = []
    monkeypatch.setattr(ray_cluster.ray, "init", lambda **given: options.append(given))
    monkeypatch.setattr(ray_cluster, "usable_cpus", lambda: 2)
    for pool in (Workers(), Workers(workers=3, cpus_per_worker=0.5), Workers(workers=4)):
        with cluster(pool):
            assert worker_count(pool, {"CPU": float(options[-1]["num_cpus"])}) == (pool.workers or 1)
    assert [given["num_cpus"] for given in options] == [2, 3, 5]


def test_sigterm_while_ray_starts_is_a_stop_like_others(events: Events) -> None:
    events["start"] = lambda: signal.raise_signal(signal.SIGTERM)
    with pytest.raises(TerminatedError), cluster(Workers()):
        pytest.fail("it was stopped before")


def test_sigterm_does_what_it_did_before_while_ray_runs(events: Events) -> None:
    for handler in (terminate, signal.SIG_IGN):
        signal.signal(signal.SIGTERM, handler)
        with cluster(Workers()):
            assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.signal(signal.SIGTERM, terminate) is handler


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)]
)
def test_a_second_stop_waits_until_ray_has_ended(
    number: signal.Signals, error: type[KeyboardInterrupt], events: Events
) -> None:
    ended = []

    def end() -> None:
        signal.raise_signal(number)
        ended.append(number)

    events["end"] = end
    with pytest.raises(KeyboardInterrupt) as stopped, cluster(Workers()):
        raise KeyboardInterrupt
    assert ended == [number]
    assert stopped.type is error


def test_what_ray_leaves_is_killed(events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    # A server of that name, as Linux tells it, whose agent outlives it, and a process of others.
    server = tmp_path / "raylet"
    server.symlink_to("/bin/sh")

    def start() -> None:
        agents = "sleep 60 & echo one; read line; sleep 60 & echo two; wait"
        command = [str(server), "-c", agents]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        started.append(subprocess.Popen(["sleep", "60"]))
        assert started[0].stdout is not None
        assert started[0].stdout.readline() == b"one\n"
        signal.raise_signal(signal.SIGTERM)

    def end() -> None:
        # The server starts another one when the first ones are known.
        assert started[0].stdin is not None
        assert started[0].stdout is not None
        started[0].stdin.write(b"\n")
        started[0].stdin.flush()
        assert started[0].stdout.readline() == b"two\n"

    monkeypatch.setattr(ray_cluster, "END_SECONDS", 0.1)
    events["start"], events["end"] = start, end
    with pytest.raises(TerminatedError), cluster(Workers()):
        pytest.fail("it was stopped before")
    ray, other = started
    assert ray.wait(5) == -signal.SIGKILL
    # The agents held the pipe open.
    assert ray.communicate() == (b"", None)
    assert other.poll() is None
    other.kill()
    other.wait()


def test_workers_have_to_fit_and_leave_a_cpu_free() -> None:
    with pytest.raises(ValueError, match=r"workers = 4, each with 1 CPU and 0 GPU: Ray has 4 CPU, 0 GPU"):
        worker_count(Workers(workers=4), {"CPU": 4.0})
    with pytest.raises(ValueError, match=r"workers = 1, each with 1 CPU and 1 GPU: Ray has 4 CPU, 0 GPU"):
        worker_count(Workers(gpus_per_worker=1), {"CPU": 4.0})
    assert worker_count(Workers(workers=3), {"CPU": 4.0}) == 3


def test_the_reason_is_the_last_error_that_is_not_rays() -> None:
    trace = "\n".join(
        [
            "ray::MapWorker.submit() (pid=1)",
            "KeyError: 'first'",
            "builtins.ValueError: second",
            "ray.exceptions.RayTaskError: third",
        ]
    )
    assert reason_of(trace) == "builtins.ValueError: second"
    assert reason_of("nothing known") == "nothing known"
