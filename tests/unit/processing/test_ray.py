"""The engine on Ray: the same bytes as on one machine, also when a command or a worker is killed."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree
from tempfile import mkdtemp
from typing import Any
from unittest.mock import ANY

import pytest
from proc_files import family_of, find_processes, listening_addresses, read_if_there
from tiny_records import sentence, write_lines

import craftner_spacy
from craftner_spacy.data.records import Record
from craftner_spacy.pipelines import describe_model
from craftner_spacy.processing import ray as ray_engine
from craftner_spacy.processing import ray_cluster
from craftner_spacy.processing.annotate import annotate
from craftner_spacy.processing.ray import load_in_worker, make_annotator
from craftner_spacy.processing.ray_cluster import cluster, run_on_worker
from craftner_spacy.processing.settings import BATCH_RECORDS, Workers
from craftner_spacy.processing.source_files import LOCK_NAME

N_SHARDS = 24
N_RECORDS = (N_SHARDS - 1) * BATCH_RECORDS + 3
DEADLINE = 300
"""Seconds that a test waits for something that takes time."""


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Another working directory: Ray's workers find modules there, and in the repository the sources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records for shards of one batch each; each tenth has no text, so no entity either."""
    rows = ({"id": n, "text": sentence(n, words=40) if n % 10 else "", "n": n} for n in range(N_RECORDS))
    return write_lines(tmp_path_factory.mktemp("source") / "source.jsonl", rows)


