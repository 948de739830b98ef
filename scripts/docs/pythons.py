"""Install the wheels under each Python that is there, and test them with nothing but what they ask for.

A Python for which pip has no CPU build of PyTorch at hand is not tried: on Linux the other build takes
several gigabytes.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from xml.etree import ElementTree

import typer
from wasabi import msg

sys.path.insert(1, str(Path(__file__).parents[1] / "measure"))
import measured
import tables

ROOT = Path(__file__).resolve().parent.parent.parent
MINORS = (10, 11, 12, 13)
CONSTRAINTS = ROOT / "constraints.txt"
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", CONSTRAINTS)
SMOKE = ROOT / "tests" / "programs" / "smoke.py"
TEST_TOOLS = ("hypothesis", "pytest")
PYTEST = (
    "tests/unit",
    "-p",
    "without_extras",
    # These need an extra in processes of their own, where the plugin does not see it.
    "--deselect=tests/unit/processing/test_workdir.py::"
    "test_a_run_that_is_killed_at_any_moment_gives_the_same_output",
)
HELPERS = ROOT / "tests" / "helpers"


def main(
    wheel: Annotated[Path, typer.Argument(help="of craftner_spacy", exists=True, resolve_path=True)],
    pipeline: Annotated[Path, typer.Argument(help="of the small pipeline", exists=True, resolve_path=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/pythons"),
) -> None:
    """Try WHEEL and PIPELINE under each Python from 3.10 to 3.13. Exits with 1 if one fails."""
    results = {}
    for minor in MINORS:
        results[f"3.{minor}"] = result = try_python(minor, [wheel, pipeline])
        msg.info(f"Python 3.{minor}: {result['outcome']}")
    measured.write(out, {"pythons": results}, "small", as_markdown, of_shape=True)
    sys.exit(any(result["outcome"] == "failed" for result in results.values()))


def try_python(minor: int, wheels: Sequence[Path]) -> dict[str, Any]:
    """What comes of the wheels under Python 3.`minor`, in an environment made for it.

    RETURNS: `outcome` (passed, failed, not tried); `version`, if this Python is there; `why` it was not
        tried, or the step that failed; counts of `tests`, if they were run.
    """
    python = next(find_pythons(minor), None)
    if python is None:
        return {"outcome": "not tried", "why": "this Python is not there"}
    with TemporaryDirectory() as name:
        run(python, "-m", "venv", name)
        inside, junit = Path(name) / "bin" / "python", Path(name) / "junit.xml"
        result: dict[str, Any] = {"version": run(inside, "-V").stdout.split()[1]}
        torch = torch_requirement(CONSTRAINTS.read_text(encoding="utf8"), sys.platform)
        if run(inside, *PIP, "--dry-run", "--no-deps", "--only-binary", ":all:", torch).returncode:
            return {**result, "outcome": "not tried", "why": f"pip has no {torch} at hand"}
        steps = {
            "install": (inside, *PIP, *wheels),
            "pip check": (inside, "-m", "pip", "check"),
            "smoke test": (inside, "-I", "-W", "error", SMOKE),
            "install pytest": (inside, *PIP, *TEST_TOOLS),
            # Not `-m pytest`, which would put the sources on the path.
            "unit tests": (inside.with_name("pytest"), *PYTEST, f"--junitxml={junit}"),
        }
        for step, command in steps.items():
            done = run(*command)
            if junit.exists():
                result["tests"] = count_tests(junit.read_text(encoding="utf8"))
            if done.returncode:
                print(done.stdout, done.stderr)
                return {**result, "outcome": "failed", "why": step}
    return {**result, "outcome": "passed"}


def find_pythons(minor: int) -> Iterator[str]:
    """Interpreters of Python 3.`minor`: pyenv's, the newest first, then the one on the path."""
    versions = (Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python")
    on_path = shutil.which(f"python3.{minor}")
    newest_first = sorted(map(str, versions), key=lambda path: [int(n) for n in re.findall(r"\d+", path)])
    for python in [*reversed(newest_first), *([on_path] if on_path else [])]:
        # pyenv puts programs on the path for versions that are not switched on; they only print an error.
        if run(python, "-c", "import venv").returncode == 0:
            yield python


def torch_requirement(constraints: str, system: str) -> str:
    """The CPU build of PyTorch, as pip takes it.

    constraints (str): text of constraints.txt.
    system (str): as `sys.platform` names it; only on Linux is that version's plain build the one with CUDA.

    >>> torch_requirement("torch==2.13.0", "linux"), torch_requirement("torch==2.13.0", "darwin")
    ('torch==2.13.0+cpu', 'torch==2.13.0')
    """
    [version] = re.findall(r"^torch==(\S+)$", constraints, flags=re.MULTILINE)
    return f"torch=={version}" + ("+cpu" if system == "linux" else "")


def count_tests(junit: str) -> dict[str, int]:
    """Counts of a JUnit report.

    >>> count_tests('<testsuites><testsuite tests="5" failures="1" errors="0" skipped="2"/></testsuites>')
    {'passed': 2, 'failed': 1, 'skipped': 2}
    """
    [suite] = ElementTree.fromstring(junit)
    total, skipped = int(suite.attrib["tests"]), int(suite.attrib["skipped"])
    failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    return {"passed": total - failed - skipped, "failed": failed, "skipped": skipped}


def run(*command: object) -> "subprocess.CompletedProcess[str]":
    """Run a command in the root of the repository; its output is kept, not shown."""
    # A plugin of pytest is imported before pytest reads where helpers are.
    env = {**os.environ, "PYTHONPATH": str(HELPERS)}
    arguments = list(map(str, command))
    return subprocess.run(arguments, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def as_markdown(report: dict[str, Any]) -> str:
    """The page: a row for each Python."""
    rows = []
    for name, result in report["pythons"].items():
        tests = ", ".join(f"{n:,} {outcome}" for outcome, n in result.get("tests", {}).items() if n)
        outcome = result["outcome"] + (f": {result['why']}" if "why" in result else "")
        rows.append((name, result.get("version", ""), outcome, tests))
    return tables.page(
        "# Pythons",
        "The wheel in an environment of its own: the smoke test, then the unit tests. Tests that need an "
        "extra are skipped.",
        tables.table(("Python", "version", "outcome", "tests"), rows),
        measured.measured_on(report),
    )


if __name__ == "__main__":
    typer.run(main)
