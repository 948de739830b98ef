"""Records annotated on Ray Data, by a pool of workers that each load the pipeline once.

Ray does the distributing, the retries and the checkpoints; what stands here is what goes in and comes out:

    WORK/input/NUMBER.jsonl     the shards, each named after the number of its first record
    WORK/output/*.parquet       annotated ones, in the order in which they got ready
    WORK/checkpoint/            Ray Data's notes of the records that are in there

One shard is one block of Ray's, from reading to writing, and never cut: so each worker sees the batches that
one machine would see. One row is one record, with a list of its entities, which may be empty. Its number in
the input, from 0, is the id that the checkpoint goes by and that puts the rows in order again.
"""

import heapq
import json
import logging
import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .formats import Annotation, Reading, Record, json_line, of_json

try:
    import pyarrow as pa
    import ray
    from pyarrow import parquet
    from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
    from ray.data.block import BlockMetadata
    from ray.data.checkpoint import CheckpointConfig
except ImportError as err:
    raise ImportError(f'engine "ray" needs Ray: pip install "craftner_spacy[ray]" ({err})') from err

Annotate = Callable[[Sequence[Record]], Iterable[Record]]
Result = TypeVar("Result")
ENTITIES = pa.list_(
    pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.string()), ("score", pa.float64())])
)


class Pool(NamedTuple):
    """The workers of a run, and where they are.

    workers (int | None): how many; None: as many as fit, with one CPU left free.
    cpus, gpus (float): that each has to itself.
    address (str | None): of a running cluster, as `ray.init` takes it; None: Ray is started on this machine,
        unless it runs in this process already.
    """

    workers: int | None = None
    cpus: float = 1
    gpus: float = 0
    address: str | None = None


def worker_count(pool: Pool, resources: dict[str, float]) -> int:
    """How many workers there will be.

    resources: what the cluster has, as `ray.cluster_resources` tells it.
    RAISES: ValueError if they do not fit, or would leave no CPU for reading and writing: Ray would wait.

    >>> worker_count(Pool(), {"CPU": 8.0}), worker_count(Pool(cpus=2), {"CPU": 8.0})
    (7, 3)
    >>> worker_count(Pool(gpus=0.5), {"CPU": 8.0, "GPU": 1.0})
    2
    """
    free = {"CPU": resources.get("CPU", 0) - 1, "GPU": resources.get("GPU", 0)}
    needed = {"CPU": pool.cpus, "GPU": pool.gpus}
    most = min(int(free[kind] / needed[kind]) for kind in needed if needed[kind])
    if most < (pool.workers or 1):
        has = ", ".join(f"{resources.get(kind, 0):g} {kind}" for kind in needed)
        raise ValueError(
            f"workers = {pool.workers or 1}, each with {pool.cpus:g} CPU and {pool.gpus:g} GPU: Ray has "
            f"{has}, and one CPU has to stay free for reading and writing"
        )
    return pool.workers or most


@contextmanager
def cluster(pool: Pool) -> Iterator[None]:
    """Ray, as it runs in this process or at the pool's address, or started here and stopped in the end."""
    if ray.is_initialized() and pool.address is None:
        yield
        return
    # Read when Ray starts, here and in its own processes.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    options: dict[str, Any] = {"address": pool.address}
    if pool.address is None:
        n_cpus = max(os.cpu_count() or 1, int((pool.workers or 1) * pool.cpus) + 1)
        options = {"address": "local", "num_cpus": n_cpus, "include_dashboard": False}
    ray.init(**options, log_to_driver=False, logging_level="error")
    try:
        yield
    finally:
        ray.shutdown()


def on_a_worker(pool: Pool, function: Callable[[], Result]) -> Result:
    """What a function gives where a worker would run: with its resources, and its versions of everything.

    RAISES: ValueError if workers do not fit, or for what the function raises.
    """
    worker_count(pool, ray.cluster_resources())

    def called() -> Result:
        return function()

    with _short_errors():
        return ray.get(ray.remote(num_cpus=pool.cpus, num_gpus=pool.gpus)(called).remote())


@contextmanager
def _short_errors() -> Iterator[None]:
    try:
        yield
    except ray.exceptions.RayError as err:
        raise ValueError(f"a worker failed: {reason_of(str(err))}") from err


def reason_of(trace: str) -> str:
    """The line of a trace that says what happened; Ray puts its own around it.

    >>> reason_of("Traceback:\\n  File...\\nKeyError: 'x'\\n\\nray.exceptions.UserCodeException: UDF failed")
    "KeyError: 'x'"
    """
    found = re.findall(r"^(?:[a-z]\w*\.)*[A-Z]\w*: .*", trace, flags=re.MULTILINE)
    return next((line for line in reversed(found) if not line.startswith("ray.")), trace)


def stage(work: Path, records: Iterable[tuple[int, Record]]) -> None:
    """Write each shard to a file of its own. The folder has its name when all of them are there."""
    folder = work / "input"
    if folder.exists():
        return
    unfinished = work / "input.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    number = 0
    for _, shard in groupby(records, key=itemgetter(0)):
        lines = [json_line(record) for _, record in shard]
        (unfinished / f"{number:012}.jsonl").write_bytes(b"".join(lines))
        number += len(lines)
    unfinished.rename(folder)


