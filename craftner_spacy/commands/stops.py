"""Stops of a command: Ctrl-C and SIGTERM end it in the same way, and it says how to continue."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, as a shell, a batch system or a container sends it."""


@contextmanager
def clean_stops() -> Iterator[None]:
    """Let SIGTERM end the work inside as Ctrl-C does, and show the message of such a stop.

    RAISES: Exit with the code that shells give to the signal, 128 and its number.
    """
    # A signal that is ignored stays so.
    is_set = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if is_set:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as err:
        number = signal.SIGTERM if isinstance(err, TerminatedError) else signal.SIGINT
        typer.secho(f"\n{signal.Signals(number).name}: {err or 'stopped'}", fg="yellow", err=True)
        raise typer.Exit(128 + number) from err
    finally:
        if is_set:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise TerminatedError
