"""Where a pipeline's knowledge base is: in the package, at a path, in its folder, or in a file of its own."""

import os
import shutil
from pathlib import Path

from .candidates import NameFinder
from .knowledge_base import KnowledgeBase, kb_file
from .temporary import TemporaryFile


class NameSource:
    """A knowledge base that is opened when it is needed, and can give way to another one.

    finder (NameFinder | None): what its names stand for, once it is open.
    """

    def __init__(self) -> None:
        self.finder: NameFinder | None = None
        self._path: Path | None = None
        self._file: TemporaryFile | None = None

    def path(self, kb: str) -> Path:
        """The file: the one that was taken, else the one that the setting names."""
        if self._path is not None:
            return self._path
        return kb_file(kb)

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

    def save(self, path: Path, kb: str, keep: bool) -> None:
        """Copy the knowledge base to a file, which is there whole or not at all; or remove the file.

        path (Path): the file.
        kb (str): the setting.
        keep (bool): whether it is saved with the pipeline.
        RAISES: what `check_is_saved` and `KnowledgeBase` raise.
        """
        self.check_is_saved(keep)
        if not keep:
            path.unlink(missing_ok=True)
            return
        source = self.path(kb)
        KnowledgeBase(source)
        if not (path.exists() and path.samefile(source)):
            copy = path.with_name(f".{path.name}.{os.getpid()}")
            shutil.copyfile(source, copy)
            os.replace(copy, path)

    def load(self, path: Path, keep: bool) -> None:
        """Take the file that `save` wrote.

        RAISES: FileNotFoundError if it is not there, ValueError if it is no knowledge base.
        """
        if keep and not path.is_file():
            raise FileNotFoundError(f"there is no file {str(path)!r}; it was saved with save_kb = True")
        self.take(path if keep else None)

    def check_is_saved(self, keep: bool) -> None:
        """Refuse to lose a knowledge base that is in a file of its own.

        RAISES: ValueError if it is.
        """
        if self._file is not None and not keep:
            raise ValueError(
                "save_kb = False, and the knowledge base filled by initialize is in no other file; has to be "
                "True"
            )
