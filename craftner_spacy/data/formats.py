"""The table of formats, and files read and written by it. CONTRIBUTING.md says how to add a format."""

import errno
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple, cast

from .bioc import read_bioc_json, read_bioc_xml, write_bioc_json, write_bioc_xml
from .brat import read_brat, write_brat
from .conll import read_conll
from .docbin import read_docbin, write_docbin
from .file_kinds import is_compressed, uncompressed_name
from .jats import SUFFIXES as JATS_SUFFIXES
from .jats import XML as JATS
from .jats import read_jats, read_jats_tar
from .jsonl import read_jsonl, write_jsonl
from .medline import XML as MEDLINE
from .medline import read_medline
from .parquet import read_parquet, write_parquet
from .prodigy import read_prodigy
from .pubtator import FORBIDDEN_ID_CHARS, read_pubtator, write_pubtator
from .records import (
    DAMAGE,
    PLAIN,
    BadRecord,
    Reader,
    ReadOptions,
    Record,
    Tokenizer,
    WriteOptions,
    Writer,
    explain_damage,
    import_extra,
)
from .tables import read_csv, read_tsv, write_csv, write_tsv
from .text import read_text
from .xml_parsing import root_element

GZIP_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a damaged file in gzip raises."""


class Format(NamedTuple):
    """One row of the table.

    name (str): as `--input-format` and `--output-format` take it.
    suffixes (tuple[str, ...]): of its files; each may be followed by ``.gz``.
    libraries (tuple[str, ...]): modules that it needs from the extra `formats`.
    read (Reader): its reader.
    write (Writer | None): its writer; None if its files cannot hold entities.
    forbidden_id_chars (str): characters that an id cannot contain in its files.
    roots (tuple[str, ...]): root elements by which its files are told from others of the same suffix.
    keeps_records (bool): whether the reader gives back what the writer wrote: a table of entities does not
        hold the texts.
    can_omit_text (bool): whether its files can do without the texts.
    parts (tuple[str, ...]): suffixes of files that are part of the record of the file of the same name.
    """

    name: str
    suffixes: tuple[str, ...]
    libraries: tuple[str, ...]
    read: Reader
    write: Writer | None
    forbidden_id_chars: str = ""
    roots: tuple[str, ...] = ()
    keeps_records: bool = True
    can_omit_text: bool = False
    parts: tuple[str, ...] = ()

    def check_options(self, options: WriteOptions) -> None:
        """Refuse what the format cannot do.

        options (WriteOptions): what is written beside the entities.
        RAISES: ValueError if it cannot do without the texts.
        """
        if not (options.text or self.can_omit_text):
            able = ", ".join(row.name for row in FORMATS if row.can_omit_text)
            raise ValueError(f"{self.name} cannot do without the texts (--no-text); these can: {able}")


FORMATS: tuple[Format, ...] = (
    Format("text", (".txt",), (), read_text, None),
    Format("jsonl", (".jsonl", ".ndjson"), (), read_jsonl, write_jsonl, can_omit_text=True),
    Format("csv", (".csv",), (), read_csv, write_csv, keeps_records=False, can_omit_text=True),
    Format("tsv", (".tsv",), (), read_tsv, write_tsv, keeps_records=False, can_omit_text=True),
    Format("parquet", (".parquet",), ("pyarrow",), read_parquet, write_parquet, can_omit_text=True),
    Format("bioc-xml", (".xml",), ("bioc", "lxml"), read_bioc_xml, write_bioc_xml),
    Format("bioc-json", (".json",), ("bioc",), read_bioc_json, write_bioc_json),
    Format("pubtator", (".pubtator",), ("bioc",), read_pubtator, write_pubtator, FORBIDDEN_ID_CHARS),
    Format("docbin", (".spacy",), (), read_docbin, write_docbin),
    Format("brat", (".zip", ".ann"), (), read_brat, write_brat, can_omit_text=True, parts=(".txt",)),
    Format("medline", (".xml",), ("lxml",), read_medline, None, roots=MEDLINE.roots),
    Format("jats", JATS_SUFFIXES, ("lxml",), read_jats, None, roots=JATS.roots),
    Format("jats-tar", (".tar", ".tgz"), ("lxml",), read_jats_tar, None),
    Format("conll", (".conll", ".iob", ".iob2", ".bio", ".bilou", ".biluo"), (), read_conll, None),
    Format("prodigy", (".jsonl",), (), read_prodigy, None),
)


def get_format(path: Path, name: str | None, setting: str, allowed: Sequence[Format] | None = None) -> Format:
    """The format of a file, by its name in the table if it is given, else by the file's suffix.

    path (Path): of the file; it need not exist.
    name (str | None): of the format.
    setting (str): the option or argument that gives the name, for the error.
    allowed (Sequence[Format] | None): the rows of the table that it may be; None: all.
    RAISES: ValueError if there is no such format; ImportError if it needs a library that is not installed.

    >>> get_format(Path("a/b.jsonl.gz"), None, "--input-format").name
    'jsonl'
    """
    table = FORMATS if allowed is None else allowed
    if name is not None:
        rows = [row for row in table if row.name == name]
        if not rows:
            raise ValueError(f"{setting} {name!r}: allowed are {', '.join(row.name for row in table)}")
    else:
        suffix = Path(uncompressed_name(path)).suffix.lower()
        rows = [row for row in table if suffix in row.suffixes]
        if not rows:
            known = ", ".join(f"{'/'.join(row.suffixes)} ({row.name})" for row in table)
            raise ValueError(f"{path}: its suffix names no format. Known are {known}; or give {setting}")
        rows = _told_by_root(path, rows)
    for library in rows[0].libraries:
        import_extra(library)
    return rows[0]


def _told_by_root(path: Path, rows: list[Format]) -> list[Format]:
    """Of the formats of a file's suffix, the one of its root element, if the file exists and one has it."""
    if any(row.roots for row in rows) and path.is_file():
        for library in rows[0].libraries:
            import_extra(library)
        with _opened(path) as file:
            try:
                root = root_element(file)
            except GZIP_DAMAGE:
                # Its reader says so.
                root = None
        rows = [row for row in rows if root in row.roots] or rows
    return rows


