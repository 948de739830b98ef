"""Records of words that the tiny models know, for tests of what reads and writes files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tiny_models import WORDS


def sentence(number: int, words: int = 8) -> str:
    """A sentence of so many words; another number gives another."""
    return " ".join(WORDS[(number * 7 + k * (number % 5 + 3)) % len(WORDS)] for k in range(words)) + "."


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    """Write JSON Lines, and give the path back."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path
