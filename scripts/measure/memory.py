"""Memory of a process, as Linux tells it in /proc."""

import re
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """Memory of a process in MB.

    resident (float): what it has now.
    peak (float): the most that it ever had.
    """

    resident: float
    peak: float


def read_memory(pid: int | str = "self") -> Memory:
    """Read the memory of a process. It is 0 for one that has ended and was not waited for.

    pid (int | str): the process; 'self': this one.
    RAISES: OSError if there is no such process.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf8")
    kilobytes = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, flags=re.MULTILINE))
    return Memory(int(kilobytes.get("VmRSS", 0)) / 1024, int(kilobytes.get("VmHWM", 0)) / 1024)
