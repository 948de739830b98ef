"""The engine on Ray: workers on this machine or a cluster, which each load the pipeline once."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

from ..data.records import Record
from ..pipelines import describe_model, load_pipeline
from .engine import Engine, RunStats, annotate_batch, make_batches
from .inputs import Shard
from .ray_cluster import cluster, run_on_worker
from .ray_data import Annotate, annotate_shards, read_in_order, write_shards
from .settings import Workers


class RayEngine(Engine):
    """Annotates with Ray Data; see `ray_data` for its files. Ray has to run; see `open_ray_engine`."""

    def __init__(
        self,
        nlp: Language,
        model: str | Language,
        model_settings: Mapping[str, Any],
        folder: Path,
        pool: Workers,
        progress: bool,
    ) -> None:
        """Set up the engine; nothing is run or written yet.

        nlp (Language): the pipeline as this process has it.
        model (str | Language): what the workers load; see `pipelines.load_pipeline`.
        model_settings (Mapping[str, Any]): that they load it with.
        folder (Path): for the engine's files; all machines have to see it under this path.
        pool (Workers): the workers.
        progress (bool): whether to show Ray Data's bars.
        """
        self._nlp = nlp
        self._load = partial(load_in_worker, model, dict(model_settings), pool.gpus_per_worker > 0)
        self._folder = folder
        self._pool = pool
        self._show_progress = progress

    @cached_property
    def description(self) -> dict[str, Any]:
        """See `Engine.description`; a worker is asked for it if it may differ from this process."""
        # Workers on CPUs of this machine are like this process: no need to start one to ask it.
        if self._pool.address is None and not self._pool.gpus_per_worker:
            return describe_model(self._nlp)
        return run_on_worker(self._pool, partial(_load_and_describe, self._load))

    def run(self, shards: Iterable[Shard], n_records: int) -> RunStats:
        """See `Engine.run`; ValueError if the workers do not fit or one of them fails."""
        write_shards(self._folder, shards)
        load = partial(make_annotator, self._load, self.description)
        return annotate_shards(self._folder, self._pool, load, self._show_progress)

    def records(self) -> Iterator[Record]:
        """See `Engine.records`."""
        return read_in_order(self._folder)


@contextmanager
def open_ray_engine(
    nlp: Language,
    model: str | Language,
    model_settings: Mapping[str, Any],
    folder: Path,
    pool: Workers,
    progress: bool,
) -> Iterator[RayEngine]:
    """An engine, and Ray, which it needs; the arguments are those of `RayEngine`.

    RAISES: ConnectionError if no cluster answers at the address.
    """
    with cluster(pool):
        yield RayEngine(nlp, model, model_settings, folder, pool, progress)


def load_in_worker(model: str | Language, settings: Mapping[str, Any], gpu: bool) -> Language:
    """The pipeline as a worker has it.

    model (str | Language): see `pipelines.load_pipeline`.
    settings (Mapping[str, Any]): of the component.
    gpu (bool): whether the worker was given a GPU.
    RAISES: ValueError if there is no GPU; what `pipelines.load_pipeline` raises.
    """
    if gpu:
        spacy.require_gpu()
    return load_pipeline(model, **settings)


def make_annotator(load: Callable[[], Language], description: Mapping[str, Any]) -> Annotate:
    """The function that annotates the records of a shard in a worker.

    load (Callable[[], Language]): returns the worker's pipeline.
    description (Mapping[str, Any]): the one that the pipeline must have; see `pipelines.describe_model`.
    RAISES: ValueError if it has another one, since all workers have to find the same; what `load` raises.
    """
    nlp = load()
    own = describe_model(nlp)
    if own != description:
        differences = [
            f"{key}: {value!r}, not {description[key]!r}"
            for key, value in own.items()
            if value != description[key]
        ]
        raise ValueError(f"a worker on {platform.node()} has another pipeline ({'; '.join(differences)})")

    def annotate_shard(records: Sequence[Record]) -> list[Record]:
        """The records with their entities."""
        return [record for batch in make_batches(records) for record in annotate_batch(nlp, batch)]

    return annotate_shard


def _load_and_describe(load: Callable[[], Language]) -> dict[str, Any]:
    """The description of the pipeline that `load` returns."""
    return describe_model(load())
