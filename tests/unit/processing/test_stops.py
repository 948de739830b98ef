"""Ctrl-C and SIGTERM wait until something is done, in the main thread."""

import signal
import threading

import pytest

from craftner_spacy.processing.stops import hold_stops


def test_a_stop_waits_for_the_end() -> None:
    done = []

    def stopped() -> None:
        with hold_stops():
            signal.raise_signal(signal.SIGINT)
            done.append(True)
        done.append(False)

    # A process in the background ignores Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            stopped()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == [True]


def test_stops_are_not_held_in_other_threads() -> None:
    handlers = []

    def work() -> None:
        with hold_stops():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
