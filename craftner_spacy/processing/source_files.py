"""The files that the inputs of a run stand for, and the files of folders that are left out.

A file that is given is read, also by a link. Of a folder, the files with a suffix of the format are read, at
any depth; links to files are followed, links to folders are not. What is hidden, is no file, or is work of a
run is left out. A folder ``NAME=VALUE``, as Hive and Spark name partitions, gives its records a field.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from ..data.file_kinds import check_input, other_kind
from ..data.formats import Format, get_format, has_suffix, stem_of
from ..data.structure import RESERVED

LOCK_NAME = "craftner_spacy.lock"
"""The name of the lock in the working folder of a run: by it such a folder is known. See `workdir`."""
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""The value of a partition whose records have none."""


class Source(NamedTuple):
    """A file to read.

    path (Path): of the file.
    name (str): the id of its text, or the first part of the ids that are made for its records.
    format (Format): its format.
    fields (Mapping[str, str]): that the names of its folders give to its records.
    """

    path: Path
    name: str
    format: Format
    fields: Mapping[str, str] = {}


class LeftOut(NamedTuple):
    """What is in a folder and is not read: its path, and the reason."""

    path: Path
    reason: str


class Found(NamedTuple):
    """The files that inputs stand for.

    sources (list[Source]): the files to read, in order.
    left_out (list[LeftOut]): the files of folders that are not read.
    """

    sources: list[Source]
    left_out: list[LeftOut]


def find_sources(
    inputs: str | Path | Iterable[str | Path], input_format: str | None, output: Path | None = None
) -> Found:
    """The files that the inputs stand for; those of a folder are sorted by path.

    inputs (str | Path | Iterable[str | Path]): files and folders, or one.
    input_format (str | None): see `data.formats.FORMATS`; None: of a file, as its suffix tells; of a folder,
        text.
    output (Path | None): the file that is to be written; the list of skipped records beside it is no input.
    RAISES: FileNotFoundError if an input does not exist or a folder has no such file; ValueError for no
        input, an unknown format, an input that is no file, or an output that would be an input of the next
        run; OSError if a folder cannot be read; ImportError if a format needs a library that is not
        installed.
    """
    given = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    if not given or "" in given:
        raise ValueError(f"inputs = {given!r}: allowed are files and folders, at least one")
    found = Found([], [])
    for path in map(Path, given):
        if path.is_dir():
            fmt = get_format(path, input_format or "text", "--input-format")
            if output is not None and has_suffix(output, fmt) and _is_below(output, path):
                raise ValueError(
                    f"{output} is in the folder {path}, whose {'/'.join(fmt.suffixes)} files are the inputs: "
                    "name a file in another folder for the output"
                )
            sources, left_out = _search_folder(path, fmt, output)
            if not sources:
                suffixes = " or ".join(fmt.suffixes)
                also = f"; left out: {describe_left_out(left_out)}" if left_out else ""
                raise FileNotFoundError(
                    f"{path} holds no {suffixes} file: --input-format names the format of its files{also}"
                )
            found.sources.extend(sources)
            found.left_out.extend(left_out)
        else:
            check_input(path)
            fmt = get_format(path, input_format, "--input-format")
            found.sources.append(Source(path, stem_of(path), fmt))
    return found


