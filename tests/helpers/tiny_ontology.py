"""A made-up ontology in OBO, and the names that are read from it."""

import gzip
import zipfile
from pathlib import Path

OBO = r"""format-version: 1.2
ontology: tiny

[Term]
id: T:1
name: Round cell
synonym: "ball\, small \"cell\"" EXACT []
synonym: "ball  cell" EXACT plural [T:x, T:y]
synonym: "thing" RELATED []
synonym: "cell of a round kind" BROAD []
synonym: "not EXACT, but near" NARROW []

[Term]
id: T:2
name: flat_cell
synonym: "Round cell" EXACT []
is_a: T:1 ! Round cell

[Term]
id: T:3
name: obsolete cell
synonym: "old cell" EXACT []
is_obsolete: true

[Term]
id: T:4
is_a: T:3

[Typedef]
id: part_of
name: part of
"""
OBO_NAMES = ["Round cell", "ball cell", 'ball, small "cell"', "flat cell"]


def write_ontology(folder: Path, suffix: str, text: str = OBO) -> Path:
    """Write the ontology to a file with this suffix, which may be that of a compressed file."""
    path = folder / f"tiny{suffix}"
    if suffix.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif suffix.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("README", "no ontology")
            archive.writestr("inner.obo", text)
    else:
        path.write_text(text, encoding="utf-8")
    return path
