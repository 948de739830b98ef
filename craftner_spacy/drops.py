"""What a call of the component could not place or read, and the warnings about it."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_expected: ContextVar[bool] = ContextVar("expected", default=False)


@contextmanager
def expect_drops() -> Iterator[None]:
    """Warn of no entity without a place or without an id in this thread while the context lasts.

    Filters of `warnings` would be those of the whole process, and threads that change them do not restore
    them in order.
    """
    token = _expected.set(True)
    try:
        yield
    finally:
        _expected.reset(token)


def drops_are_expected() -> bool:
    """Whether the caller knows of entities without a place or without an id."""
    return _expected.get()


class DropCounts(threading.local):
    """Counts of a call, in each thread by themselves."""

    unplaced = 0
    uncovered = 0

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return DropCounts, ()

    def warn(self, name: str, alignment_mode: str, spans_key: str | None) -> None:
        """Warn of what was counted, and begin again from 0.

        name, alignment_mode, spans_key: of the component.
        """
        n_unplaced, n_uncovered = self.unplaced, self.uncovered
        self.unplaced = self.uncovered = 0
        if n_unplaced and not drops_are_expected():
            where = f"doc.spans[{spans_key!r}].attrs['unplaced'] has them" if spans_key else "set spans_key"
            warnings.warn(
                f"{name}: {n_unplaced} entities do not fit the tokens in alignment_mode {alignment_mode!r} "
                f"and are not in doc.ents; {where}. The tokenizer craftner_spacy.tokenizer.v1 and "
                "alignment_mode = 'split' have tokens for them",
                stacklevel=4,
            )
        if n_uncovered:
            warnings.warn(
                f"{name}: {n_uncovered} words stand in no span of [model.get_spans] and were skipped",
                stacklevel=4,
            )
