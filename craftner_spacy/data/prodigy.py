"""Prodigy's JSON Lines: each annotated task is one record."""

from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase

from .encodings import as_utf8
from .jsonl import from_json
from .limits import bounded_lines, check_json, is_blank
from .records import BadRecord, ReadOptions, Record, or_bad_record, shorten
from .structure import load_json

_NOT_FIELDS = ("spans", "tokens")
"""What a task says of its text in offsets, beside its entities: it is read as such or not at all."""


def read_prodigy(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each line: its spans are the entities.

    A task whose answer is not ``accept`` is a bad record, so that it is counted where it is left out. Its
    tokens are not read.
    """
    for line in bounded_lines(as_utf8(file, options.encoding), options.is_limited):
        if not is_blank(line):
            yield or_bad_record(partial(_parse_task, line, options))


def _parse_task(line: bytes, options: ReadOptions) -> Record:
    """The record of a line; ValueError if it has none."""
    if options.is_limited:
        check_json(line)
    task = load_json(line, options.encoding)
    if not isinstance(task, dict):
        raise ValueError(f"a task has to be an object with fields, not {shorten(task)}")
    answer = task.get("answer", "accept")
    if answer != "accept":
        raise ValueError(f"its answer is {answer!r}: accepted tasks are read")
    row = {name: value for name, value in task.items() if name not in _NOT_FIELDS}
    return from_json({**row, "entities": task.get("spans")}, options)
