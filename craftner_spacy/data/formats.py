"""The table of formats, and files read and written by it. CONTRIBUTING.md says how to add a format."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .bioc import read_bioc_json, read_bioc_xml, write_bioc_json, write_bioc_xml
from .docbin import read_docbin, write_docbin
from .jsonl import read_jsonl, write_jsonl
from .parquet import read_parquet, write_parquet
from .pubtator import FORBIDDEN_ID_CHARS, read_pubtator, write_pubtator
from .records import (
    DAMAGE,
    BadRecord,
    Reader,
    ReadOptions,
    Record,
    Tokenizer,
    Writer,
    explain_damage,
    import_extra,
)
from .text import read_text


class Format(NamedTuple):
    """One row of the table.

    name (str): as `--input-format` and `--output-format` take it.
    suffixes (tuple[str, ...]): of its files; each may be followed by ``.gz``.
    libraries (tuple[str, ...]): modules that it needs from the extra `formats`.
    read (Reader): its reader.
    write (Writer | None): its writer; None if its files cannot hold entities.
    forbidden_id_chars (str): characters that an id cannot contain in its files.
    """

    name: str
    suffixes: tuple[str, ...]
    libraries: tuple[str, ...]
    read: Reader
    write: Writer | None
    forbidden_id_chars: str = ""


FORMATS: tuple[Format, ...] = (
    Format("text", (".txt",), (), read_text, None),
    Format("jsonl", (".jsonl", ".ndjson"), (), read_jsonl, write_jsonl),
    Format("parquet", (".parquet",), ("pyarrow",), read_parquet, write_parquet),
    Format("bioc-xml", (".xml",), ("bioc", "lxml"), read_bioc_xml, write_bioc_xml),
    Format("bioc-json", (".json",), ("bioc",), read_bioc_json, write_bioc_json),
    Format("pubtator", (".pubtator",), ("bioc",), read_pubtator, write_pubtator, FORBIDDEN_ID_CHARS),
    Format("docbin", (".spacy",), (), read_docbin, write_docbin),
)


def get_format(path: Path, name: str | None, setting: str) -> Format:
    """The format of a file, by its name in the table if it is given, else by the file's suffix.

    path (Path): of the file; it need not exist.
    name (str | None): of the format.
    setting (str): the option or argument that gives the name, for the error.
    RAISES: ValueError if there is no such format; ImportError if it needs a library that is not installed.

    >>> get_format(Path("a/b.jsonl.gz"), None, "--input-format").name
    'jsonl'
    """
    if name is not None:
        rows = [row for row in FORMATS if row.name == name]
        if not rows:
            raise ValueError(f"{setting} {name!r}: allowed are {', '.join(row.name for row in FORMATS)}")
    else:
        suffix = Path(_name_inside(path)).suffix.lower()
        rows = [row for row in FORMATS if suffix in row.suffixes]
        if not rows:
            known = ", ".join(f"{'/'.join(row.suffixes)} ({row.name})" for row in FORMATS)
            raise ValueError(f"{path}: its suffix names no format. Known are {known}; or give {setting}")
    for library in rows[0].libraries:
        import_extra(library)
    return rows[0]


def stem_of(path: Path) -> str:
    """A file's name without ``.gz`` and without its suffix.

    >>> stem_of(Path("a/b.jsonl.gz"))
    'b'
    """
    return Path(_name_inside(path)).stem


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed with gzip, as its name tells, in upper or lower case."""
    return path.name.lower().endswith(".gz")


def has_suffix(path: Path, fmt: Format) -> bool:
    """Whether a file has a suffix of a format, in upper or lower case, compressed or not.

    path (Path): of the file.
    fmt (Format): the format.

    >>> has_suffix(Path("a/B.TXT.GZ"), FORMATS[0]), has_suffix(Path("a/.txt"), FORMATS[0])
    (True, False)
    """
    return Path(_name_inside(path)).suffix.lower() in fmt.suffixes


def read_file(path: Path, fmt: Format, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """The records of a file, decompressed if its name ends in ``.gz``.

    path (Path): of the file.
    fmt (Format): its format.
    options (ReadOptions): passed to the reader.
    RAISES: OSError if it cannot be opened or read.
    """
    with gzip.open(path) if is_compressed(path) else path.open("rb") as file:
        try:
            yield from fmt.read(file, options)
        except (EOFError, zlib.error, gzip.BadGzipFile) as err:
            yield BadRecord(f"not valid gzip from here to the end of the file: {err}")
        except DAMAGE as err:
            yield BadRecord(f"cannot be read from here to the end of the file: {explain_damage(err)}")


def write_file(
    path: Path, fmt: Format, records: Iterable[Record], tokenizer: Tokenizer, compress: bool
) -> None:
    """Write records to a file; the same records give the same bytes.

    path (Path): of the file; one that exists is replaced.
    fmt (Format): its format.
    records (Iterable[Record]): may be iterated over more than once.
    tokenizer (Tokenizer): for formats that hold tokens.
    compress (bool): whether to compress it with gzip.
    RAISES: OSError if it cannot be written; ValueError if the format cannot hold entities or a record.
    """
    if fmt.write is None:
        raise ValueError(f"{fmt.name} cannot hold entities")
    with path.open("wb") as file:
        if compress:
            # Neither a name nor a time: the same records give the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                fmt.write(compressed, records, tokenizer)
        else:
            fmt.write(file, records, tokenizer)


def _name_inside(path: Path) -> str:
    """The name of a file without ``.gz``."""
    return path.name[:-3] if is_compressed(path) else path.name
