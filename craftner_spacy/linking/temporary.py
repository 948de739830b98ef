"""Files that live as long as the object that needs them."""

import os
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path


class TemporaryFile:
    """A file of its own, removed with this object or at the end of the process that made it.

    path (Path): the file, empty at first.
    """

    def __init__(self, suffix: str) -> None:
        descriptor, name = tempfile.mkstemp(suffix, prefix="craftner_spacy-")
        os.close(descriptor)
        self.path = Path(name)
        self._finalizer = weakref.finalize(self, _remove, name, os.getpid())


def _remove(name: str, pid: int) -> None:
    # A process that was forked has a copy of the object, but the file is its parent's.
    if os.getpid() == pid:
        with suppress(FileNotFoundError):
            os.remove(name)
