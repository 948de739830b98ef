"""The linker's settings: what is allowed, and what a refusal says."""

from typing import Any

import pytest

from craftner_spacy.linking.settings import LinkerSettings

FIT: dict[str, Any] = {
    "kb": "bundled",
    "spans_key": "craft_ner",
    "threshold": 0.5,
    "max_candidates": 5,
    "overwrite": True,
    "prefer_taxa": ["NCBITaxon:9606"],
    "save_kb": False,
}


def test_settings_go_to_json_and_back() -> None:
    settings = LinkerSettings(**FIT)
    assert settings._asdict() == FIT
    assert LinkerSettings.from_json(settings._asdict()) == settings


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("kb", "", "kb = '': allowed are 'bundled' or the path of a file"),
        ("kb", None, "kb = None: allowed are"),
        ("spans_key", "", "spans_key = '': allowed are a name, or null"),
        ("spans_key", 7, "spans_key = 7: allowed are"),
        ("threshold", -0.1, "threshold = -0.1: allowed are numbers from 0 to 1"),
        ("threshold", 1.1, "threshold = 1.1: allowed are"),
        ("threshold", float("nan"), "threshold = nan: allowed are"),
        ("threshold", True, "threshold = True: allowed are"),
        ("threshold", "0", "threshold = '0': allowed are"),
        ("max_candidates", 0, "max_candidates = 0: allowed are whole numbers from 1"),
        ("max_candidates", True, "max_candidates = True: allowed are"),
        ("max_candidates", 1.5, "max_candidates = 1.5: allowed are"),
        ("overwrite", 1, "overwrite = 1: allowed are true or false"),
        ("prefer_taxa", "T:1", "prefer_taxa = 'T:1': allowed are a list of ids"),
        ("prefer_taxa", [""], r"prefer_taxa = \[''\]: allowed are"),
        ("save_kb", None, "save_kb = None: allowed are true or false"),
    ],
)
def test_what_is_refused(setting: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinkerSettings(**{**FIT, setting: value})


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0])
def test_the_ends_of_threshold(value: float) -> None:
    assert LinkerSettings(**{**FIT, "threshold": value}).threshold == value


@pytest.mark.parametrize("saved", [[], None, {}, {**FIT, "more": 1}, {**FIT, "threshold": 2}])
def test_what_was_saved_is_checked(saved: object) -> None:
    with pytest.raises(ValueError, match=r"cfg of a craft_linker: missing or unknown are|threshold = 2"):
        LinkerSettings.from_json(saved)
