"""Fork while another thread holds the lock of loading; the child must be able to take the lock."""

import os
import sys
import threading
import time

from craftner_spacy.locking import LOADING


def hold(seconds: float, is_held: threading.Event) -> None:
    """Hold the lock, as a thread does that loads a model."""
    with LOADING:
        is_held.set()
        time.sleep(seconds)


def main() -> None:
    is_held = threading.Event()
    thread = threading.Thread(target=hold, args=(0.5, is_held))
    thread.start()
    is_held.wait()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if LOADING.acquire(timeout=5) else 1)
    thread.join()
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("the child waited in vain for the lock")
    print("the child has the lock")


if __name__ == "__main__":
    main()
