"""The page: it has the counts of the data, and shows data as text, never as HTML."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from format_files import MAKE_DOC

from craftner_spacy.data.formats import get_format, write_file
from craftner_spacy.data.records import BadRecord, Record
from craftner_spacy.data.report import FAINTEST, page, report
from craftner_spacy.data.set_stats import ConceptCount, set_stats
from craftner_spacy.labels import DISPLACY_COLORS
from craftner_spacy.linking.links import concept_url
from craftner_spacy.types import Entity, LinkedConcept

HTML_LIKE = '<script>alert("x")</script> & {{ mouse }} {text}'
RECORDS = [
    Record(
        "1",
        "Mouse and mouse\nSox9",
        {},
        (),
        (
            Entity(0, 5, "Taxon", 1.0),
            Entity(10, 15, "Taxon", 0.5),
            Entity(16, 20, "Protein", 0.25),
        ),
    ),
    Record("</summary><script>", HTML_LIKE, {}, (), (Entity(0, 8, "<b>&", None),)),
    Record("3", "nothing", {}),
]


class Page(HTMLParser):
    """The elements of a page with their attributes, and the texts of the elements by tag."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def shown() -> Page:
    return Page(page(set_stats(RECORDS, 2), "out.jsonl"))


def test_counts_are_those_of_the_data() -> None:
    stats = set_stats(RECORDS, 1)
    assert stats[:4] == (3, 3 + 1 + len(HTML_LIKE.split()) + 1, 4, 1)
    taxon, other, protein = stats.labels
    assert (taxon.label, taxon.mentions, taxon.distinct, taxon.mean) == ("Taxon", 2, 1, 0.75)
    assert taxon.bins == (0, 0, 0, 0, 0, 1, 0, 0, 0, 1)
    assert taxon.frequent == [("Mouse", 2)]
    assert (other.label, other.mean, sum(other.bins)) == ("<b>&", None, 0)
    assert (protein.label, protein.color) == ("Protein", DISPLACY_COLORS["Protein"])
    assert [record.id for record in stats.shown] == ["1"]


def test_the_page_shows_the_counts(shown: Page) -> None:
    cells = [cell.strip() for cell in shown.texts["td"] if cell.strip()]
    assert cells == ["2", "1", "0.750", "1", "1", "1", "1", "0.250"]
    assert [item.split() for item in shown.texts["li"]] == [["Mouse", "2"], ["<script>", "1"], ["Sox9", "1"]]
    assert "3 texts, 11 words" in shown.texts["p"][0]
    bars = [div["aria-label"] for div in shown.all("div") if div.get("class") == "bars"]
    assert bars[0] == "Entities by score, from 0 to 1 in 10 steps: 0, 0, 0, 0, 0, 1, 0, 0, 0, 1"


def test_text_is_never_html(shown: Page) -> None:
    assert "script" not in {name for name, _ in shown.elements}
    assert "b" not in {name for name, attributes in shown.elements if attributes}
    assert HTML_LIKE.replace("<script>", "<script><b>& ", 1) in "".join(
        shown.texts["details"][1].splitlines()
    )
    assert shown.texts["b"] == ["1", "</summary><script>"]
    assert {mark["title"] for mark in shown.all("mark")} == {
        "Taxon 1.000",
        "Taxon 0.500",
        "Protein 0.250",
        "<b>&",
    }


def test_the_page_loads_nothing(shown: Page) -> None:
    policy = [meta["content"] for meta in shown.all("meta") if "http-equiv" in meta]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    names = {name for _, attributes in shown.elements for name in attributes}
    assert names.isdisjoint({"src", "href", "action", "onclick", "srcset"})
    style = shown.texts["style"][0]
    assert "url(" not in style
    assert "@import" not in style


