"""Find figures of other weights than the shipped ones, and the commands that measure them again."""

import ast
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import measured
import srsly
import typer
from mutation import Mutated, module_file, read_name
from wasabi import msg

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = "craftner_spacy/small"
DOCUMENT = "python -m spacy project run document"
MAKE_TARGETS = {
    "big_file": "make big",
    "mutation": "make mutation",
    "pubmed_day": "make pubmed",
    "pythons": "make pythons",
}
"""The commands of files in metrics/ that no command of the project makes."""


class Stale(NamedTuple):
    """A file in metrics/ whose figures have to be measured again: its name, why, and the command for it."""

    name: str
    reason: str
    command: str


def main(
    run: Annotated[bool, typer.Option("--run", help="run the commands")] = False,
) -> None:
    """List the files in metrics/ with stale figures, and the command that makes each."""
    stale = list(find_stale(ROOT))
    for name, reason, command in stale:
        msg.warn(f"metrics/{name}.json: {reason}", command)
    if not stale:
        msg.good("all figures are of the shipped weights")
    elif run:
        for command in [*dict.fromkeys(row.command for row in stale), DOCUMENT]:
            run_command(command)


def find_stale(root: Path) -> Iterator[Stale]:
    """Compare the files in metrics/ with the weights and the code of a checkout.

    root (Path): the checkout.
    """
    digest, shape = (of(str(root / SHIPPED)) for of in (measured.weights_digest, measured.shape_digest))
    for name, command in commands(root).items():
        path = root / "metrics" / f"{name}.json"
        if path.is_file() and (reason := reason_of(srsly.read_json(path), digest, shape, root)):
            yield Stale(name, reason, command)


def commands(root: Path) -> dict[str, str]:
    """For each file in metrics/ of the shipped model or of the code: the command that makes it."""
    made = {
        Path(output).stem: f"python -m spacy project run {command['name']}"
        for command in srsly.read_yaml(root / "project.yml")["commands"]
        for output in command.get("outputs_no_cache", ())
        if output.startswith("metrics/") and output.endswith(".json") and "$" not in output
    }
    return made | MAKE_TARGETS


def reason_of(report: dict[str, Any], digest: str, shape: str, root: Path) -> str | None:
    """Why the figures of a report are stale; None if they are not.

    digest, shape (str): of the shipped weights; see `measured`.
    """
    if "shape" in report:
        if report["shape"] != shape:
            return f"of weights of another shape ({report['shape'][:12]}, shipped are {shape[:12]})"
    elif report["weights"] not in (None, digest):
        return f"of other weights ({report['weights'][:12]}, shipped are {digest[:12]})"
    if "survivors" in report and (gone := gone_names(report, root)):
        return f"names what is not in the package any more: {', '.join(gone)}"
    return None


def gone_names(report: dict[str, Any], root: Path) -> list[str]:
    """The modules and functions that a report of mutation tests names, and that the package does not have.

    root (Path): the checkout with the package.
    """
    functions = [read_name(name) for name in report["survivors"]]
    functions += [
        Mutated(module, name) for module, _, name in (f.rpartition(".") for f in report["decorated"])
    ]
    gone = {module for module in report["modules"] if not (root / module_file(module)).is_file()}
    for module, function in functions:
        if module not in gone and function not in defined(root / module_file(module)):
            gone.add(f"{module}.{function}")
    return sorted(gone)


def defined(source: Path) -> set[str]:
    """The names of the functions in a module; those of methods also after the name of their class."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf8"))):
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{child.name}" for child in node.body if isinstance(child, ast.FunctionDef)
            }
    return names


def run_command(command: str) -> None:
    """Run a command in the root of the repository. Exits if it fails."""
    program, *arguments = shlex.split(command)
    msg.divider(command)
    done = subprocess.run(
        [sys.executable if program == "python" else program, *arguments], cwd=ROOT, check=False
    )
    if done.returncode:
        msg.fail(f"{command} failed", exits=1)


if __name__ == "__main__":
    typer.run(main)
