"""Prodigy's JSON Lines: each annotated task is one record."""

from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase
from typing import Any

from .jsonl import from_json, read_lines
from .records import BadRecord, ReadOptions, Record, shorten

_NOT_FIELDS = ("spans", "tokens")
"""What a task says of its text in offsets, beside its entities: it is read as such or not at all."""


def read_prodigy(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each line: its spans are the entities.

    A task whose answer is not ``accept`` is a bad record, so that it is counted where it is left out. Its
    tokens are not read.
    """
    return read_lines(file, options, partial(_parse_task, options=options))


def _parse_task(task: Any, options: ReadOptions) -> Record:
    """The record of a task; ValueError if it has none."""
    if not isinstance(task, dict):
        raise ValueError(f"a task has to be an object with fields, not {shorten(task)}")
    answer = task.get("answer", "accept")
    if answer != "accept":
        raise ValueError(f"its answer is {answer!r}: accepted tasks are read")
    row = {name: value for name, value in task.items() if name not in _NOT_FIELDS}
    return from_json({**row, "entities": task.get("spans")}, options)