def describe_sources(sources: Sequence[Source]) -> dict[str, Any]:
    """Number and bytes of the files, and a digest of their names, formats, sizes and times of change.

    sources (Sequence[Source]): the files.
    RAISES: OSError if a file's size or time cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    for source in sources:
        stat = source.path.stat()
        size += stat.st_size
        digest.update(repr((str(source.path.resolve()), source.name, source.format.name)).encode())
        digest.update(repr((stat.st_size, stat.st_mtime_ns)).encode())
    return {"files": len(sources), "bytes": size, "digest": digest.hexdigest()}


def describe_left_out(left_out: Sequence[LeftOut], n_shown: int = 3) -> str:
    """The number of files that were left out for each reason, and the names of some.

    left_out (Sequence[LeftOut]): the files.
    n_shown (int): the most names for each reason.

    >>> describe_left_out([LeftOut(Path("in/a.md"), "other suffix"), LeftOut(Path("in/.b.txt"), "hidden")])
    '1 other suffix (a.md), 1 hidden (.b.txt)'
    """
    names: dict[str, list[str]] = {}
    for path, reason in left_out:
        names.setdefault(reason, []).append(_printable(path.name))
    return ", ".join(
        f"{len(of_reason):,} {reason} ({', '.join(of_reason[:n_shown])}"
        f"{', ...' if len(of_reason) > n_shown else ''})"
        for reason, of_reason in names.items()
    )


def partition_fields(folders: Sequence[str]) -> dict[str, str]:
    """The fields that the names of folders give to the records below.

    folders (Sequence[str]): their names, from the outermost on.
    RAISES: ValueError if a name is one that a record has a use for.

    >>> partition_fields(["pubmed", "year=2020", "journal=J%20Cell", "day=__HIVE_DEFAULT_PARTITION__"])
    {'year': '2020', 'journal': 'J Cell'}
    """
    pairs = [folder.partition("=") for folder in folders if "=" in folder]
    fields = {unquote(name): unquote(value) for name, _, value in pairs if name and value != NULL_PARTITION}
    for name in RESERVED:
        if name in fields:
            raise ValueError(f"a folder {name}={fields[name]} names a field that every record has: rename it")
    return fields


def _search_folder(folder: Path, fmt: Format, output: Path | None) -> tuple[list[Source], list[LeftOut]]:
    """The files of a folder to read, and those that are left out, both sorted by path."""
    sources, left_out = [], []
    skipped = None if output is None else Path(os.path.abspath(f"{output}.skipped.jsonl"))
    for path, reason in sorted(_walk(folder, fmt), key=itemgetter(0)):
        if reason is not None:
            left_out.append(LeftOut(path, reason))
        elif Path(os.path.abspath(path)) != skipped:
            below = path.parent.relative_to(folder)
            name = (below / stem_of(path)).as_posix()
            sources.append(Source(path, name, fmt, partition_fields(below.parts)))
    return sources, left_out


def _walk(folder: Path, fmt: Format) -> Iterator[tuple[Path, str | None]]:
    """Everything in a folder that may be meant as a file, with the reason not to read it if there is one."""
    for parent, folders, files in os.walk(folder, onerror=_raise):
        if LOCK_NAME in files and Path(parent) != folder:
            # The working folder of a run: its files are no inputs.
            folders.clear()
            continue
        for path in (Path(parent, name) for name in folders):
            reason = _folder_reason(path, fmt)
            if reason is not None:
                yield path, reason
        read = {stem_of(Path(name)) for name in files if fmt.parts and has_suffix(Path(name), fmt)}
        for path in (Path(parent, name) for name in files):
            # A text of BRAT is read with its annotations.
            if not (path.suffix in fmt.parts and path.stem in read):
                yield path, _file_reason(path, fmt)
        folders[:] = [name for name in folders if not name.startswith(".")]


def _folder_reason(path: Path, fmt: Format) -> str | None:
    """Why a folder is named as left out; None if nobody can expect that it is read as a file."""
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink():
        return "link to a folder"
    return "folder with the name of a file" if has_suffix(path, fmt) else None


def _file_reason(path: Path, fmt: Format) -> str | None:
    """Why a file is not read; None if it is."""
    if path.name.startswith("."):
        return "hidden"
    if not has_suffix(path, fmt):
        return "other suffix"
    kind = other_kind(path)
    if kind is not None and path.is_symlink() and not path.exists():
        return "link to nothing"
    return kind


def _is_below(path: Path, folder: Path) -> bool:
    """Whether a path is in a folder, at any depth."""
    return folder.resolve() in path.resolve().parents


def _printable(name: str) -> str:
    """A file's name without control characters and bytes that are no text, which are shown as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name)


def _raise(err: OSError) -> None:
    """A folder that cannot be read is an error: its files would be missing."""
    raise err
