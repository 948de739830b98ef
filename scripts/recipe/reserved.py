"""Which documents of the outside corpora are reserved for measurements: no training reads them.

These are two test files, and a part of other files, chosen by a hash of the id. The documents of
``held-out.txt``, by which others measure, are neither in a training nor in a measurement.
"""

import hashlib
from collections.abc import Container, Iterable
from pathlib import Path

from annotated_texts import AnnotatedText

# Files that are reserved as a whole; files of which parts are reserved, and these parts.
TEST_FILES = ("GNormPlus_Test", "SPECIES_Test")
RESERVED_PARTS = {
    "BC5CDR_TrainDev": ("dev", "test"),
    "BioRED_TrainDev": ("dev", "test"),
    "GNormPlus_Train": ("dev",),
    "NLMchem_Test": ("dev", "test"),
    "NLMgene_Train": ("dev", "test"),
    "SPECIES_Train": ("dev",),
}


def part_of(text_id: str) -> str:
    """The part of a document, by a hash of its id: a tenth is ``dev``, a tenth ``test``, the rest ``train``.

    It is the same on every machine and for every corpus.

    >>> [part_of(number) for number in ("10491763", "11054569", "18681856")]
    ['train', 'dev', 'test']
    """
    number = int(hashlib.sha256(text_id.encode()).hexdigest(), 16) % 10
    return {0: "dev", 1: "test"}.get(number, "train")


def reserved(
    file: str, texts: Iterable[AnnotatedText], held_out: Container[str], part: str | None = None
) -> list[AnnotatedText]:
    """The documents of a file that are reserved for our measurements.

    file (str): name of the file, without suffix.
    held_out: ids of `read_held_out`.
    part (str | None): ``dev`` or ``test``; None: both. A file that is reserved as a whole is ``test``.
    """
    if file in TEST_FILES:
        chosen = list(texts) if part in (None, "test") else []
    else:
        parts = [p for p in RESERVED_PARTS.get(file, ()) if part in (None, p)]
        chosen = [text for text in texts if part_of(text.id) in parts]
    return [text for text in chosen if text.id not in held_out]


def read_held_out(folder: Path) -> set[str]:
    """The ids of documents by which others measure: the file ``held-out.txt``, one id on each line.

    RAISES: FileNotFoundError if the folder has no such file.
    """
    return set((folder / "held-out.txt").read_text(encoding="utf-8").split())
