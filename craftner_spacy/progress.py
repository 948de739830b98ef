"""How far a forward pass has come, for those who show it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[float], None] | None] = ContextVar("listener", default=None)


@contextmanager
def listen(listener: Callable[[float], None]) -> Iterator[None]:
    """Call a function after each batch of windows that this thread computes while the context lasts.

    listener (Callable[[float], None]): gets the share of the documents' wordpieces that is done, up to 1.

    >>> with listen(print):
    ...     report_progress(1, 4)
    0.25
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report_progress(done: int, total: int) -> None:
    """Tell the listener, if there is one, how far the pass has come.

    done (int): wordpieces that are done.
    total (int): all wordpieces of the documents; at least 1.
    """
    listener = _listener.get()
    if listener is not None:
        listener(done / total)
