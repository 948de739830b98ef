"""Measured figures are of the shipped weights wherever they are quoted, and pages have what was measured."""

import re
from pathlib import Path
from typing import Any

import big_file
import document
import measured
import numpy as np
import pubmed_day
import pytest
import srsly
import stale
from safetensors.numpy import save_file
from stale import find_stale, gone_names, reason_of

ROOT = Path(__file__).parents[2]
METRICS = ROOT / "metrics"
REPORTS: dict[str, dict[str, Any]] = {path.stem: srsly.read_json(path) for path in METRICS.glob("*.json")}
CARD = ROOT / "craftner_spacy" / "small" / "MODEL_CARD.md"
PAGES = [ROOT / "README.md", CARD, *sorted((ROOT / "docs").rglob("*.md"))]
SMALL = str(ROOT / "craftner_spacy" / "small")
SHIPPED, SHAPE = measured.weights_digest(SMALL), measured.shape_digest(SMALL)


def quoted(page: Path) -> set[str]:
    """The files in metrics/ that a page quotes: by its marked parts, or by their names."""
    text = page.read_text(encoding="utf8")
    names = set(re.findall(r"\bmetrics/(\w+)\.\w+", text))
    names |= {document.PARTS[part["program"]][0] for part in measured.marked_parts(text) if part["content"]}
    return names | set(document.CARD_SOURCES) if page == CARD else names


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_each_report_tells_weights_and_version(name: str) -> None:
    report = REPORTS[name]
    assert list(report)[:2] == ["model", "weights"]
    assert (report["weights"] is None) == (report["model"] is None)
    assert report["weights"] is None or re.fullmatch("[0-9a-f]{64}", report["weights"])
    assert re.match(r"\d+\.\d+\.\d+", report["versions"]["craftner_spacy"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_figures_are_not_stale(page: Path) -> None:
    names = quoted(page)
    assert names <= set(REPORTS), "quotes a file that is not there"
    reasons = {name: reason_of(REPORTS[name], SHIPPED, SHAPE, ROOT) for name in sorted(names)}
    assert {name: reason for name, reason in reasons.items() if reason} == {}, "run `make measure`"


def test_pages_quote_the_figures_that_were_measured() -> None:
    assert "small" in quoted(ROOT / "README.md")
    assert "engines" in quoted(ROOT / "docs" / "cluster.md")
    assert quoted(CARD) >= {"small", "calibration", "steps"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_marked_parts_are_what_the_command_document_writes(page: Path) -> None:
    for part in measured.marked_parts(page.read_text(encoding="utf8")):
        name, render = document.PARTS[part["program"]]
        assert part["content"] == (render(REPORTS[name]) if name in REPORTS else "")


def test_the_card_is_what_the_command_document_writes() -> None:
    assert CARD.read_text(encoding="utf8") == document.model_card(
        *(REPORTS[name] for name in document.CARD_SOURCES)
    )


@pytest.mark.parametrize("name", sorted(path.stem for path in METRICS.glob("*.md")))
def test_tables_are_made_from_their_json(name: str) -> None:
    of_programs = {"big_file": big_file.as_markdown, "pubmed_day": pubmed_day.as_markdown}
    as_markdown = (document.TABLES | of_programs)[name]
    assert (METRICS / f"{name}.md").read_text(encoding="utf8") == as_markdown(REPORTS[name])


def test_each_report_has_a_command() -> None:
    assert set(REPORTS) <= set(stale.commands(ROOT))


def test_a_report_of_other_weights_is_stale() -> None:
    assert reason_of({"weights": SHIPPED}, SHIPPED, SHAPE, ROOT) is None
    assert reason_of({"weights": None}, SHIPPED, SHAPE, ROOT) is None
    reason = reason_of({"weights": "0" * 64}, SHIPPED, SHAPE, ROOT)
    assert reason == f"of other weights (000000000000, shipped are {SHIPPED[:12]})"


def test_a_report_of_time_is_stale_if_the_shape_is_another() -> None:
    assert reason_of({"weights": "0" * 64, "shape": SHAPE}, SHIPPED, SHAPE, ROOT) is None
    reason = reason_of({"weights": SHIPPED, "shape": "0" * 64}, SHIPPED, SHAPE, ROOT)
    assert reason == f"of weights of another shape (000000000000, shipped are {SHAPE[:12]})"


def test_the_shape_is_that_of_the_tensors_and_not_of_their_values(tmp_path: Path) -> None:
    tensors = {"a": np.zeros((2, 3), dtype=np.float16), "b": np.zeros(4, dtype=np.float32)}
    (tmp_path / "config.json").write_text("{}")
    digests = []
    for changed in ({}, {"a": np.ones((2, 3), dtype=np.float16)}, {"a": np.zeros((3, 2), dtype=np.float16)}):
        save_file(tensors | changed, tmp_path / "model.safetensors")
        digests.append(measured.shape_digest(str(tmp_path)))
    assert digests[0] == digests[1] != digests[2]
    assert measured.origin(SMALL, of_shape=True)["shape"] == SHAPE
    assert "shape" not in measured.origin(SMALL)


def test_a_report_of_mutants_is_stale_if_a_name_is_gone() -> None:
    report = {
        "weights": None,
        "modules": {"windows": {}, "training.corpus": {}, "elsewhere": {}},
        "survivors": {
            "craftner_spacy.windows.x_make_windows__mutmut_1": {},
            "craftner_spacy.windows.x_open_windows__mutmut_1": {},
            "craftner_spacy.training.sentence_windows.xǁSentenceWindowsǁ__call____mutmut_7": {},
            "craftner_spacy.training.sentence_windows.xǁDocumentsǁ__call____mutmut_7": {},
        },
        "decorated": ["training.corpus.read_iob", "training.corpus.write_iob"],
    }
    gone = [
        "elsewhere",
        "training.corpus.write_iob",
        "training.sentence_windows.Documents.__call__",
        "windows.open_windows",
    ]
    assert gone_names(report, ROOT) == gone
    reason = reason_of(report, SHIPPED, SHAPE, ROOT)
    assert reason == f"names what is not in the package any more: {', '.join(gone)}"


def test_stale_files_are_listed_with_their_commands(tmp_path: Path) -> None:
    for name in ("project.yml", "craftner_spacy"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, weights in (
        ("small", "0" * 64),
        ("spanish", SHIPPED),
        ("big_file", "1" * 64),
        ("mine", "2" * 64),
    ):
        path = tmp_path / "metrics" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        srsly.write_json(path, {"weights": weights})
    commands = {row.name: row.command for row in find_stale(tmp_path)}
    # metrics/mine.json is of a model of the user's, as `evaluate` writes it.
    assert commands == {
        "small": "python -m spacy project run evaluate-shipped",
        "big_file": "make big",
    }


def test_stale_figures_are_measured_again_and_then_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[str] = []
    rows = [
        stale.Stale("a", "old", "make a"),
        stale.Stale("b", "old", "make a"),
        stale.Stale("c", "old", "make c"),
    ]
    monkeypatch.setattr(stale, "run_command", run.append)
    monkeypatch.setattr(stale, "find_stale", lambda root: rows)
    stale.main(run=False)
    assert run == []
    stale.main(run=True)
    assert run == ["make a", "make c", stale.DOCUMENT]
    monkeypatch.setattr(stale, "find_stale", lambda root: [])
    stale.main(run=True)
    assert len(run) == 3


@pytest.mark.parametrize(("code", "is_error"), [(0, False), (3, True)])
def test_a_command_that_fails_stops_the_others(code: int, is_error: bool) -> None:
    command = f"python -c 'raise SystemExit({code})'"
    if is_error:
        with pytest.raises(SystemExit) as stop:
            stale.run_command(command)
        assert stop.value.code == 1
    else:
        stale.run_command(command)
