"""What the files in metrics/ have in common: where something was measured, and how that is written."""

import platform
import re
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import srsly
from wasabi import msg

PACKAGES = ("spacy", "transformers", "torch", "craftner_spacy")


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """The installed version of each package."""
    return {name: version(name) for name in packages}


def environment() -> dict[str, Any]:
    """The parts `machine` and `versions` of a report."""
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": versions(),
    }


def listed_versions(report: dict[str, Any]) -> str:
    """The versions of a report as text.

    >>> listed_versions({"versions": {"spacy": "3.8.18", "torch": "2.13.0"}})
    'spacy 3.8.18, torch 2.13.0'
    """
    return ", ".join(f"{name} {number}" for name, number in report["versions"].items())


def write(out: Path, report: Any, as_markdown: Callable[[Any], str]) -> None:
    """Write a report to OUT.json and its tables to OUT.md, and print them."""
    out.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(out.with_suffix(".json"), report)
    out.with_suffix(".md").write_text(as_markdown(report), encoding="utf8")
    print(as_markdown(report))


def marked(text: str, program: str) -> re.Match[str] | None:
    """The part of a page that is written from what a program of the project measured, between its marks: the
    first mark is group 1, what stands between group 2, and the last one group 3."""
    first = re.escape(f"<!-- measured: with {program} -->\n")
    return re.search(rf"({first})(.*?)(<!-- end of measured -->)", text, flags=re.DOTALL)


def fill(page: Path, program: str, content: str) -> None:
    """Put CONTENT between the marks of PROGRAM on a page. Exits if there are none."""
    text = page.read_text(encoding="utf8")
    found = marked(text, program)
    if not found:
        msg.fail(f"{page} has no part between the marks of what {program} measured", exits=1)
    page.write_text(text[: found.start(2)] + content + text[found.end(2) :], encoding="utf8")
