"""Addresses of concepts."""

import pytest

from craftner_spacy.linking.links import KB_URL_TEMPLATE, URL_TEMPLATES, concept_url


@pytest.mark.parametrize("prefix", sorted(URL_TEMPLATES))
def test_every_prefix_has_an_address(prefix: str) -> None:
    url = concept_url(f"{prefix}:0001")
    assert url is not None
    assert url.startswith(("http://", "https://"))
    assert "0001" in url
    assert "{" not in url


@pytest.mark.parametrize("odd", ["", "CL", "CL:", ":1", "CL:1 2", 'CL:"><script>', "XX:1", "CL:1\n", "CL:é"])
def test_what_is_no_curie_has_none(odd: str) -> None:
    assert concept_url(odd) is None


def test_own_prefixes() -> None:
    assert concept_url("ME:7", {"ME": "https://example.org/{local}"}) == "https://example.org/7"


def test_the_template_for_displacy_takes_an_id() -> None:
    assert KB_URL_TEMPLATE.format("CL:0000540").endswith("/CL:0000540")
