"""The workers on Ray: the same bytes as on one machine, whoever dies on the way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree
from typing import Any

import pyarrow as pa
import pytest
import spacy
from pyarrow import parquet
from tiny_records import sentence, write_lines

import craftner_spacy
from craftner_spacy import annotation, ray_annotate
from craftner_spacy.annotation import BATCH_RECORDS, annotate, describe_model, load_worker
from craftner_spacy.formats import Annotation, Record
from craftner_spacy.ray_annotate import ENTITIES, Pool, cluster, in_order, on_a_worker, stage, worker_count

N_SHARDS = 24
N_RECORDS = (N_SHARDS - 1) * BATCH_RECORDS + 3
DEADLINE = 300
"""Seconds that a test waits for something which takes some."""


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ray's workers find modules also where it was started: in the repository they would meet the sources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        yield


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records for shards of one batch each; each tenth has no text, so no entity either."""
    rows = ({"id": n, "text": sentence(n, words=40) if n % 10 else "", "n": n} for n in range(N_RECORDS))
    return write_lines(tmp_path_factory.mktemp("many") / "many.jsonl", rows)


@pytest.fixture(scope="module")
def on_one_machine(pipeline: Path, many: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("one") / "out.jsonl"
    annotate(many, out, str(pipeline), shard_characters=1)
    return out.read_bytes()


@pytest.fixture(scope="module")
def ray_of_this_process() -> Iterator[None]:
    """One Ray for all tests, which `annotate` finds running: starting takes seconds."""
    with cluster(Pool(workers=2)):
        yield


def wait_for(what: str, found: Any) -> Any:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")


def annotators() -> list[int]:
    """The processes of the workers: Ray names them after what they do."""
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"MapBatches(Annotator)" in _read(path)
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def parts(out: Path) -> list[Path]:
    """The annotated shards that Ray Data's checkpoint knows of."""
    work = out.with_name(f"{out.name}.work")
    return [path for path in work.glob("checkpoint/*.parquet") if not path.stem.endswith(".pending")]


# The same bytes


@pytest.fixture(scope="module")
def killed(pipeline: Path, many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output that a process of its own, with a Ray of its own, was about to write when it was killed."""
    out = tmp_path_factory.mktemp("killed") / "out.jsonl"
    arguments = f"{str(many)!r}, {str(out)!r}, {str(pipeline)!r}, shard_characters=1, engine='ray', workers=1"
    code = f"from craftner_spacy import annotate\nannotate({arguments})"
    before = set(annotators())
    log = out.with_name("log")
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-I", "-c", code], stderr=file)
    try:
        wait_for("an annotated shard", lambda: parts(out) or process.poll() is not None)
        assert process.poll() is None, log.read_text(encoding="utf8")
        addresses = listening_addresses(process.pid)
    finally:
        process.kill()
        process.wait()
    wait_for("its workers to end", lambda: set(annotators()) <= before)
    assert addresses, "Ray's processes listen for each other"
    assert addresses <= {"127.0.0.1"}, "and for nobody else"
    assert 1 <= len(parts(out)) < N_SHARDS
    return out


def listening_addresses(process: int) -> set[str]:
    """The IPv4 addresses at which a process and its descendants listen."""
    parents = {int(path.parent.name): _parent(_read(path)) for path in Path("/proc").glob("[0-9]*/stat")}
    family = {process}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    sockets = set()
    for member in family:
        for handle in Path(f"/proc/{member}/fd").glob("*"):
            try:
                sockets.add(os.readlink(handle))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="utf8").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                # The last four bytes, the lowest first: IPv4 is at the end of IPv6's, too.
                last = fields[1].partition(":")[0][-8:]
                found.add(".".join(str(byte) for byte in reversed(bytes.fromhex(last))))
    return found


def _parent(stat: bytes) -> int:
    # The name, in brackets, may hold anything.
    return int(stat.rpartition(b")")[2].split()[1]) if stat else 0


def test_a_killed_command_goes_on_and_a_killed_worker_loses_nothing(
    killed: Path,
    ray_of_this_process: None,
    pipeline: Path,
    many: Path,
    on_one_machine: bytes,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.jsonl"
    copytree(killed.with_name("out.jsonl.work"), tmp_path / "out.jsonl.work")
    before = len(parts(out))
    at_kill = []

    def kill() -> None:
        wait_for("another annotated shard", lambda: len(parts(out)) > before)
        at_kill.extend([len(parts(out)), *annotators()])
        os.kill(at_kill[1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    done = annotate(many, out, str(pipeline), shard_characters=1, engine="ray", workers=2)
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
    assert not list(tmp_path.glob("*.work"))


def test_work_of_another_engine_or_setting_is_refused(
    killed: Path, ray_of_this_process: None, pipeline: Path, many: Path
) -> None:
    again = partial(annotate, many, killed, shard_characters=1)
    with pytest.raises(ValueError, match=r"settings\.engine: 'ray' then, 'local' now"):
        again(str(pipeline))
    with pytest.raises(ValueError, match=r"settings\.limit: None then, 9 now"):
        again(str(pipeline), engine="ray", limit=9)
    with pytest.raises(ValueError, match=r"model\.threshold: 0\.0 then, 0\.7 now"):
        again(str(pipeline), engine="ray", threshold=0.7)


def test_a_function_runs_where_a_worker_would_and_its_errors_are_short(ray_of_this_process: None) -> None:
    assert on_a_worker(Pool(), os.getpid) != os.getpid()
    assert on_a_worker(Pool(), partial(find_spec, "craftner_spacy")).origin == craftner_spacy.__file__
    with pytest.raises(
        ValueError, match=r"^a worker failed: ValueError: invalid literal for int\(\) with base 10: 'x'$"
    ):
        on_a_worker(Pool(), partial(int, "x"))
    with pytest.raises(ValueError, match="workers = 9, each with 1 CPU and 0 GPU: Ray has 3 CPU"):
        on_a_worker(Pool(workers=9), os.getpid)


def test_parts_come_back_in_order_and_once(tmp_path: Path) -> None:
    def write(name: str, numbers: list[int]) -> None:
        rows = [
            {
                "number": n,
                "record": json.dumps({"id": str(n), "text": f"text {n}", "year": n}),
                "entities": [{"start": 0, "end": 4, "label": "Cell", "score": 0.5}] if n % 2 else [],
            }
            for n in numbers
        ]
        schema = pa.schema([("number", pa.int64()), ("record", pa.string()), ("entities", ENTITIES)])
        (tmp_path / "output").mkdir(exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "output" / f"{name}.parquet")

    write("a", [4, 5])
    write("b", [2, 0, 1])
    write("c", [3, 6])
    write("d", [4, 5])
    cell = (Annotation(0, 4, "Cell", 0.5),)
    assert list(in_order(tmp_path)) == [
        Record(str(n), f"text {n}", {"year": n}, (), cell if n % 2 else ()) for n in range(7)
    ]


def test_a_stop_while_shards_are_written_leaves_none(tmp_path: Path) -> None:
    def records(n: int) -> Iterator[tuple[int, Record]]:
        for number in range(n):
            yield number // 2, Record(str(number), "a\u2028b", {})
        if n < 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path, records(4))
    assert not (tmp_path / "input").exists()
    stage(tmp_path, records(5))
    files = sorted((tmp_path / "input").iterdir())
    assert [int(path.stem) for path in files] == [0, 2, 4]
    read = [table for path in files for table in ray_annotate._read_shard(path)]
    assert [number for table in read for number in table["number"].to_pylist()] == list(range(5))
    assert json.loads(read[1]["record"][0].as_py())["text"] == "a\u2028b"


# What cannot be


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"id": 1, "text": "a"}, {"text": "b"}], "record 2: it has no id"),
        ([{"id": 1, "text": "a"}, {"id": "1", "text": "b"}], "record 2: its id '1' is that of "),
    ],
)
def test_bad_ids_are_told_before_work(
    rows: list[Any],
    reason: str,
    ray_of_this_process: None,
    pipeline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_annotate, "annotate_shards", None)
    source = write_lines(tmp_path / "in.jsonl", rows)
    with pytest.raises(ValueError, match=reason):
        annotate(source, tmp_path / "out.jsonl", str(pipeline), engine="ray")
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"engine": "spark"}, "engine = 'spark': allowed are local, ray"),
        ({"n_process": 2}, "n_process = 2: with engine 'ray' it is workers"),
        ({"engine": "local", "address": "auto"}, "address = 'auto': this is a setting of engine 'ray'"),
        ({"workers": 0}, "workers = 0: allowed are whole numbers from 1"),
        ({"cpus_per_worker": 0}, "cpus_per_worker = 0: allowed are numbers over 0"),
        ({"gpus_per_worker": -1}, "gpus_per_worker = -1: allowed are numbers from 0"),
        ({"model": spacy.blank("en")}, "load the pipeline themselves: give its name or folder"),
    ],
)
def test_wrong_settings_are_refused(setting: dict[str, Any], reason: str, many: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=reason):
        annotate(many, tmp_path / "out.jsonl", **{"engine": "ray", **setting})


def test_workers_have_to_fit_and_leave_a_processor_free() -> None:
    with pytest.raises(ValueError, match=r"workers = 4, each with 1 CPU and 0 GPU: Ray has 4 CPU, 0 GPU"):
        worker_count(Pool(workers=4), {"CPU": 4.0})
    with pytest.raises(ValueError, match=r"workers = 1, each with 1 CPU and 1 GPU: Ray has 4 CPU, 0 GPU"):
        worker_count(Pool(gpus=1), {"CPU": 4.0})
    assert worker_count(Pool(workers=3), {"CPU": 4.0}) == 3


def test_without_the_extra_its_name_is_told(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "craftner_spacy.ray_annotate")
    monkeypatch.delattr(craftner_spacy, "ray_annotate")
    with pytest.raises(ImportError, match=r'pip install "craftner_spacy\[ray\]"'):
        annotate(many, tmp_path / "out.jsonl", engine="ray")


def test_a_folder_is_found_from_any_working_directory(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pipeline.parent)
    (tmp_path / "small").mkdir()
    assert annotation._seen_from_elsewhere(pipeline.name) == str(pipeline.resolve())
    monkeypatch.chdir(tmp_path)
    assert annotation._seen_from_elsewhere("small") == "small", "the shipped one goes before a folder"


def test_a_worker_with_another_pipeline_is_refused(pipeline: Path) -> None:
    load = partial(load_worker, str(pipeline), {}, False)
    described = describe_model(load())
    found = annotation._annotator(load, described)([Record("1", "mouse kinase", {})])
    assert [record.id for record in found] == ["1"]
    with pytest.raises(ValueError, match=r"has another pipeline \(torch: '.*', not '0\.1'\)"):
        annotation._annotator(load, {**described, "torch": "0.1"})