def stem_of(path: Path) -> str:
    """A file's name without ``.gz`` and without its suffix.

    >>> stem_of(Path("a/b.jsonl.gz"))
    'b'
    """
    return Path(uncompressed_name(path)).stem


def get_output_format(path: Path, name: str | None) -> Format:
    """The format of an output, by its name or the suffix of its file: one that can hold entities.

    RAISES: ValueError if there is none; ImportError as of `get_format`.
    """
    return get_format(path, name, "--output-format", [row for row in FORMATS if row.write is not None])


def has_suffix(path: Path, fmt: Format) -> bool:
    """Whether a file has a suffix of a format, in upper or lower case, compressed or not.

    path (Path): of the file.
    fmt (Format): the format.

    >>> has_suffix(Path("a/B.TXT.GZ"), FORMATS[0]), has_suffix(Path("a/.txt"), FORMATS[0])
    (True, False)
    """
    return Path(uncompressed_name(path)).suffix.lower() in fmt.suffixes


def read_file(path: Path, fmt: Format, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """The records of a file, decompressed if its name ends in ``.gz``.

    path (Path): of the file.
    fmt (Format): its format.
    options (ReadOptions): passed to the reader.
    RAISES: OSError if it cannot be opened or read.
    """
    with _opened(path) as file:
        try:
            yield from fmt.read(file, options._replace(path=path))
        except GZIP_DAMAGE as err:
            yield BadRecord(f"not valid gzip from here to the end of the file: {err}")
        except OSError as err:
            # A place in the file that cannot be, as the directory of a damaged archive names it.
            if err.errno not in (None, errno.EINVAL):
                raise
            yield BadRecord(f"cannot be read from here to the end of the file: {explain_damage(err)}")
        except DAMAGE as err:
            yield BadRecord(f"cannot be read from here to the end of the file: {explain_damage(err)}")


def _opened(path: Path) -> BufferedIOBase:
    """A file opened for reading, decompressed if its name says that it is compressed."""
    return cast(BufferedIOBase, gzip.open(path)) if is_compressed(path) else path.open("rb")


def write_file(
    path: Path,
    fmt: Format,
    records: Iterable[Record],
    tokenizer: Tokenizer,
    compress: bool,
    options: WriteOptions = PLAIN,
) -> None:
    """Write records to a file; the same records give the same bytes.

    path (Path): of the file; one that exists is replaced.
    fmt (Format): its format.
    records (Iterable[Record]): may be iterated over more than once.
    tokenizer (Tokenizer): for formats that hold tokens.
    compress (bool): whether to compress it with gzip.
    options (WriteOptions): passed to the writer.
    RAISES: OSError if it cannot be written; ValueError if the format cannot hold entities or a record, or
        cannot do without texts.
    """
    if fmt.write is None:
        raise ValueError(f"{fmt.name} cannot hold entities")
    fmt.check_options(options)
    with path.open("wb") as file:
        if compress:
            # Neither a name nor a time: the same records give the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                fmt.write(compressed, records, tokenizer, options)
        else:
            fmt.write(file, records, tokenizer, options)
