"""Texts of words that the tiny models know, and files of such records in JSON Lines."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tiny_models import WORDS


def sentence(number: int, words: int = 8) -> str:
    """A sentence of words that the tiny models know; each number gives another one."""
    return " ".join(WORDS[(number * 7 + k * (number % 5 + 3)) % len(WORDS)] for k in range(words)) + "."


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    """Write a file in JSON Lines; its path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file in JSON Lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
