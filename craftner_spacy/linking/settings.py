"""What the settings of the linker may be, beside those that `craft_ner` has too."""

from typing import Any


def check_kb(value: Any) -> str:
    """RAISES: ValueError unless it is a text."""
    if not isinstance(value, str) or not value:
        raise ValueError("allowed are 'bundled' or the path of a file")
    return value


def check_ids(value: Any) -> list[str]:
    """RAISES: ValueError unless it is a list of texts."""
    if not isinstance(value, list | tuple) or not all(isinstance(id_, str) and id_ for id_ in value):
        raise ValueError("allowed are a list of ids")
    return list(value)
