"""What Linux tells of other processes in /proc."""

import os
from pathlib import Path

LISTENING = "0A"
"""The state of a socket in /proc/net/tcp."""


def find_processes(name: bytes) -> list[int]:
    """The ids of the processes with this name in their command line."""
    return [
        int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if name in read_if_there(path)
    ]


def listening_addresses(process: int) -> set[str]:
    """The IPv4 addresses at which a process and its descendants listen."""
    sockets = {socket for member in family_of(process) for socket in open_files(member)}
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="utf8").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and f"socket:[{fields[9]}]" in sockets:
                # The last four bytes, the lowest first: an IPv6 address has its IPv4 part at the end.
                last = fields[1].partition(":")[0][-8:]
                addresses.add(".".join(str(byte) for byte in reversed(bytes.fromhex(last))))
    return addresses


def family_of(process: int) -> set[int]:
    """The process and its descendants."""
    parents = {int(path.parent.name): _parent(path) for path in Path("/proc").glob("[0-9]*/stat")}
    family = {process}
    while children := {child for child, parent in parents.items() if parent in family} - family:
        family |= children
    return family


def open_files(process: int) -> list[str]:
    """The names of the files and sockets that a process has open; none if it has ended."""
    names = []
    for handle in Path(f"/proc/{process}/fd").glob("*"):
        try:
            names.append(os.readlink(handle))
        except OSError:
            continue
    return names


def read_if_there(path: Path) -> bytes:
    """The content of a file; nothing if its process has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parent(path: Path) -> int:
    """The parent of a process, from its file `stat`; 0 if the process has ended."""
    stat = read_if_there(path)
    # The name, in brackets, may hold anything.
    return int(stat.rpartition(b")")[2].split()[1]) if stat else 0
