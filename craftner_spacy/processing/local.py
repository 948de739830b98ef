"""The engine of this machine: it annotates shard after shard, by one process or several.

WORK/00000.jsonl ...    the annotated shards
"""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from spacy.language import Language
from tqdm import tqdm

from ..data.jsonl import json_line, read_jsonl
from ..data.records import BadRecord, ReadOptions, Record
from ..pipelines import describe_model
from ..progress import listen
from .engine import Engine, RunStats, annotate_batch, make_batches
from .inputs import Shard
from .output_files import write_atomically
from .processes import Batch, annotate_in_processes
from .settings import usable_cpus


class LocalEngine(Engine):
    """Annotates on this machine; the file of a shard is complete or does not exist."""

    def __init__(self, nlp: Language, folder: Path, n_process: int, progress: bool) -> None:
        """Set up the engine; nothing is run or written yet.

        nlp (Language): the pipeline.
        folder (Path): for the shards.
        n_process (int): processes that annotate; -1: one for each CPU that this process may use.
        progress (bool): whether to show a bar on standard error.
        """
        self._nlp = nlp
        self._folder = folder
        self._n_process = usable_cpus() if n_process == -1 else n_process
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

        with progress.bar, closing(self._annotate(unfinished(), progress)) as annotated:
            for number, batches in groupby(annotated, key=itemgetter(0)):
                write_atomically(self._folder / f"{number:05}.jsonl", lines(batches))
        return progress.stats

    def records(self) -> Iterator[Record]:
        """See `Engine.records`.

        RAISES: ValueError if the file of a shard is damaged.
        """
        for path in self._files():
            with path.open("rb") as file:
                for record in read_jsonl(file, ReadOptions(path.stem, is_limited=False)):
                    if isinstance(record, BadRecord):
                        raise ValueError(
                            f"{path} is damaged ({record.reason}): remove {path.parent} and start again"
                        )
                    yield record

    def _files(self) -> list[Path]:
        """The files of the finished shards, which are the first shards."""
        return sorted(self._folder.glob("[0-9]*.jsonl"), key=lambda path: int(path.stem))

    def _annotate(self, batches: Iterable[Batch], progress: "Progress") -> Generator[Batch, None, None]:
        """The same batches, in the same order, with their entities."""
        if self._n_process != 1:
            yield from annotate_in_processes(self._nlp, batches, self._n_process, progress.move_to)
            return
        for number, batch in batches:
            with listen(partial(progress.move_within, len(batch))):
                annotated = annotate_batch(self._nlp, batch)
            yield number, annotated


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
        # Without smoothing the speed of the whole run tells the time left, not that of the last batch. At
        # each update the time decides whether it is shown: the first batches may be long or short.
        self.bar = tqdm(total=total, unit=" records", smoothing=0, miniters=0, disable=not show)

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
        self.move_to(self._records)

    def move_within(self, batch: int, share: float) -> None:
        """Show how much of a batch is annotated.

        batch (int): its records, of which none is counted yet.
        share (float): of its wordpieces.
        """
        self.move_to(self._records + share * batch)

    def move_to(self, n_records: float) -> None:
        """Show how many records are annotated; the bar never moves back.

        n_records (float): those of this run, with parts of records.
        """
        if not self.bar.disable:
            position = float(round(self.bar.initial + n_records, 1))
            self.bar.n = max(self.bar.n, int(position) if position.is_integer() else position)
            self.bar.update(0)
