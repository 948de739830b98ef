"""XML of others."""

from io import BytesIO

import pytest

from craftner_spacy.data import xml_parsing


def test_the_root_element_is_found_without_the_rest() -> None:
    assert xml_parsing.root_element(BytesIO(b"<!-- x --><?x y?><a><b>")) == "a"
    assert xml_parsing.root_element(BytesIO(b"no XML")) is None
    assert xml_parsing.root_element(BytesIO(b"")) is None


def test_the_search_for_a_root_element_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_parsing, "MAX_ROOT_BYTES", 1000)
    assert xml_parsing.root_element(BytesIO(b"<!-- " + b"x" * 200_000 + b" --><a/>")) is None
