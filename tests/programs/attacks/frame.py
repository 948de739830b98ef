"""What an attack is, and what attacks share.

An attack is a function that is given an empty folder, tries it there, and says what happened in a few words.
If it raises, the attack got through:

    @attack("a FIFO as input", item=11, expects="refused in one line", seconds=20)
    def fifo(folder: Path) -> str:
        os.mkfifo(folder / "in.txt")
        return refused(craftner("annotate", folder / "in.txt", "-o", folder / "out.jsonl"), "in.txt")
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[Path], str]


@dataclass(frozen=True)
class Attack:
    """One attack.

    name (str): what is tried; unique.
    item (int): the number of the issue's item that it belongs to.
    expects (str): what has to happen.
    seconds (float): it gets through if it takes longer, the start of its process and imports included.
    megabytes (int): it gets through if one of its processes takes more memory. About 450 are taken by the
        import of spaCy and torch.
    run: tries it.
    """

    name: str
    item: int
    expects: str
    seconds: float
    megabytes: int
    run: Run


ATTACKS: dict[str, Attack] = {}


def attack(
    name: str, *, item: int, expects: str, seconds: float = 60, megabytes: int = 1000
) -> Callable[[Run], Run]:
    """Make a function an attack; the arguments are those of `Attack`."""

    def register(run: Run) -> Run:
        assert name not in ATTACKS, f"two attacks are called {name!r}"
        ATTACKS[name] = Attack(name, item, expects, seconds, megabytes, run)
        return run

    return register


def craftner(
    *arguments: object, env: dict[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command of the package in a process of its own.

    arguments: of ``python -m craftner_spacy``, each as its `str`.
    """
    command = [sys.executable, "-m", "craftner_spacy", *map(str, arguments)]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
    )


def refused(done: subprocess.CompletedProcess[str], *names: str) -> str:
    """What a command that has to fail said.

    names: what its message has to name.
    RAISES: AssertionError unless the command failed with one line on stderr that has all names.
    """
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, f"rc {done.returncode}: {done.stderr[-300:]}"
    assert len(lines) == 1, f"{len(lines)} lines: {done.stderr[-300:]}"
    assert all(name in lines[0] for name in names), lines[0]
    return lines[0]


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that has to succeed said last.

    RAISES: AssertionError if it failed.
    """
    assert done.returncode == 0, f"rc {done.returncode}: {done.stderr[-300:]}"
    return next(iter(done.stdout.strip().splitlines()[-1:]), "rc 0")


def raised(
    error: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object], *names: str
) -> str:
    """What a call that has to raise said.

    names: what the message has to name.
    RAISES: AssertionError unless it raised this error with all names in its message.
    """
    try:
        call()
    except error as err:
        said = f"{type(err).__name__}: {err}"
    else:
        raise AssertionError(f"no {error}")
    assert all(name in said for name in names), said
    return said
