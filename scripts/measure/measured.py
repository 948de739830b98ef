"""What the files in metrics/ have in common: which weights were measured, where, and how a report is written.

Each JSON file there begins with:

model (str | None): the model that was measured; None for counts of a corpus or of the code.
weights (str | None): sha256 digest of its weights; for steps of the recipe, of the weights that it led to.
shape (str): only with figures of time and memory, which other weights of the same shape do not change: sha256
    digest of names, types and shapes of its tensors.
machine (str): processor type, number of cores, version of Python.
versions (dict[str, str]): of the packages that matter, `craftner_spacy` among them.
"""

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import srsly
from safetensors import safe_open
from spacy.util import get_package_path, is_package

from craftner_spacy.sources import find_folder

PACKAGES = ("craftner_spacy", "spacy", "transformers", "torch")
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")

Report = Mapping[str, Any]


def weights_digest(model: str) -> str:
    """The sha256 digest of a model's weights. For weights in one file it is that of the file.

    model (str): 'small', 'biobert', a hub id, a folder with a model or a pipeline, or a package.
    RAISES: FileNotFoundError if there are no weights; what `sources.find_folder` raises.
    """
    folder = pipeline_folder(model) or find_folder(model, "main")
    for pattern in WEIGHTS:
        files = sorted(folder.rglob(pattern))
        if files:
            digest = hashlib.sha256()
            for file in files:
                digest.update(file.read_bytes())
            return digest.hexdigest()
    raise FileNotFoundError(f"{folder} has no weights: expected is one of {', '.join(WEIGHTS)}")


def shape_digest(model: str) -> str:
    """The sha256 digest of names, types and shapes of a model's tensors, whatever their values.

    model (str): as for `weights_digest`, with weights in safetensors files.
    """
    folder = pipeline_folder(model) or find_folder(model, "main")
    tensors = {}
    for file in sorted(folder.rglob("model*.safetensors")):
        with safe_open(file, framework="numpy") as opened:
            for name in opened.keys():  # noqa: SIM118
                tensor = opened.get_slice(name)
                tensors[name] = [tensor.get_dtype(), tensor.get_shape()]
    return hashlib.sha256(json.dumps(tensors, sort_keys=True).encode()).hexdigest()


def pipeline_folder(model: str) -> Path | None:
    """The folder of a package or of a saved pipeline; None if the name is that of a model alone."""
    if is_package(model):
        return get_package_path(model)
    return Path(model) if (Path(model) / "meta.json").is_file() else None


def origin(model: str | None, packages: Iterable[str] = PACKAGES, of_shape: bool = False) -> dict[str, Any]:
    """The first fields of a report; the docstring of this module describes them.

    of_shape (bool): whether the figures are of time and memory alone.
    """
    return {
        "model": model,
        "weights": None if model is None else weights_digest(model),
        **({"shape": shape_digest(model)} if model is not None and of_shape else {}),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": {name: version(name) for name in packages},
    }


def measured_on(report: Report) -> str:
    """The machine and the versions of a report, as a sentence.

    >>> measured_on({"machine": "x86_64", "versions": {"spacy": "3.8.18", "torch": "2.13.0"}})
    'Measured on x86_64, with spacy 3.8.18, torch 2.13.0.'
    """
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    return f"Measured on {report['machine']}, with {versions}."


def write_json(
    path: Path,
    report: Report,
    model: str | None,
    packages: Iterable[str] = PACKAGES,
    of_shape: bool = False,
) -> dict[str, Any]:
    """Write a report, after the fields of its origin.

    path (Path): the file; its folder is made.
    report (Report): fields of the same name replace those of the origin.
    of_shape (bool): whether the figures are of time and memory alone.
    RETURNS: what was written.
    """
    complete = {**origin(model, packages, of_shape), **report}
    path.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(path, complete)
    return complete


def write(
    out: Path,
    report: Report,
    model: str | None,
    as_markdown: Callable[[dict[str, Any]], str],
    packages: Iterable[str] = PACKAGES,
    of_shape: bool = False,
) -> None:
    """Write a report to OUT.json, as `write_json` does, and its tables to OUT.md; print the tables."""
    tables = as_markdown(write_json(out.with_suffix(".json"), report, model, packages, of_shape))
    out.with_suffix(".md").write_text(tables, encoding="utf8")
    print(tables)


def marked_parts(text: str) -> Iterator[re.Match[str]]:
    """The parts of a page that are written from measured figures.

    RETURNS: for each part the program that measured, its group `program`, and what is between the marks, its
        group `content`.

    >>> [part] = marked_parts("<!-- measured: with a.py -->\\nF1 84.9\\n<!-- end of measured -->")
    >>> part["program"], part["content"]
    ('a.py', 'F1 84.9\\n')
    """
    marks = r"<!-- measured: with (?P<program>\S+) -->\n(?P<content>.*?)<!-- end of measured -->"
    return re.finditer(marks, text, flags=re.DOTALL)


def fill(page: Path, content: Mapping[str, str]) -> set[str]:
    """Write the marked parts of a page again; parts of other programs stay.

    content (Mapping[str, str]): the new part, by the program that measured.
    RETURNS: the programs whose parts were written.
    """
    text = page.read_text(encoding="utf8")
    parts = [part for part in marked_parts(text) if part["program"] in content]
    for part in reversed(parts):
        start, end = part.span("content")
        text = text[:start] + content[part["program"]] + text[end:]
    if parts:
        page.write_text(text, encoding="utf8")
    return {part["program"] for part in parts}
