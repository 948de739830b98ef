"""The report's page and spaCy's web visualiser in Chromium: `make browser`.

`make test` leaves it out, as it needs no browser.
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

from craftner_spacy.data.records import Record
from craftner_spacy.data.report import page
from craftner_spacy.data.set_stats import set_stats
from craftner_spacy.labels import DISPLACY_COLORS
from craftner_spacy.types import Entity

RECORDS = [
    Record("1", "Mouse Sox9", {}, (), (Entity(0, 5, "Taxon", 1.0), Entity(6, 10, "Protein", 0.25))),
    Record("2", "<script>document.title='x'</script>", {}, (), (Entity(0, 8, "<img src=x>", 0.5),)),
]
SENTENCE = "Sox9 is expressed in mouse neurons & needs glucose."
# What is visible on the page.
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
def page_states(driver: Chrome, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The visible page before and after a click on the boxes of Taxon, the last label, and of the scores."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page(set_stats(RECORDS, 2), "set.jsonl"), encoding="utf8")
    show(driver, 500, 800)
    driver.get(path.as_uri())
    driver.execute_script("document.querySelectorAll('details').forEach(e => e.open = true)")
    states: dict[str, Any] = {
        "title": driver.title,
        "text": driver.find_elements(By.CLASS_NAME, "entities")[1].text,
        "width": driver.execute_script("return document.documentElement.scrollWidth"),
        "images": len(driver.find_elements(By.TAG_NAME, "img")),
        "before": driver.execute_script(LOOK),
        "focused": [],
    }
    for _ in driver.find_elements(By.TAG_NAME, "input"):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        states["focused"].append(driver.switch_to.active_element.get_attribute("id"))
    for name in ("show-2", "scores"):
        driver.find_element(By.ID, name).send_keys(Keys.SPACE)
    states["after"] = driver.execute_script(LOOK)
    return states


def test_the_filter_hides_a_label_everywhere_and_no_other(page_states: dict[str, Any]) -> None:
    # Rows and lists are in the order of the labels' names, as each label has one mention; marks are in the
    # order of the texts.
    before, after = page_states["before"], page_states["after"]
    assert before["labels"] == [True, True, True]
    assert after["labels"] == [False, True, True]
    assert after["colours"][0] == "rgba(0, 0, 0, 0)"
    assert after["colours"][1:] == before["colours"][1:]
    assert before["rows"] == before["lists"] == [True, True, True]
    assert after["rows"] == after["lists"] == [True, True, False]


def test_scores_are_shown_when_their_box_is_checked(page_states: dict[str, Any]) -> None:
    assert page_states["before"]["scores"] == [False, False, False]
    assert page_states["after"]["scores"] == [True, True, True]


def test_entities_with_higher_scores_have_stronger_colours(page_states: dict[str, Any]) -> None:
    high, low, _ = page_states["before"]["colours"]
    assert high != low
    assert all(colour != "rgba(0, 0, 0, 0)" for colour in page_states["before"]["colours"])


def test_hostile_text_is_shown_as_text(page_states: dict[str, Any]) -> None:
    assert page_states["title"] == "set.jsonl: entities"
    assert page_states["images"] == 0
    assert "document.title='x'</script>" in page_states["text"]
    assert "<img src=x>" in page_states["text"]


def test_the_tab_key_reaches_the_boxes_and_the_page_fits_a_narrow_window(page_states: dict[str, Any]) -> None:
    assert page_states["focused"] == ["show-0", "show-1", "show-2", "scores"]
    assert page_states["width"] <= 500


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
        resources = driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    entities = spacy.load(tmp_path / "training" / "craft_ner_sm")(SENTENCE).ents
    assert {"Protein", "Taxon", "Cell", "Chemical"} == {ent.label_ for ent in entities}
    assert marks == {f"{ent.text} {ent.label_}": DISPLACY_COLORS[ent.label_] for ent in entities}
    # The page loads no fonts and sends no statistics to other hosts.
    assert resources
    assert [name for name in resources if not name.startswith((address, "data:"))] == []
