"""What a path stands for: a file that can be read to its end, or something else; and what may be written."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

NOTHING = "nothing: there is no such file or folder"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def other_kind(path: Path) -> str | None:
    """What a path is if it is no file; links are followed, and nothing is opened.

    path (Path): of anything.
    RETURNS (str | None): in words; `NOTHING` if there is none; None for a regular file.
    RAISES: OSError if the system does not tell.

    >>> other_kind(Path("/dev/null")), other_kind(Path("/")), other_kind(Path("/nowhere")) == NOTHING
    ('a device', 'a folder', True)
    """
    try:
        mode = path.stat().st_mode
    except OSError as err:
        if err.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        if path.is_symlink():
            return f"a link to {os.readlink(path)!r}, which does not exist"
        return NOTHING
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no file")


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed with gzip, as its name tells, in upper or lower case."""
    return path.name.lower().endswith(".gz")


def uncompressed_name(path: Path) -> str:
    """The name of a file without ``.gz``.

    >>> uncompressed_name(Path("a/b.jsonl.GZ")), uncompressed_name(Path("b.txt"))
    ('b.jsonl', 'b.txt')
    """
    return path.name[:-3] if is_compressed(path) else path.name


def check_input(path: Path) -> None:
    """Refuse an input that is no file. It is not opened: to open a FIFO waits, and a device may have no end.

    path (Path): of the input; a link to a file is followed.
    RAISES: FileNotFoundError if there is none; ValueError if it is something else; OSError if the system does
        not tell what it is.
    """
    kind = other_kind(path)
    if kind == NOTHING:
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    if kind is not None and path.is_symlink() and not path.exists():
        raise FileNotFoundError(f"{path} is {kind}")
    if kind is not None:
        allowed = "a file is needed" if path.is_dir() else "inputs are files and folders"
        raise ValueError(f"{path} is {kind}: {allowed}")


def check_output(out: Path, inputs: Iterable[Path], overwrite: bool) -> None:
    """Refuse an output that is no place for a file, or that is there already.

    out (Path): the file that is to be written.
    inputs (Iterable[Path]): files that are read, which are never replaced.
    overwrite (bool): whether another file may be replaced.
    RAISES: ValueError if it is a folder, a device, a link or an input; FileExistsError if it exists, unless
        `overwrite`; OSError if the system does not tell what it is.
    """
    if out.is_symlink():
        raise ValueError(f"{out} is a link to {os.readlink(out)!r}: name the file itself for the output")
    kind = other_kind(out)
    if kind is not None:
        if os.path.lexists(out):
            raise ValueError(f"{out} is {kind}: name a file for the output")
        return
    if any(_is_same_file(out, path) for path in inputs):
        raise ValueError(f"{out} is one of the inputs: name another file for the output")
    if not overwrite:
        raise FileExistsError(f"{out} exists already: name another file, or overwrite it (--overwrite)")


def _is_same_file(out: Path, path: Path) -> bool:
    """Whether two paths are the same file, also by a link."""
    return path.exists() and out.samefile(path)