def test_every_label_has_a_checkbox_a_colour_and_a_style_that_hides_it(shown: Page) -> None:
    style = shown.texts["style"][0]
    for number, color in enumerate((DISPLACY_COLORS["Taxon"], "#dddddd", DISPLACY_COLORS["Protein"])):
        assert f".l{number} {{ --color: {color}; }}" in style
        assert f"body:has(#show-{number}:not(:checked)) mark.l{number} {{ all: unset; }}" in style
    boxes = [box["id"] for box in shown.all("input")]
    assert boxes == ["show-0", "show-1", "show-2", "scores"]
    assert len(shown.texts["label"]) == 4


def test_entities_are_shaded_by_their_scores() -> None:
    html = page(set_stats(RECORDS[:1], 1), "one text")
    assert re.findall(r'class="entity (l\d)" style="--share:(\d+)%"', html) == [
        ("l0", "100"),
        ("l0", str(round(FAINTEST + (100 - FAINTEST) / 2))),
        ("l1", str(round(FAINTEST + (100 - FAINTEST) / 4))),
    ]
    assert "<br>" in html


def test_a_file_in_any_format_has_a_page(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.xml.gz", "a.spacy"):
        path = tmp_path / name
        write_file(path, get_format(path, None, ""), RECORDS, MAKE_DOC, compress=name.endswith(".gz"))
        stats = report(path, tmp_path / "page.html", texts=1, overwrite=True)
        assert (stats.records, stats.entities) == (3, 4)
        assert f"<h1>{name}</h1>" in (tmp_path / "page.html").read_text(encoding="utf8")


def test_the_text_may_have_another_name_and_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = '{"abstract": "caf\xe9", "entities": [{"start": 0, "end": 4, "label": "X"}]}\n'
    path.write_bytes(line.encode("cp1252"))
    stats = report(path, tmp_path / "page.html", text_field="abstract", encoding="cp1252")
    assert (stats.records, stats.entities, stats.shown[0].text) == (1, 1, "caf\xe9")
    with pytest.raises(ValueError, match="encoding = 'x': allowed"):
        report(path, tmp_path / "page.html", encoding="x", overwrite=True)


def test_a_bad_record_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"id": "1", "text": "a", "entities": [{"start": 0, "end": 5, "label": "X"}]}\n', encoding="utf8"
    )
    with pytest.raises(ValueError, match=r"a.jsonl, record 1: an entity at 0 to 5 is not in the text"):
        report(path, tmp_path / "page.html")


