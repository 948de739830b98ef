"""A process without network, for other programs. Run by itself, it shows what becomes of an attempt."""

import sys
import urllib.request

attempts: list[object] = []
"""Addresses and hosts that the process tried to reach, also where the error was caught on the way."""


def refuse_network() -> None:
    """From now on, connecting or looking up a host raises OSError and is noted in `attempts`."""
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.connect" and isinstance(args[1], tuple):
        address: object = args[1]
    elif event == "socket.getaddrinfo":
        address = args[:2]
    else:
        return
    attempts.append(address)
    raise OSError(f"a test without network tried to reach {address}")


def main() -> None:
    """Ask a port of this machine for a page; print the error and the attempts."""
    refuse_network()
    try:
        urllib.request.urlopen("http://127.0.0.1:9/")
    except OSError as err:
        print(err, attempts)


if __name__ == "__main__":
    main()
