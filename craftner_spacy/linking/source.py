"""Where a pipeline's knowledge base is: in the package, at a path, in its folder, or in a file of its own."""

import os
import shutil
from pathlib import Path

from .candidates import NameFinder
from .knowledge_base import BUNDLED, KnowledgeBase
from .temporary import TemporaryFile


class NameSource:
    """A knowledge base that is opened when it is needed, and can give way to another one.

    finder (NameFinder | None): what its names stand for, once it is open.
    """

    def __init__(self) -> None:
        self.finder: NameFinder | None = None
        self._path: Path | None = None
        self._file: TemporaryFile | None = None

    @property
    def is_temporary(self) -> bool:
        """Whether the knowledge base is in a file that goes with this object."""
        return self._file is not None

    def path(self, kb: str) -> Path:
        """The file: the one that was taken, else the one that the setting names."""
        if self._path is not None:
            return self._path
        return BUNDLED if kb == "bundled" else Path(kb).expanduser()

    def open(self, kb: str) -> NameFinder:
        """Open the knowledge base, if it is not open yet.

        kb (str): the setting: bundled, or a path.
        RAISES: what `KnowledgeBase` raises.
        """
        if self.finder is None:
            self.finder = NameFinder(KnowledgeBase(self.path(kb)))
        return self.finder

    def take(self, path: Path | None, file: TemporaryFile | None = None) -> None:
        """Take another knowledge base; it is opened later.

        path (Path | None): its file; None: the one that the setting names.
        file (TemporaryFile | None): what has to live as long as the file is used.
        RAISES: what `KnowledgeBase` raises.
        """
        if path is not None:
            KnowledgeBase(path)
        if self.finder is not None:
            self.finder.kb.close()
        self.finder, self._path, self._file = None, path, file

    def take_bytes(self, data: bytes) -> None:
        """Take a knowledge base that is given as bytes, by way of a temporary file.

        RAISES: ValueError if they are none.
        """
        file = TemporaryFile(".sqlite")
        file.path.write_bytes(data)
        self.take(file.path, file)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a knowledge base; the target is there whole or not at all.

    RAISES: what `KnowledgeBase` raises.
    """
    KnowledgeBase(source)
    if not (target.exists() and target.samefile(source)):
        copy = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(source, copy)
        os.replace(copy, target)
