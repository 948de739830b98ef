"""How many faults the tests notice: mutmut makes one small change at a time and runs the tests on it."""

import ast
import platform
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import measured
import typer

PACKAGE = Path("craftner_spacy")
COUNTED = {"killed": "killed", "segfault": "killed", "timeout": "timed_out"}
"""A mutant that ends the process is killed too; whatever is not listed here has survived."""


def main(
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/mutation"),
    processes: Annotated[int, typer.Option(help="mutants tested at once", min=1)] = 2,
    at_least: Annotated[float, typer.Option(help="share to be killed in each module")] = 0.85,
) -> None:
    """Run mutmut as pyproject.toml sets it, from the repository's root; fail where too many mutants live."""
    mutmut("run", "--max-children", str(processes), shown=True)
    statuses = read_statuses(mutmut("results", "--all", "true"))
    report: dict[str, Any] = {
        "versions": measured.versions(("mutmut", "hypothesis", "pytest"))
        | {"python": platform.python_version()},
        "modules": tally(statuses),
        "survivors": {
            name: read_change(mutmut("show", name))
            for name, status in statuses.items()
            if status not in COUNTED
        },
    }
    report["decorated"] = [
        f"{module}.{name}"
        for module in report["modules"]
        for name in decorated((PACKAGE / f"{module}.py").read_text(encoding="utf8"))
    ]
    measured.write(out, report, as_markdown)
    weak = [name for name, row in report["modules"].items() if row["share"] < at_least]
    if weak:
        raise SystemExit(f"Fewer than {at_least:.0%} of the mutants are killed in {', '.join(weak)}.")


def mutmut(*arguments: str, shown: bool = False) -> str:
    """Run a command of mutmut; what it writes is shown, or else returned."""
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    return (
        subprocess.run(command, check=True, text=True, stdout=None if shown else subprocess.PIPE).stdout or ""
    )


def read_statuses(results: str) -> dict[str, str]:
    """Status by mutant, of lines such as ``craftner_spacy.windows.x_cut_range__mutmut_1: killed``."""
    pairs = (line.strip().rpartition(": ") for line in results.splitlines() if line.strip())
    return {name: status for name, _, status in pairs}


def tally(statuses: dict[str, str]) -> dict[str, dict[str, float]]:
    """For each module: mutants, those killed, timed out and survived, and the share that did not survive."""
    counts: dict[str, Counter[str]] = {}
    for name, status in statuses.items():
        counts.setdefault(name.split(".")[1], Counter())[COUNTED.get(status, "survived")] += 1
    return {
        module: {
            "mutants": found.total(),
            **{key: found[key] for key in ("killed", "timed_out", "survived")},
            "share": 1 - found["survived"] / found.total(),
        }
        for module, found in counts.items()
    }


def read_change(diff: str) -> dict[str, str]:
    """The lines taken out and put in, of a diff."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    return {
        key: "\n".join(line[1:].strip() for line in lines if line.startswith(sign))
        for key, sign in (("before", "-"), ("after", "+"))
    }


def decorated(source: str) -> list[str]:
    """Functions with a decorator: mutmut leaves them as they are."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]


def as_markdown(report: dict[str, Any]) -> str:
    """A row for each module, and each survivor with its change."""
    lines = [
        "# Mutants that the tests notice",
        "",
        "One small change of the code at a time, and the tests of its module that reach it, doctests too; 20 "
        "examples of each property. Killed: a test fails. Timed out: the tests come to no end.",
        "",
        "| module | mutants | killed | timed out | survived | share killed or timed out |",
        "|---|---|---|---|---|---|",
    ]
    for module, row in report["modules"].items():
        counts = " | ".join(str(row[key]) for key in ("mutants", "killed", "timed_out", "survived"))
        lines.append(f"| {module} | {counts} | {100 * row['share']:.1f}% |")
    lines += ["", f"Decorated functions are not changed: {', '.join(report['decorated'])}.", ""]
    lines += ["## Survivors", ""]
    for name, change in report["survivors"].items():
        module, function = name.partition("__mutmut_")[0].split(".")[1:]
        function = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        lines += [
            f"- {module}, `{function}`",
            "",
            *("      " + line for key in ("before", "after") for line in change[key].splitlines()),
            "",
        ]
    lines.append("Measured with " + measured.listed_versions(report) + ".")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
