"""How many values and bytes a Parquet file says that it has, read from its footer (compact Thrift).

pyarrow knows these numbers, but ends the process where a footer contradicts itself: `RowGroupMetaData.column`
calls `std::terminate` for sizes that do not fit (seen in 26.0).
"""

import io
import os
from io import BufferedIOBase
from typing import Any, NamedTuple

_TAIL_BYTES = 8
"""The length of the footer, and the letters PAR1."""
_ROW_GROUPS, _COLUMNS, _N_ROWS, _META_DATA, _N_VALUES, _UNPACKED, _PACKED = 4, 1, 3, 3, 5, 6, 7
"""Numbers of the fields in parquet.thrift."""
_MAX_DEPTH = 50


class ColumnSizes(NamedTuple):
    """What a footer says of a column in a row group.

    n_values (int): values, those in lists included.
    n_bytes (int): in the file.
    n_unpacked (int): bytes when decompressed, still encoded.
    """

    n_values: int
    n_bytes: int
    n_unpacked: int


class GroupSizes(NamedTuple):
    """What a footer says of a row group: its number of rows, and its columns as they are stored."""

    n_rows: int
    columns: list[ColumnSizes]


def read_group_sizes(file: BufferedIOBase) -> list[GroupSizes]:
    """The sizes of each row group; the file is at its start afterwards.

    file (BufferedIOBase): a file that can be searched.
    RAISES: ValueError, IndexError or KeyError for a footer that cannot be read.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _TAIL_BYTES))
    length = int.from_bytes(file.read(4), "little")
    file.seek(max(0, end - _TAIL_BYTES - length))
    footer = io.BytesIO(file.read(length))
    file.seek(0)
    groups = _read_struct(footer, 0).get(_ROW_GROUPS, [])
    return [GroupSizes(group[_N_ROWS], [_sizes(c[_META_DATA]) for c in group[_COLUMNS]]) for group in groups]


def _sizes(column: dict[int, Any]) -> ColumnSizes:
    return ColumnSizes(column[_N_VALUES], column[_PACKED], column[_UNPACKED])


def _read_struct(data: io.BytesIO, depth: int) -> dict[int, Any]:
    """The fields of a struct by number."""
    if depth > _MAX_DEPTH:
        raise ValueError("the footer is nested too deep")
    fields: dict[int, Any] = {}
    number = 0
    while head := data.read(1)[0]:
        step, kind = head >> 4, head & 15
        number = number + step if step else _read_int(data)
        fields[number] = kind == 1 if kind in (1, 2) else _read_value(data, kind, depth)
    return fields


def _read_value(data: io.BytesIO, kind: int, depth: int) -> Any:
    """A value of a kind, which is a number of the protocol."""
    if kind in (1, 2, 3):
        return data.read(1)[0]
    if kind in (4, 5, 6):
        return _read_int(data)
    if kind == 7:
        return data.read(8)
    if kind == 8:
        return data.read(_read_varint(data))
    if kind in (9, 10):
        head = data.read(1)[0]
        size = head >> 4 if head >> 4 < 15 else _read_varint(data)
        return [_read_value(data, head & 15, depth + 1) for _ in range(size)]
    if kind == 12:
        return _read_struct(data, depth + 1)
    raise ValueError(f"the footer has a value of kind {kind}")


def _read_int(data: io.BytesIO) -> int:
    """A signed number."""
    number = _read_varint(data)
    return number >> 1 ^ -(number & 1)


def _read_varint(data: io.BytesIO) -> int:
    """A number from 0, of 7 bits in each byte."""
    number = shift = 0
    while True:
        byte = data.read(1)[0]
        number |= (byte & 127) << shift
        if byte < 128:
            return number
        shift += 7
        if shift > 63:
            raise ValueError("the footer has a number of more than 64 bits")
