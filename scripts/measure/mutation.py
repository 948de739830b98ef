"""Mutation testing: mutmut makes one small change at a time, and the tests run on it."""

import ast
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import measured
import typer
from tables import page, percent, table

PACKAGE = Path("craftner_spacy")
COUNTED_AS = {"killed": "killed", "segfault": "killed", "timeout": "timed_out"}
"""A mutant that ends the process counts as killed. Every status that is not listed counts as survived."""
PACKAGES = ("craftner_spacy", "mutmut", "hypothesis", "pytest")


class Mutated(NamedTuple):
    """The function that a mutant changes: its module within the package, and its name there."""

    module: str
    function: str


def main(
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/mutation"),
    processes: Annotated[int, typer.Option(help="mutants tested at once", min=1)] = 2,
    at_least: Annotated[float, typer.Option(help="share of killed mutants in each module")] = 0.85,
) -> None:
    """Run mutmut with the settings in pyproject.toml, from the repository's root.

    Fails if too few mutants of a module are killed.
    """
    run_mutmut("run", "--max-children", str(processes), capture=False)
    statuses = read_statuses(run_mutmut("results", "--all", "true"))
    modules = tally(statuses)
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "modules": modules,
        "survivors": {
            name: read_change(run_mutmut("show", name))
            for name, status in statuses.items()
            if status not in COUNTED_AS
        },
        "decorated": [
            f"{module}.{name}"
            for module in modules
            for name in decorated(module_file(module).read_text(encoding="utf8"))
        ],
    }
    measured.write(out, report, None, as_markdown, PACKAGES)
    weak = [name for name, row in modules.items() if row["share"] < at_least]
    if weak:
        raise SystemExit(f"Fewer than {at_least:.0%} of the mutants are killed in {', '.join(weak)}.")


def run_mutmut(*arguments: str, capture: bool = True) -> str:
    """Run a command of mutmut, and return what it prints; without `capture` it is shown instead."""
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    stdout = subprocess.PIPE if capture else None
    return subprocess.run(command, check=True, text=True, stdout=stdout).stdout or ""


def read_statuses(results: str) -> dict[str, str]:
    """Status by mutant, from lines such as ``craftner_spacy.windows.x_cut_range__mutmut_1: killed``."""
    pairs = (line.strip().rpartition(": ") for line in results.splitlines() if line.strip())
    return {name: status for name, _, status in pairs}


def read_name(mutant: str) -> Mutated:
    """The function that a mutant changes, from mutmut's name of the mutant.

    >>> read_name("craftner_spacy.windows.x_cut_range__mutmut_1")
    Mutated(module='windows', function='cut_range')
    >>> read_name("craftner_spacy.training.sentence_windows.xǁSentenceWindowsǁ__call____mutmut_7")
    Mutated(module='training.sentence_windows', function='SentenceWindows.__call__')
    """
    path, _, function = mutant.rpartition("__mutmut_")[0].rpartition(".")
    function = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return Mutated(path.partition(".")[2], function)


def module_file(module: str) -> Path:
    """The source of a module of the package, from the repository's root."""
    return (PACKAGE / module.replace(".", "/")).with_suffix(".py")


def tally(statuses: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Count the mutants of each module, by what became of them, and the share that did not survive."""
    counts: dict[str, Counter[str]] = {}
    for name, status in statuses.items():
        counts.setdefault(read_name(name).module, Counter())[COUNTED_AS.get(status, "survived")] += 1
    return {
        module: {
            "mutants": count.total(),
            **{key: count[key] for key in ("killed", "timed_out", "survived")},
            "share": 1 - count["survived"] / count.total(),
        }
        for module, count in counts.items()
    }


def read_change(diff: str) -> dict[str, str]:
    """The lines that a diff removes and adds."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    return {
        key: "\n".join(line[1:].strip() for line in lines if line.startswith(sign))
        for key, sign in (("before", "-"), ("after", "+"))
    }


def decorated(source: str) -> list[str]:
    """The functions with a decorator, which mutmut does not change."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]


def as_markdown(report: dict[str, Any]) -> str:
    """A row for each module, and each survivor with its change."""
    keys = ("mutants", "killed", "timed_out", "survived")
    rows = [
        [module, *(row[key] for key in keys), f"{percent(row['share'])}%"]
        for module, row in report["modules"].items()
    ]
    survivors = []
    for name, change in report["survivors"].items():
        module, function = read_name(name)
        survivors.append(f"- {module}, `{function}`")
        lines = [line for key in ("before", "after") for line in change[key].splitlines()]
        survivors.append("\n".join(f"      {line}" for line in lines))
    return page(
        "# Mutation tests",
        "One small change of the code at a time (a mutant), and the tests of its module that reach it, "
        "doctests included, with 20 examples of each property. Killed: a test fails. Timed out: the tests do "
        "not end.",
        table(["module", "mutants", "killed", "timed out", "survived", "share killed or timed out"], rows),
        f"Functions with a decorator are not changed: {', '.join(report['decorated'])}.",
        "## Survivors",
        *survivors,
        measured.measured_on(report),
    )


if __name__ == "__main__":
    typer.run(main)
