"""Shards annotated with Ray Data.

Ray distributes the work, repeats what failed and keeps the checkpoints. This module is what goes in and comes
out:

    WORK/input/NUMBER.jsonl     the shards, each named by the number of its first record
    WORK/output/*.parquet       the annotated shards, in the order in which they were finished
    WORK/checkpoint/            Ray Data's notes of the records that are in there

A shard is one block of Ray's, from reading to writing, and is never divided: so each worker has the same
batches as one machine would have. A row is one record, with a list of its entities, which may be empty. Its
number in the input, from 0, is the id of the checkpoint, and restores the order of the input.
"""

import heapq
import json
import logging
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from pyarrow import parquet
from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata
from ray.data.checkpoint import CheckpointConfig

from ..data.jsonl import from_json, json_line
from ..data.records import ReadOptions, Record
from ..types import Entity, LinkedConcept
from .engine import RunStats
from .inputs import Shard
from .ray_cluster import short_errors, worker_count
from .settings import Workers

Annotate = Callable[[Sequence[Record]], Iterable[Record]]
"""Returns the records of a shard with their entities, in the same order."""

CONCEPT = pa.struct([("id", pa.string()), ("name", pa.string()), ("score", pa.float64())])
ENTITIES = pa.list_(
    pa.struct(
        [
            ("start", pa.int64()),
            ("end", pa.int64()),
            ("label", pa.string()),
            ("score", pa.float64()),
            ("concept", CONCEPT),
        ]
    )
)
"""The type of the column with the entities."""


def write_shards(work: Path, shards: Iterable[Shard]) -> None:
    """Write each shard to a file of its own, unless an earlier run has done so.

    The folder gets its name when it holds all of them.

    work (Path): the working folder.
    shards (Iterable[Shard]): all shards, in order.
    RAISES: OSError if a file cannot be read or written.
    """
    folder = work / "input"
    if folder.exists():
        return
    unfinished = work / "input.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    number = 0
    for shard in shards:
        lines = [json_line(record) for record in shard.records]
        (unfinished / f"{number:012}.jsonl").write_bytes(b"".join(lines))
        number += len(lines)
    unfinished.rename(folder)


class ShardFiles(Datasource):
    """The files of `write_shards`, each one block of rows with a `number` and a `record` (JSON)."""

    def __init__(self, folder: Path) -> None:
        """List the files.

        folder (Path): that holds them and nothing else.
        """
        super().__init__()
        self.paths = sorted(folder.iterdir())

    def estimate_inmemory_data_size(self) -> int:
        """The bytes of all files."""
        return sum(path.stat().st_size for path in self.paths)

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        """A task for each file, whatever the arguments say."""
        return [
            ReadTask(partial(_read_shard, path), BlockMetadata(None, path.stat().st_size, None, None))
            for path in self.paths
        ]


class Annotator:
    """A worker: it loads what it annotates with once, when it starts."""

    def __init__(self, load: Callable[[], Annotate]) -> None:
        """Load.

        load (Callable[[], Annotate]): returns the function that annotates.
        """
        self._annotate = load()

    def __call__(self, shard: pa.Table) -> pa.Table:
        """A shard with columns `entities` and `words` added."""
        records = [_parse(line) for line in shard["record"].to_pylist()]
        entities = [[_as_row(e) for e in record.entities] for record in self._annotate(records)]
        words = [len(record.text.split()) for record in records]
        with_entities = shard.append_column("entities", pa.array(entities, ENTITIES))
        return with_entities.append_column("words", pa.array(words, pa.int64()))


