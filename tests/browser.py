"""The page in Chromium: `make browser`. Not among the tests of `make test`, which need no browser."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from screenshot import chromium

from craftner_spacy.formats import Annotation, Record
from craftner_spacy.report import page, set_stats

RECORDS = [
    Record("1", "Mouse Sox9", {}, (), (Annotation(0, 5, "Taxon", 1.0), Annotation(6, 10, "Protein", 0.25))),
    Record("2", "<script>document.title='x'</script>", {}, (), (Annotation(0, 8, "<img src=x>", 0.5),)),
]
# What is seen of the page, before and after the boxes of Taxon, the last label, and of the scores are used.
LOOK = """
function look() {
  const shown = e => getComputedStyle(e).display !== "none";
  const marks = [...document.querySelectorAll("mark")];
  return {
    colours: marks.map(e => getComputedStyle(e).backgroundColor),
    labels: marks.map(e => shown(e.querySelector("small"))),
    scores: marks.map(e => shown(e.querySelector(".score"))),
    rows: [...document.querySelectorAll("tbody tr")].map(shown),
    lists: [...document.querySelectorAll(".lists section")].map(shown),
  };
}
window.onload = () => {
  document.querySelectorAll("details").forEach(e => e.open = true);
  const boxes = [...document.querySelectorAll("input")];
  const found = {title: document.title, before: look()};
  found.text = document.querySelectorAll(".entities")[1].innerText;
  found.width = document.documentElement.scrollWidth;
  found.order = boxes.map(e => { e.focus(); return document.activeElement === e && e.tabIndex === 0; });
  found.images = document.images.length;
  document.getElementById("show-2").click();
  document.getElementById("scores").click();
  found.after = look();
  document.documentElement.innerHTML = "<pre id=found></pre>";
  document.getElementById("found").textContent = JSON.stringify(found);
};
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a script sees in the page. The page's own policy allows none, so the test takes it off."""
    source = page(set_stats(RECORDS, 2), "set.jsonl")
    source, n = re.subn(
        r'<meta http-equiv="Content-Security-Policy"[^>]*>', f"<script>{LOOK}</script>", source
    )
    assert n == 1
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(source, encoding="utf8")
    printed = chromium(path, "--dump-dom", "--window-size=500,800")
    match = re.search(r'<pre id="found">(.*)</pre>', printed, flags=re.DOTALL)
    assert match is not None, printed
    content: dict[str, Any] = json.loads(unescape(match[1]))
    return content


def test_the_filter_hides_a_label_everywhere_and_no_other(found: dict[str, Any]) -> None:
    # Rows and lists are in the order of the names, as each label has one mention; marks in that of the texts.
    before, after = found["before"], found["after"]
    assert before["labels"] == [True, True, True]
    assert after["labels"] == [False, True, True]
    assert after["colours"][0] == "rgba(0, 0, 0, 0)"
    assert after["colours"][1:] == before["colours"][1:]
    assert before["rows"] == before["lists"] == [True, True, True]
    assert after["rows"] == after["lists"] == [True, True, False]


def test_scores_show_when_asked_for(found: dict[str, Any]) -> None:
    assert found["before"]["scores"] == [False, False, False]
    assert found["after"]["scores"] == [True, True, True]


def test_surer_entities_are_stronger(found: dict[str, Any]) -> None:
    sure, unsure, _ = found["before"]["colours"]
    assert sure != unsure
    assert all(colour != "rgba(0, 0, 0, 0)" for colour in found["before"]["colours"])


def test_hostile_text_is_text(found: dict[str, Any]) -> None:
    assert found["title"] == "set.jsonl: entities"
    assert found["images"] == 0
    assert "document.title='x'</script>" in found["text"]
    assert "<img src=x>" in found["text"]


def test_boxes_take_the_focus_and_a_narrow_window_holds_the_page(found: dict[str, Any]) -> None:
    assert found["order"] == [True] * 4
    assert found["width"] <= 500


def test_the_page_itself_runs_no_script(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    source = page(set_stats(RECORDS, 2), "set.jsonl").replace(
        "</body>", "<script>document.title='x'</script></body>"
    )
    path.write_text(source, encoding="utf8")
    assert "<title>set.jsonl: entities</title>" in chromium(path, "--dump-dom")