@pytest.fixture(scope="module")
def on_one_machine(
    pipeline: Path, tiny_kb: Path, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    """The output of the engine of this machine."""
    out = tmp_path_factory.mktemp("one") / "out.jsonl"
    annotate(source, out, str(pipeline), shard_characters=1, kb=str(tiny_kb))
    return out.read_bytes()


@pytest.fixture(scope="module")
def running_ray() -> Iterator[Path]:
    """One Ray for all tests, which `annotate` finds in this process: starting it takes seconds.

    It runs without a home that can be written to. Its session folder is given, and has to be gone in the end.
    """
    folders: list[str] = []

    def make_folder(*args: Any, **kwargs: Any) -> str:
        folders.append(mkdtemp(*args, **kwargs))
        return folders[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", "/dev/null")
        patch.setattr(ray_cluster.tempfile, "mkdtemp", make_folder)
        with cluster(Workers(workers=2)):
            patch.undo()
            yield Path(folders[0])
    assert not os.path.exists(folders[0])
    assert ray_cluster.TOKEN not in os.environ.values()


def wait_until(what: str, condition: Callable[[], Any]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited too long until {what}"
        time.sleep(0.01)


ANNOTATOR = b"MapBatches(Annotator)"
"""In the names of the processes of workers: Ray names them after what they do."""


def annotators(process: int) -> set[int]:
    """The workers of the Ray that a process has started: there may be others on this machine."""
    return family_of(process) & set(find_processes(ANNOTATOR))


def checkpointed(out: Path) -> list[Path]:
    """A file for each annotated shard that Ray Data's checkpoint knows."""
    work = out.with_name(f"{out.name}.work")
    return [path for path in work.glob("checkpoint/*.parquet") if not path.stem.endswith(".pending")]


@pytest.fixture(scope="module")
def killed(pipeline: Path, tiny_kb: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a process with a Ray of its own, which was killed before it wrote the output."""
    out = tmp_path_factory.mktemp("killed") / "out.jsonl"
    arguments = f"{str(source)!r}, {str(out)!r}, {str(pipeline)!r}"
    code = (
        "from craftner_spacy import annotate\n"
        f"annotate({arguments}, shard_characters=1, kb={str(tiny_kb)!r}, engine='ray', workers=1)"
    )
    log = out.with_name("log")
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-I", "-c", code], stderr=file)
    try:
        wait_until("a shard is annotated", lambda: checkpointed(out) or process.poll() is not None)
        assert process.poll() is None, log.read_text(encoding="utf8")
        addresses, workers = listening_addresses(process.pid), annotators(process.pid)
    finally:
        process.kill()
        process.wait()
    wait_until("its workers have ended", lambda: not workers & set(find_processes(ANNOTATOR)))
    assert len(workers) == 1
    assert addresses, "Ray's processes listen for each other"
    assert addresses <= {"127.0.0.1"}, "and for nobody else"
    assert 1 <= len(checkpointed(out)) < N_SHARDS
    return out


def test_a_killed_command_is_continued_and_a_killed_worker_loses_nothing(
    killed: Path,
    running_ray: Path,
    pipeline: Path,
    tiny_kb: Path,
    source: Path,
    on_one_machine: bytes,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.jsonl"
    copytree(killed.with_name("out.jsonl.work"), tmp_path / "out.jsonl.work")
    before = len(checkpointed(out))
    at_kill = []

    def kill() -> None:
        wait_until("another shard is annotated", lambda: len(checkpointed(out)) > before)
        at_kill.extend([len(checkpointed(out)), *annotators(os.getpid())])
        os.kill(at_kill[1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    done = annotate(source, out, str(pipeline), shard_characters=1, kb=str(tiny_kb), engine="ray", workers=2)
    killer.join()
    assert before < at_kill[0] < N_SHARDS
    assert len(at_kill) == 3, "two workers"
    assert out.read_bytes() == on_one_machine
    rows = [json.loads(line) for line in on_one_machine.splitlines()]
    assert [row["entities"] for row in rows[::10]] == [[]] * len(rows[::10])
    assert done.records == N_RECORDS
    assert done.new_records == N_RECORDS - before * BATCH_RECORDS
    assert done.new_words < done.words == sum(len(row["text"].split()) for row in rows)
    assert done.entities == sum(len(row["entities"]) for row in rows) > 0
    assert done.linked == sum("concept" in entity for row in rows for entity in row["entities"]) > 0
    assert not list(tmp_path.glob("*.work"))


def test_a_run_of_another_engine_or_setting_is_not_continued(
    killed: Path, running_ray: Path, pipeline: Path, tiny_kb: Path, source: Path
) -> None:
    again = partial(annotate, source, killed, shard_characters=1, kb=str(tiny_kb))
    with pytest.raises(ValueError, match=r"settings\.engine: 'ray' then, 'local' now"):
        again(str(pipeline))
    with pytest.raises(ValueError, match=r"settings\.limit: None then, 9 now"):
        again(str(pipeline), engine="ray", limit=9)
    with pytest.raises(ValueError, match=r"model\.threshold: 0\.0 then, 0\.7 now"):
        again(str(pipeline), engine="ray", threshold=0.7)
    with pytest.raises(ValueError, match=r"model\.kb: '[0-9a-f]{56}\.\.\. then, None now"):
        again(str(pipeline), engine="ray", kb="none")


def test_nobody_else_can_enter_the_cluster_or_see_its_session(running_ray: Path) -> None:
    assert stat.S_IMODE(running_ray.stat().st_mode) == 0o700
    [server] = [
        process
        for process in find_processes(b"gcs_server")
        if str(running_ray).encode() in Path(f"/proc/{process}/cmdline").read_bytes()
    ]
    environment = Path(f"/proc/{server}/environ").read_bytes().split(b"\0")
    assert {b"RAY_AUTH_MODE=token", f"RAY_AUTH_TOKEN={ray_cluster.TOKEN}".encode()} <= set(environment)
    files = [path for path in running_ray.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if ray_cluster.TOKEN.encode() in read_if_there(path)]


def test_a_function_runs_where_a_worker_would_and_its_errors_are_short(running_ray: Path) -> None:
    assert run_on_worker(Workers(), os.getpid) != os.getpid()
    assert run_on_worker(Workers(), partial(find_spec, "craftner_spacy")).origin == craftner_spacy.__file__
    with pytest.raises(
        ValueError, match=r"^a worker failed: ValueError: invalid literal for int\(\) with base 10: 'x'$"
    ):
        run_on_worker(Workers(), partial(int, "x"))
    with pytest.raises(ValueError, match="workers = 9, each with 1 CPU and 0 GPU: Ray has 3 CPU"):
        run_on_worker(Workers(workers=9), os.getpid)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"id": 1, "text": "a"}, {"text": "b"}], "record 2: it has no id"),
        ([{"id": 1, "text": "a"}, {"id": "1", "text": "b"}], "record 2: its id '1' is also that of "),
    ],
)
def test_a_bad_id_is_an_error_before_any_record_is_annotated(
    rows: list[Any],
    reason: str,
    running_ray: Path,
    pipeline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_engine, "annotate_shards", None)
    records = write_lines(tmp_path / "in.jsonl", rows)
    with pytest.raises(ValueError, match=reason):
        annotate(records, tmp_path / "out.jsonl", str(pipeline), engine="ray")
    assert not (tmp_path / "out.jsonl").exists()


def test_files_without_a_manifest_are_not_continued(
    running_ray: Path, pipeline: Path, tmp_path: Path
) -> None:
    records = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "mouse"}])
    leftover = tmp_path / "out.jsonl.work" / "input"
    leftover.mkdir(parents=True)
    (leftover.parent / LOCK_NAME).touch()
    (leftover / "000000000000.jsonl").write_text('{"id": "old", "text": "yeast"}\n', encoding="utf8")
    annotate(records, tmp_path / "out.jsonl", str(pipeline), engine="ray", workers=1)
    [row] = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf8").splitlines()]
    assert (row["id"], row["text"]) == ("1", "mouse")


def test_a_worker_with_another_pipeline_is_refused(pipeline: Path) -> None:
    load = partial(load_in_worker, str(pipeline), {}, False)
    description = describe_model(load())
    annotated = make_annotator(load, description)([Record("1", "mouse kinase", {})])
    assert [record.id for record in annotated] == ["1"]
    with pytest.raises(ValueError, match=r"has another pipeline \(torch: '.*', not '0\.1'\)"):
        make_annotator(load, {**description, "torch": "0.1"})


def test_workers_elsewhere_are_asked_for_their_pipeline(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run(pool: Workers, function: Callable[[], Any]) -> Any:
        asked.append(pool)
        return function()

    monkeypatch.setattr(ray_engine, "run_on_worker", run)
    pool = Workers(address="auto")
    nlp = load_in_worker(str(pipeline), {}, False)
    engine = ray_engine.RayEngine(nlp, str(pipeline), {"threshold": 0.25}, tmp_path, pool, False)
    assert engine.description == {**describe_model(nlp), "threshold": 0.25, "digest": ANY}
    assert asked == [pool]


def test_a_worker_with_a_gpu_uses_it(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(ray_engine.spacy, "require_gpu", lambda: calls.append("gpu"))
    load_in_worker(str(pipeline), {}, True)
    assert calls == ["gpu"]


def test_the_error_without_ray_names_the_extra(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("ray", "ray_cluster", "ray_data"):
        monkeypatch.delitem(sys.modules, f"craftner_spacy.processing.{name}")
    with pytest.raises(ImportError, match=r'pip install "\.\[ray\]"'):
        annotate(source, tmp_path / "out.jsonl", engine="ray")