def annotate_shards(work: Path, pool: Workers, load: Callable[[], Annotate], progress: bool) -> RunStats:
    """Annotate the records that are not in the checkpoint.

    work (Path): the folder that holds the written shards; all machines have to see it under this path.
    pool (Workers): the workers.
    load (Callable[[], Annotate]): called by each worker; returns the function that annotates.
    progress (bool): whether to show Ray Data's bars.
    RETURNS (RunStats): what was annotated in this run.
    RAISES: ValueError if the workers do not fit or one of them fails; one that is killed is replaced.
    """
    n_workers = worker_count(pool, ray.cluster_resources())
    # The workers have another working directory.
    work = work.resolve()
    logging.getLogger("ray.data").setLevel(logging.INFO if progress else logging.ERROR)
    before = set(_parts(work))
    start = time.monotonic()
    # Files are read and written on the CPU that the workers leave free, but without claiming it: Ray Data's
    # filter of checkpointed rows takes it when a run is continued.
    n_files = max(2, n_workers // 4)
    shards = ShardFiles(work / "input")
    with DataContext.current(_make_context(work, progress)), short_errors(), warnings.catch_warnings():
        # There may be fewer shards than workers, which does no harm.
        warnings.filterwarnings("ignore", message="The m.+ number of concurrent", category=UserWarning)
        ray.data.read_datasource(
            shards, num_cpus=0, concurrency=n_files, override_num_blocks=len(shards.paths)
        ).map_batches(
            Annotator,
            batch_size=None,
            batch_format="pyarrow",
            fn_constructor_kwargs={"load": load},
            compute=ActorPoolStrategy(size=n_workers),
            num_cpus=pool.cpus_per_worker,
            num_gpus=pool.gpus_per_worker,
        ).write_parquet(str(work / "output"), ray_remote_args={"num_cpus": 0}, concurrency=n_files)
    words = [n for path in _parts(work) if path not in before for n in _read_column(path, "words")]
    return RunStats(len(words), sum(words), time.monotonic() - start)


def read_in_order(work: Path) -> Iterator[Record]:
    """The annotated records, in the order of the input; a few shards are in memory at once.

    work (Path): the working folder.
    RAISES: OSError if a file cannot be read.
    """
    spans = []
    for path in _parts(work):
        numbers = _read_column(path, "number")
        spans.append((min(numbers), max(numbers), path))
    last = -1
    for paths in group_overlapping(spans):
        for row in heapq.merge(*map(_read_rows, paths), key=itemgetter("number")):
            # A worker that lost its connection may have written what another one then did again.
            if row["number"] > last:
                last = row["number"]
                entities = tuple(_from_row(entity) for entity in row["entities"])
                yield _parse(row["record"])._replace(entities=entities)


def group_overlapping(spans: Iterable[tuple[int, int, Path]]) -> Iterator[list[Path]]:
    """The files in order of their numbers; files whose numbers overlap are in one group.

    spans (Iterable[tuple[int, int, Path]]): the first and the last number in each file, and the file.

    >>> spans = [(6, 9, Path("c")), (0, 5, Path("a")), (4, 5, Path("b"))]
    >>> [[path.name for path in paths] for paths in group_overlapping(spans)]
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


def _make_context(work: Path, progress: bool) -> DataContext:
    """Ray Data's settings."""
    context = DataContext.get_current().copy()
    # No block is divided, or merged with another one.
    context.target_max_block_size = None
    context.checkpoint_config = CheckpointConfig(
        "number", str(work / "checkpoint"), delete_checkpoint_on_success=False
    )
    # The newer reader starts 32 actors to look at the files of a checkpoint, which takes longer than reading.
    context.use_datasource_v2 = False
    context.enable_progress_bars = progress
    context.print_on_execution_start = progress
    return context


def _read_shard(path: Path) -> list[pa.Table]:
    """The block of a shard's file."""
    lines = path.read_text(encoding="utf8").split("\n")[:-1]
    first = int(path.stem)
    return [pa.table({"number": range(first, first + len(lines)), "record": lines})]


def _parse(line: str) -> Record:
    """The record of a line of a shard's file."""
    return from_json(json.loads(line), ReadOptions(""))


def _as_row(entity: Entity) -> dict[str, Any]:
    """An entity in the form of `ENTITIES`."""
    return {**entity._asdict(), "concept": None if entity.concept is None else entity.concept._asdict()}


def _from_row(row: dict[str, Any]) -> Entity:
    """The entity that `_as_row` gave."""
    concept = row["concept"]
    return Entity(**{**row, "concept": None if concept is None else LinkedConcept(**concept)})


def _parts(work: Path) -> list[Path]:
    """The files of the annotated shards, in any order."""
    return list((work / "output").glob("*.parquet"))


def _read_column(path: Path, name: str) -> list[int]:
    """A column of whole numbers."""
    return parquet.read_table(path, columns=[name])[name].to_pylist()


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, sorted by number."""
    for batch in parquet.read_table(path).sort_by("number").to_batches(max_chunksize=256):
        yield from batch.to_pylist()
