"""The settings of the linker, checked."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class _Settings(NamedTuple):
    kb: str
    spans_key: str | None
    threshold: float
    max_candidates: int
    overwrite: bool
    prefer_taxa: list[str]
    save_kb: bool


class LinkerSettings(_Settings):
    """The settings of `CraftLinker`, which says what they mean.

    >>> LinkerSettings("bundled", "craft_ner", 0.5, 0, True, [], True)
    Traceback (most recent call last):
    ValueError: max_candidates = 0: allowed are whole numbers from 1
    """

    __slots__ = ()

    def __new__(
        cls,
        kb: str,
        spans_key: str | None,
        threshold: float,
        max_candidates: int,
        overwrite: bool,
        prefer_taxa: Sequence[str],
        save_kb: bool,
    ) -> "LinkerSettings":
        """Check the settings.

        RAISES: ValueError for one that is not allowed.
        """
        _check("kb", kb, isinstance(kb, str) and kb != "", "'bundled' or the path of a file")
        _check(
            "spans_key",
            spans_key,
            spans_key is None or (isinstance(spans_key, str) and spans_key != ""),
            "a name, or null for no span group",
        )
        is_number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
        _check("threshold", threshold, is_number and 0.0 <= threshold <= 1.0, "numbers from 0 to 1")
        is_whole = isinstance(max_candidates, int) and not isinstance(max_candidates, bool)
        _check("max_candidates", max_candidates, is_whole and max_candidates >= 1, "whole numbers from 1")
        _check("overwrite", overwrite, isinstance(overwrite, bool), "true or false")
        are_ids = isinstance(prefer_taxa, (list, tuple)) and all(
            isinstance(id_, str) and id_ for id_ in prefer_taxa
        )
        _check("prefer_taxa", prefer_taxa, are_ids, "a list of ids")
        _check("save_kb", save_kb, isinstance(save_kb, bool), "true or false")
        return super().__new__(
            cls, kb, spans_key, float(threshold), max_candidates, overwrite, list(prefer_taxa), save_kb
        )

    @classmethod
    def from_json(cls, settings: Any) -> "LinkerSettings":
        """Take settings that were saved.

        RAISES: ValueError if one is missing, unknown or not allowed.
        """
        names = set(settings) if isinstance(settings, Mapping) else set()
        if names != set(cls._fields):
            odd = ", ".join(sorted(map(str, names ^ set(cls._fields))))
            raise ValueError(f"cfg of a craft_linker: missing or unknown are {odd}")
        return cls(**settings)


def _check(setting: str, value: object, is_allowed: bool, allowed: str) -> None:
    if not is_allowed:
        raise ValueError(f"{setting} = {value!r}: allowed are {allowed}")
