"""Run programs of the tests in a Python process of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = Path(__file__).parent.parent / "programs"


def run_program(
    name: str,
    *arguments: object,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a file of `tests/programs` in a new Python. Of this repository only that folder is on its path.

    name (str): the file's name.
    arguments: what the program is given, each as its `str`.
    env (Mapping[str, str] | None): its whole environment; None: that of this process.
    check (bool): whether a failure of the program is one of the test.
    timeout (float): seconds until it is stopped.
    RAISES: AssertionError if `check` and the program failed, with its output.
    """
    command = [sys.executable, "-E", "-s", str(PROGRAMS / name), *map(str, arguments)]
    return _run(command, os.environ if env is None else env, check, timeout)


def run_python(
    code: str, env: Mapping[str, str], *, check: bool = True, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a line or two of code in a new Python, isolated; a longer program is a file for `run_program`.

    code (str): the program.
    env, check, timeout: as for `run_program`.
    RAISES: AssertionError if `check` and the program failed, with its output.
    """
    return _run([sys.executable, "-I", "-c", code], env, check, timeout)


def _run(
    command: list[str], env: Mapping[str, str], check: bool, timeout: float
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done
