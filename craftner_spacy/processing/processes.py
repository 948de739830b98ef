"""Processes of this machine that annotate batches, and end with the process that started them."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spacy.language import Language

from ..data.records import Record
from ..progress import listen
from .engine import BatchEntities, add_entities, find_entities

Batch = tuple[int, list[Record]]
"""The number of a shard, and records of it."""

GUARD = 'if __name__ == "__main__":'
POLL_SECONDS = 0.5
"""Between two looks at how far the processes are, and at whether the parent lives."""


def refuse_unguarded_main() -> None:
    """Refuse to annotate in a process that is just being started, and runs the main script for that.

    RAISES: RuntimeError if this is such a process: the script has to be changed.
    """
    # multiprocessing asks this when a process is started; there is no public name for it.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(
            "annotate() is called while a process is started, which runs the script anew for that: put what "
            f"the script does below a line {GUARD}"
        )


def annotate_in_processes(
    nlp: Language, batches: Iterable[Batch], n_process: int, show: Callable[[float], None]
) -> Iterator[Batch]:
    """The batches with their entities, in order.

    Not by ``nlp.pipe(n_process=...)``, which waits forever for a forked process that was killed.

    nlp (Language): the pipeline.
    batches (Iterable[Batch]): the batches.
    n_process (int): the number of processes.
    show (Callable[[float], None]): called now and then with the number of records that are annotated.
    RAISES: ChildProcessError if a process ends too early; ValueError if the pipeline cannot be pickled for
        processes that are not forked; what the pipeline's error handler raises.
    """
    sent: deque[tuple[Batch, Future[BatchEntities]]] = deque()
    n_received = 0
    # Written without a lock, which a process that is killed would keep: it is only for showing.
    context = multiprocessing.get_context()
    n_found = context.RawValue("d", 0.0)
    is_stopped, stop = context.Pipe(duplex=False)

    def receive() -> Batch:
        """The batch that was sent first, with its entities."""
        nonlocal n_received
        (number, batch), future = sent.popleft()
        while not wait([future], timeout=POLL_SECONDS).done:
            show(n_found.value)
        entities = future.result()
        n_received += 1
        return number, add_entities(batch, entities)

    with _start_data(nlp, context.get_start_method()) as data:
        pool = ProcessPoolExecutor(n_process, context, _begin_process, (data, is_stopped, n_found))
        is_done = False
        try:
            for number, batch in batches:
                texts = [record.text for record in batch]
                sent.append(((number, batch), pool.submit(_find_in_process, texts)))
                # For each process one batch that it works on and one that waits.
                if len(sent) == 2 * n_process:
                    yield receive()
            while sent:
                yield receive()
            is_done = True
        except BrokenProcessPool as err:
            is_forked = context.get_start_method() == "fork"
            raise ChildProcessError(_why_it_ended(n_process, is_forked or n_received > 0)) from err
        finally:
            if not is_done:
                # They would finish the batches that they have, which nobody waits for.
                stop.send_bytes(b"stop")
            pool.shutdown(cancel_futures=True)


def _why_it_ended(n_process: int, was_ready: bool) -> str:
    """What may have ended a process."""
    less = "fewer processes or a lower batch_tokens need less"
    killed = f"was killed, as the system does when memory runs out: {less}"
    if was_ready:
        return f"a process of n_process = {n_process} {killed}"
    return (
        f"a process of n_process = {n_process} ended before it was ready. Processes that are not forked run "
        f"the main script anew: put what it does below a line {GUARD} Or the process {killed}"
    )


@contextmanager
def _start_data(nlp: Language, start_method: str) -> Iterator[Language | Path]:
    """What a process is started with: the pipeline where it is forked; else a private file that holds it.

    Other processes read their start data from a pipe. If one dies before it has read what the pipe does not
    hold, multiprocessing waits for it forever.
    """
    if start_method == "fork":
        yield nlp
        return
    with TemporaryDirectory(prefix="craftner_spacy-") as folder:
        path = Path(folder, "pipeline")
        with path.open("wb") as file:
            try:
                pickle.dump(nlp, file)
            except (pickle.PicklingError, AttributeError, TypeError) as err:
                raise ValueError(
                    f"the pipeline cannot be pickled, as processes need it that are not forked ({err}): use "
                    "n_process = 1, or components that are functions or objects of a module"
                ) from err
        yield path


_process_state: dict[str, Any] = {}
"""In a process of `annotate_in_processes`: its pipeline, and the number of records that are annotated."""


def _begin_process(data: Language | Path, is_stopped: connection.Connection, n_found: Any) -> None:
    """Make this process ready: it leaves Ctrl-C to its parent, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(is_stopped,), daemon=True).start()
    if isinstance(data, Path):
        with data.open("rb") as file:
            data = pickle.load(file)
    _process_state.update(nlp=data, n_found=n_found)


def _end_with_parent(is_stopped: connection.Connection) -> None:
    """End this process when its parent ends, or says that it stops."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent_id = os.getppid()
    # The parent's sentinel alone is not enough: other forked processes keep it open.
    while os.getppid() == parent_id and not connection.wait([parent.sentinel, is_stopped], POLL_SECONDS):
        pass
    os._exit(1)


def _find_in_process(texts: list[str]) -> BatchEntities:
    """The entities of each text, by the pipeline of this process."""
    n_found = _process_state["n_found"]
    last = 0.0

    def add(share: float) -> None:
        """Count what is done of the batch."""
        nonlocal last
        n_found.value += (share - last) * len(texts)
        last = share

    with listen(add):
        return find_entities(_process_state["nlp"], texts)