def test_records_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = '{"id": "1", "text": "mouse", "entities": [{"start": 0, "end": 5, "label": "Taxon", "score": %s}]}'
    empty = '{"id": "2", "text": "a", "entities": [{"start": 1, "end": 1, "label": "X"}]}'
    lines = [
        good % "0.5",
        "no JSON",
        empty,
        good % "NaN",
        *(good % s for s in ("1e999", "-1e999", "9" * 400)),
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf8")
    stats = report(path, tmp_path / "page.html")
    assert stats.records + stats.bad_records == len(lines)
    assert stats.entities == stats.records
    assert stats.first_problem.startswith("record 2: not JSON")
    [taxon] = stats.labels
    assert (sum(taxon.bins), taxon.mean) == (1, 0.5)
    html = (tmp_path / "page.html").read_text(encoding="utf8")
    assert f"{stats.bad_records} records could not be read" in html
    assert f"{stats.bad_scores} scores are no numbers" in html


def test_scores_that_are_no_numbers_are_counted_and_are_no_scores() -> None:
    entities = tuple(Entity(0, 5, "Taxon", score) for score in (float("inf"), -float("inf"), 10**400, 0.5))
    stats = set_stats([Record("1", "mouse", {}, (), entities), BadRecord("odd"), BadRecord("worse")], 1)
    assert (stats.entities, stats.bad_scores, stats.labels[0].mean) == (4, 3, 0.5)
    assert (stats.bad_records, stats.first_problem) == (2, "record 2: odd")


def test_a_page_replaces_no_file_unless_told_to_and_never_the_input(tmp_path: Path) -> None:
    path, html = tmp_path / "a.jsonl", tmp_path / "page.html"
    path.write_text('{"id": "1", "text": "a"}\n', encoding="utf8")
    html.write_text("mine", encoding="utf8")
    with pytest.raises(FileExistsError, match=r"page\.html exists already"):
        report(path, html)
    assert html.read_text(encoding="utf8") == "mine"
    assert report(path, html, overwrite=True).records == 1
    with pytest.raises(ValueError, match=r"a\.jsonl is one of the inputs"):
        report(path, path, overwrite=True)
    with pytest.raises(ValueError, match="is a device: inputs are files and folders"):
        report("/dev/zero", html, input_format="jsonl", overwrite=True)


def test_an_empty_set_has_a_page() -> None:
    assert "0 texts" in page(set_stats([], 5), "empty")


def test_an_entity_that_overlaps_another_is_counted_but_not_marked() -> None:
    entities = (Entity(0, 11, "Cell", 0.9), Entity(6, 11, "Cell", 0.8), Entity(12, 16, "Cell", 0.7))
    stats = set_stats([Record("1", "mouse cells Sox9", {}, (), entities)], 1)
    assert stats.entities == 3
    assert len(Page(page(stats, "overlap")).all("mark")) == 2


def test_the_legend_says_what_craft_means_by_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    for label, is_shown in (("Gene", True), ("Disease", False)):
        entities = [{"start": 0, "end": 7, "label": label}, {"start": 8, "end": 12, "label": "Gene"}]
        path.write_text(
            json.dumps({"id": "1", "text": "nucleus lost", "entities": entities}), encoding="utf8"
        )
        report(path, tmp_path / "page.html", overwrite=True)
        html = (tmp_path / "page.html").read_text(encoding="utf8")
        assert ("<b>Gene</b>: cellular components (Gene Ontology)" in html) is is_shown


LINKED = [
    Record(
        "1",
        "mouse, mice and Sox9 in cells",
        {},
        (),
        (
            Entity(0, 5, "Taxon", 1.0, LinkedConcept("NCBITaxon:10090", "house mouse", 0.9)),
            Entity(7, 11, "Taxon", 0.5, LinkedConcept("NCBITaxon:10090")),
            Entity(16, 20, "Protein", 0.25, LinkedConcept("javascript:alert(1)", "<b>x")),
            Entity(24, 29, "Cell", 0.25),
        ),
    )
]


def test_concepts_are_counted() -> None:
    stats = set_stats(LINKED, 1)
    assert (stats.entities, stats.linked) == (4, 3)
    taxon, cell, _ = stats.labels
    assert (taxon.linked, taxon.concepts) == (2, [ConceptCount("NCBITaxon:10090", "house mouse", 2)])
    assert (cell.linked, cell.concepts) == (0, [])
    assert len(set_stats(LINKED, 1, n_frequent=0).labels[0].concepts) == 0


def test_the_page_links_to_concepts_whose_address_is_known() -> None:
    shown = Page(page(set_stats(LINKED, 1), "ids"))
    addresses = [link["href"] for link in shown.all("a")]
    assert addresses == [concept_url("NCBITaxon:10090")] * 3, "in the list, and twice in the text"
    assert shown.texts["h2"] == ["Labels", "Most frequent entities", "Most frequent concepts", "Texts"]
    items = [item.split() for item in shown.texts["li"]]
    assert ["house", "mouse", "NCBITaxon:10090", "2"] in items
    assert ["<b>x", "javascript:alert(1)", "1"] in items
    assert next(mark["title"] for mark in shown.all("mark")) == "Taxon 1.000 NCBITaxon:10090 house mouse"
    assert "4 entities, 3 of them with ids" in shown.texts["p"][0]
    assert "b" not in {name for name, attributes in shown.elements if attributes}


def test_without_ids_the_page_says_nothing_of_them(shown: Page) -> None:
    assert not shown.all("a")
    assert "concept" not in page(set_stats(RECORDS, 2), "out.jsonl")
    assert "ids" not in shown.texts["p"][0]
