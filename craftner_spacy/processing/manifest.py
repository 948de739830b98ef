"""The manifest of a run: what decides its output, and what was found when its records were checked."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..data.file_kinds import check_input
from ..data.records import shorten

PROGRAM = "craftner_spacy annotate"
"""The value of `program` in a manifest, by which it is known."""
PARTS = ("inputs", "settings", "model")

Description = Mapping[str, Mapping[str, Any]]
"""What decides the output: for each of `PARTS`, named values in JSON's types."""


class Manifest(NamedTuple):
    """What is in the file.

    description (Description): what decides the output.
    n_records, n_skipped (int): good and bad records.
    digests (Sequence[str]): of the shards; see `inputs.Checked`.
    """

    description: Description
    n_records: int
    n_skipped: int
    digests: Sequence[str]

    def to_json(self) -> bytes:
        """The content of the file."""
        content = {
            "program": PROGRAM,
            **self.description,
            "records": self.n_records,
            "skipped": self.n_skipped,
            "shards": list(self.digests),
        }
        return json.dumps(content, indent=2).encode()

    def differences(self, description: Description) -> list[str]:
        """What another description says differently.

        description (Description): the other one.

        >>> Manifest({"settings": {"limit": None}}, 1, 0, ()).differences({"settings": {"limit": 9}})
        ['settings.limit: None then, 9 now']
        """
        return [
            f"{part}.{key}: {shorten(self.description[part].get(key))} then, {shorten(value)} now"
            for part, values in description.items()
            for key, value in values.items()
            if self.description[part].get(key) != value
        ]


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    path (Path): of the file.
    RAISES: ValueError if it is no manifest of `annotate`; OSError if it cannot be read.
    """
    check_input(path)
    try:
        return _parse(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as err:
        raise ValueError(
            f"{path} is no manifest of a run of annotate ({err}). Remove {path.parent}, or write to another "
            "file"
        ) from err


def _parse(text: str) -> Manifest:
    """The manifest in a text; ValueError if there is none."""
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("program") != PROGRAM:
        raise ValueError(f'it does not say "program": "{PROGRAM}"')
    description: Any = {part: content.get(part) for part in PARTS}
    entries: Any = [content.get(name) for name in ("records", "skipped", "shards")]
    n_records, n_skipped, digests = entries
    if (
        not all(isinstance(values, dict) for values in description.values())
        or not all(type(n) is int and n >= 0 for n in (n_records, n_skipped))
        or not isinstance(digests, list)
        or not all(isinstance(digest, str) for digest in digests)
    ):
        raise ValueError("entries are missing or have other types")
    return Manifest(description, n_records, n_skipped, digests)
