"""The report's page and spaCy's web visualiser in Chromium: `make browser`.

Not among the tests of `make test`, which need no browser.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from pictures import browser, show, visualizer, wait_for_marks
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.color import Color

from craftner_spacy.formats import Annotation, Record
from craftner_spacy.labels import DISPLACY_COLORS
from craftner_spacy.report import page, set_stats

RECORDS = [
    Record("1", "Mouse Sox9", {}, (), (Annotation(0, 5, "Taxon", 1.0), Annotation(6, 10, "Protein", 0.25))),
    Record("2", "<script>document.title='x'</script>", {}, (), (Annotation(0, 8, "<img src=x>", 0.5),)),
]
SENTENCE = "Sox9 is expressed in mouse neurons & needs glucose."
# What is seen of the page.
LOOK = """
  const shown = e => getComputedStyle(e).display !== "none";
  const marks = [...document.querySelectorAll("mark")];
  return {
    colours: marks.map(e => getComputedStyle(e).backgroundColor),
    labels: marks.map(e => shown(e.querySelector("small"))),
    scores: marks.map(e => shown(e.querySelector(".score"))),
    rows: [...document.querySelectorAll("tbody tr")].map(shown),
    lists: [...document.querySelectorAll(".lists section")].map(shown),
  };
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    with browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def found(driver: Chrome, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is seen before and after the boxes of Taxon, the last label, and of the scores are used."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page(set_stats(RECORDS, 2), "set.jsonl"), encoding="utf8")
    show(driver, 500, 800)
    driver.get(path.as_uri())
    driver.execute_script("document.querySelectorAll('details').forEach(e => e.open = true)")
    seen: dict[str, Any] = {
        "title": driver.title,
        "text": driver.find_elements(By.CLASS_NAME, "entities")[1].text,
        "width": driver.execute_script("return document.documentElement.scrollWidth"),
        "images": len(driver.find_elements(By.TAG_NAME, "img")),
        "before": driver.execute_script(LOOK),
        "focused": [],
    }
    for _ in driver.find_elements(By.TAG_NAME, "input"):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        seen["focused"].append(driver.switch_to.active_element.get_attribute("id"))
    for name in ("show-2", "scores"):
        driver.find_element(By.ID, name).send_keys(Keys.SPACE)
    seen["after"] = driver.execute_script(LOOK)
    return seen


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


def test_keys_reach_the_boxes_and_a_narrow_window_holds_the_page(found: dict[str, Any]) -> None:
    assert found["focused"] == ["show-0", "show-1", "show-2", "scores"]
    assert found["width"] <= 500


def test_the_page_runs_no_script(driver: Chrome, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    source = page(set_stats(RECORDS, 2), "set.jsonl").replace(
        "</body>", "<script>document.title='x'</script></body>"
    )
    path.write_text(source, encoding="utf8")
    driver.get(path.as_uri())
    assert driver.title == "set.jsonl: entities"


def test_the_visualizer_marks_what_is_typed(driver: Chrome, tmp_path: Path) -> None:
    show(driver, 900, 900)
    with visualizer(tmp_path) as address:
        driver.get(address)
        wait_for_marks(driver, "zebrafish")
        field = driver.find_element(By.TAG_NAME, "textarea")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(SENTENCE, Keys.CONTROL, Keys.ENTER)
        marks = {text: Color.from_string(colour).hex for text, colour in wait_for_marks(driver, "glucose")}
        asked = driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    entities = spacy.load(tmp_path / "training" / "craft_ner_sm")(SENTENCE).ents
    assert {"Protein", "Taxon", "Cell", "Chemical"} == {ent.label_ for ent in entities}
    assert marks == {f"{ent.text} {ent.label_}": DISPLACY_COLORS[ent.label_] for ent in entities}
    # Neither fonts nor statistics come from or go to others.
    assert asked
    assert [name for name in asked if not name.startswith((address, "data:"))] == []
