"""Ctrl-C and SIGTERM: one line that says how to continue, and the exit code of the signal."""

import signal
from collections.abc import Iterator

import pytest
import typer

from craftner_spacy.commands.stops import clean_stops


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """As in a process that was started by a shell in the foreground.

    Ray, if another test has started it, handles SIGTERM; a process in the background ignores SIGINT.
    """
    defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in defaults.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_shows_its_message_and_has_the_code_of_its_signal(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        with clean_stops():
            try:
                signal.raise_signal(number)
            except KeyboardInterrupt as err:
                raise type(err)("stopped. Repeat the command") from err

    with pytest.raises(typer.Exit) as stopped:
        work()
    assert stopped.value.exit_code == 128 + number
    assert capsys.readouterr().err == f"\n{number.name}: stopped. Repeat the command\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with clean_stops():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
