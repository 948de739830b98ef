"""The engine of this machine: it annotates shard after shard, by one process or several.

WORK/00000.jsonl ...    the annotated shards
"""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from spacy.language import Language
from tqdm import tqdm

from ..data.jsonl import json_line, read_jsonl
from ..data.records import BadRecord, ReadOptions, Record
from ..pipelines import describe_model
from .engine import (
    BatchEntities,
    Engine,
    RunStats,
    add_entities,
    annotate_batch,
    find_entities,
    ignore_unplaced,
    make_batches,
)
from .inputs import Shard
from .workdir import write_atomically

Batch = tuple[int, list[Record]]
"""The number of a shard, and records of it."""


class LocalEngine(Engine):
    """Annotates on this machine; the file of a shard is complete or does not exist."""

    def __init__(self, nlp: Language, folder: Path, n_process: int, progress: bool) -> None:
        """Set up the engine; nothing is run or written yet.

        nlp (Language): the pipeline.
        folder (Path): for the shards.
        n_process (int): processes that annotate; -1: one for each CPU.
        progress (bool): whether to show a bar on standard error.
        """
        self._nlp = nlp
        self._folder = folder
        self._n_process = os.cpu_count() or 1 if n_process == -1 else n_process
        self._show_progress = progress

    @property
    def description(self) -> dict[str, Any]:
        """See `Engine.description`."""
        return describe_model(self._nlp)

    def run(self, shards: Iterable[Shard], n_records: int) -> RunStats:
        """See `Engine.run`; shards are finished in order, so the unfinished ones are the last.

        RAISES: ChildProcessError if a process is killed.
        """
        n_finished = len(self._files())
        progress = Progress(n_records, self._show_progress)

        def unfinished() -> Iterator[Batch]:
            """The batches of the shards that have no file."""
            for shard in shards:
                if shard.number < n_finished:
                    progress.skip(sum(1 for _ in shard.records))
                    continue
                for batch in make_batches(shard.records):
                    yield shard.number, batch

        def lines(batches: Iterable[Batch]) -> Iterator[bytes]:
            """The lines of a shard's file."""
            for _, batch in batches:
                for record in batch:
                    progress.count(record)
                    yield json_line(record)

        with progress.bar, ignore_unplaced():
            for number, batches in groupby(self._annotate(unfinished()), key=itemgetter(0)):
                write_atomically(self._folder / f"{number:05}.jsonl", lines(batches))
        return progress.stats

    def records(self) -> Iterator[Record]:
        """See `Engine.records`.

        RAISES: ValueError if the file of a shard is damaged.
        """
        for path in self._files():
            with path.open("rb") as file:
                for record in read_jsonl(file, ReadOptions(path.stem)):
                    if isinstance(record, BadRecord):
                        raise ValueError(
                            f"{path} is damaged ({record.reason}): remove {path.parent} and start again"
                        )
                    yield record

    def remove_files(self) -> None:
        """See `Engine.remove_files`."""
        for path in self._files():
            path.unlink()

    def _files(self) -> list[Path]:
        """The files of the finished shards, which are the first shards."""
        return sorted(self._folder.glob("[0-9]*.jsonl"), key=lambda path: int(path.stem))

    def _annotate(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches, in the same order, with their entities."""
        if self._n_process == 1:
            return ((number, annotate_batch(self._nlp, batch)) for number, batch in batches)
        return _annotate_in_processes(self._nlp, batches, self._n_process)


class Progress:
    """What a run has annotated, and the bar that shows it."""

    def __init__(self, total: int, show: bool) -> None:
        """Start the clock.

        total (int): the number of records in all shards.
        show (bool): whether to show the bar on standard error.
        """
        self._records = self._words = 0
        self._seconds = 0.0
        self._start = time.monotonic()
        # Without smoothing the speed of the whole run tells the time left, not that of the last batch.
        self.bar = tqdm(total=total, unit=" records", smoothing=0, disable=not show)

    @property
    def stats(self) -> RunStats:
        """What was annotated until the last record was counted."""
        return RunStats(self._records, self._words, self._seconds)

    def skip(self, n: int) -> None:
        """Count records of an earlier run, which say nothing about the speed of this one.

        n (int): their number.
        """
        if not self.bar.disable:
            self.bar.n, self.bar.initial = self.bar.n + n, self.bar.initial + n

    def count(self, record: Record) -> None:
        """Count a record of this run.

        record (Record): an annotated one.
        """
        self._records += 1
        self._words += len(record.text.split())
        self._seconds = time.monotonic() - self._start
        self.bar.set_postfix_str(f"{self._words / self._seconds:,.0f} words/s", refresh=False)
        self.bar.update()


def _annotate_in_processes(nlp: Language, batches: Iterable[Batch], n_process: int) -> Iterator[Batch]:
    """The batches with their entities, in order; ChildProcessError if a process is killed.

    Not by ``nlp.pipe(n_process=...)``, which waits forever for a forked process that was killed.
    """
    sent: deque[tuple[Batch, Future[BatchEntities]]] = deque()
    pool = ProcessPoolExecutor(n_process, initializer=_begin_process, initargs=(nlp,))

    def receive() -> Batch:
        """The batch that was sent first, with its entities."""
        (number, batch), future = sent.popleft()
        return number, add_entities(batch, future.result())

    try:
        for number, batch in batches:
            texts = [record.text for record in batch]
            sent.append(((number, batch), pool.submit(_find_in_process, texts)))
            # For each process one batch that it works on and one that waits.
            if len(sent) == 2 * n_process:
                yield receive()
        while sent:
            yield receive()
    except BrokenProcessPool as err:
        raise ChildProcessError(
            f"a process of n_process = {n_process} was killed, as the system does when memory runs out: "
            "fewer processes or a lower batch_tokens need less"
        ) from err
    finally:
        pool.shutdown(cancel_futures=True)


_process_nlp: list[Language] = []
"""In a process of `_annotate_in_processes`: its pipeline."""


def _begin_process(nlp: Language) -> None:
    """Keep the pipeline of this process."""
    _process_nlp.append(nlp)


def _find_in_process(texts: list[str]) -> BatchEntities:
    """The entities of each text, by the pipeline of this process."""
    return find_entities(_process_nlp[0], texts)