class Shards(Datasource):
    """The staged shards, each one read task that gives one block: columns `number` and `record` (JSON)."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.paths = sorted(folder.iterdir())

    def estimate_inmemory_data_size(self) -> int:
        return sum(path.stat().st_size for path in self.paths)

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        return [
            ReadTask(partial(_read_shard, path), BlockMetadata(None, path.stat().st_size, None, None))
            for path in self.paths
        ]


def _read_shard(path: Path) -> list[pa.Table]:
    lines = path.read_text(encoding="utf8").split("\n")[:-1]
    first = int(path.stem)
    return [pa.table({"number": range(first, first + len(lines)), "record": lines})]


class Annotator:
    """A worker: what it annotates with is loaded once, when it starts."""

    def __init__(self, load: Callable[[], Annotate]) -> None:
        self.annotate = load()

    def __call__(self, shard: pa.Table) -> pa.Table:
        """A shard with columns `entities` and `words` added."""
        records = [of_json(json.loads(line), Reading("")) for line in shard["record"].to_pylist()]
        entities = [[e._asdict() for e in record.entities] for record in self.annotate(records)]
        words = [len(record.text.split()) for record in records]
        found = shard.append_column("entities", pa.array(entities, ENTITIES))
        return found.append_column("words", pa.array(words, pa.int64()))


def annotate_shards(
    work: Path, pool: Pool, load: Callable[[], Annotate], progress: bool
) -> tuple[int, int, float]:
    """Annotate what the checkpoint does not know of.

    work (Path): the folder that holds the staged shards; all machines have to see it under this name.
    load: called by each worker, for what gives records with their entities, in the same order.
    progress (bool): whether to show Ray Data's bars.
    RETURNS: records and words that were annotated in this run, and seconds.
    RAISES: ValueError if the workers do not fit, or if one of them failed for another reason than its end.
    """
    n_workers = worker_count(pool, ray.cluster_resources())
    # The workers' working directory is another.
    work = work.resolve()
    context = DataContext.get_current().copy()
    # No block is cut or merged with another.
    context.target_max_block_size = None
    context.checkpoint_config = CheckpointConfig(
        "number", str(work / "checkpoint"), delete_checkpoint_on_success=False
    )
    # The newer reader starts 32 actors to look at the files of a checkpoint, which takes longer than reading.
    context.use_datasource_v2 = False
    context.enable_progress_bars = progress
    context.print_on_execution_start = progress
    logging.getLogger("ray.data").setLevel(logging.INFO if progress else logging.ERROR)
    before = set(_parts(work))
    start = time.monotonic()
    # Files are read and written on the CPU that the workers leave free, but without claiming it: it is what
    # Ray Data's filter of checkpointed rows takes when a run goes on.
    n_files = max(2, n_workers // 4)
    shards = Shards(work / "input")
    with DataContext.current(context), _short_errors(), warnings.catch_warnings():
        # There may be fewer shards than workers, which is all right.
        warnings.filterwarnings("ignore", message="The m.+ number of concurrent", category=UserWarning)
        ray.data.read_datasource(
            shards, num_cpus=0, concurrency=n_files, override_num_blocks=len(shards.paths)
        ).map_batches(
            Annotator,
            batch_size=None,
            batch_format="pyarrow",
            fn_constructor_kwargs={"load": load},
            compute=ActorPoolStrategy(size=n_workers),
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
        ).write_parquet(str(work / "output"), ray_remote_args={"num_cpus": 0}, concurrency=n_files)
    new = [
        parquet.read_table(path, columns=["words"])["words"] for path in _parts(work) if path not in before
    ]
    words = sum(sum(column.to_pylist()) for column in new)
    return sum(map(len, new)), words, time.monotonic() - start


def _parts(work: Path) -> list[Path]:
    return list((work / "output").glob("*.parquet"))


def in_order(work: Path) -> Iterator[Record]:
    """The annotated records, in the order of the input; a few shards are in memory at once."""
    spans = []
    for path in _parts(work):
        numbers = parquet.read_table(path, columns=["number"])["number"].to_pylist()
        spans.append((min(numbers), max(numbers), path))
    last = -1
    for paths in overlapping(spans):
        for row in heapq.merge(*map(_rows, paths), key=itemgetter("number")):
            # A worker that was cut off from the others may have written what another did again.
            if row["number"] > last:
                last = row["number"]
                record = of_json(json.loads(row["record"]), Reading(""))
                yield record._replace(entities=tuple(Annotation(**entity) for entity in row["entities"]))


def overlapping(spans: Iterable[tuple[int, int, Path]]) -> Iterator[list[Path]]:
    """Files in order of their numbers, those together that have to be merged.

    spans: the first and the last number in each file.

    >>> spans = [(6, 9, Path("c")), (0, 5, Path("a")), (4, 5, Path("b"))]
    >>> [[path.name for path in paths] for paths in overlapping(spans)]
    [['a', 'b'], ['c']]
    """
    group: list[Path] = []
    end = -1
    for first, last, path in sorted(spans):
        if group and first > end:
            yield group
            group = []
        group.append(path)
        end = max(end, last)
    if group:
        yield group


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for batch in parquet.read_table(path).sort_by("number").to_batches(max_chunksize=256):
        yield from batch.to_pylist()
