"""The command find, as a user types it."""

import json
from pathlib import Path

import pytest
from command_runner import CliRunner
from tiny_pipelines import GOLD, TEXTS
from typer.testing import Result

from craftner_spacy.__main__ import app


def run(model: Path, *words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["find", *words, "--model", str(model)], input=stdin)


def test_entities_are_lines_with_tabs(trained_pipeline: Path) -> None:
    done = run(trained_pipeline, TEXTS[0], TEXTS[3], TEXTS[1])
    assert done.exit_code == 0, done.output
    # The second text has no entity.
    first, second = done.stdout.split("\n\n\n")
    rows = [line.split("\t") for line in first.splitlines()]
    assert [(row[0], row[1], row[3], row[4]) for row in rows] == [
        ("kinase", "Protein", "4", "10"),
        ("mouse", "Taxon", "14", "19"),
    ]
    assert all(0.5 < float(row[2]) <= 1 for row in rows)
    assert second.startswith("mouse\tTaxon\t")
    assert all(row[5:] == ["", ""] for row in rows)


def test_ids_and_names_of_concepts(trained_pipeline: Path, tiny_kb: Path) -> None:
    row, _ = run(trained_pipeline, TEXTS[0], "--kb", str(tiny_kb)).stdout.splitlines()
    [text, _, _, start, end, concept, name] = row.split("\t")
    assert (text, start, end, name) == ("kinase", "4", "10", "kinase")
    [line] = run(trained_pipeline, TEXTS[0], "--kb", str(tiny_kb), "--json-lines").stdout.splitlines()
    entity = json.loads(line)["entities"][0]
    assert (entity["concept"], entity["concept_name"]) == (concept, "kinase")
    assert 0.9 < entity["concept_score"] < 1
    [line] = run(trained_pipeline, TEXTS[0], "--json-lines").stdout.splitlines()
    assert "concept" not in json.loads(line)["entities"][0]


def test_lines_of_standard_input_become_lines_of_json(trained_pipeline: Path) -> None:
    done = run(trained_pipeline, "-", "--json-lines", stdin="\n".join([*TEXTS, "", "α mouse"]) + "\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == [*TEXTS, "", "α mouse"]
    found = [[(entity["text"], entity["label"]) for entity in row["entities"]] for row in rows]
    assert found[: len(GOLD)] == GOLD
    for row in rows:
        for entity in row["entities"]:
            assert row["text"][entity["start"] : entity["end"]] == entity["text"]
    assert "α mouse" in done.stdout


def test_more_lines_than_a_batch_are_printed_in_order(trained_pipeline: Path) -> None:
    lines = [f"{number} mouse" for number in range(130)]
    done = run(trained_pipeline, "-", "--json-lines", stdin="\r\n".join(lines))
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == lines


def test_labels_get_names(trained_pipeline: Path) -> None:
    done = run(trained_pipeline, TEXTS[0], "--label-map", "Taxon=Species", "--label-map", "Protein=A=B")
    assert done.exit_code == 1
    assert "'A=B' is no label" in done.stderr
    done = run(trained_pipeline, TEXTS[0], "--label-map", "Taxon=Species")
    assert "mouse\tSpecies\t" in done.stdout
    for wrong in ("Taxon", "=Species", "Taxon="):
        refused = run(trained_pipeline, TEXTS[0], "--label-map", wrong)
        assert refused.stderr.startswith(f"Error: --label-map {wrong!r}: allowed is LABEL=NAME")


@pytest.mark.parametrize("charset", ["ascii", "cp1252"])
def test_lines_of_json_are_json_on_every_terminal(charset: str, trained_pipeline: Path) -> None:
    text = "café α \U0001f42d mouse"
    arguments = ["find", text, "--json-lines", "--model", str(trained_pipeline)]
    done = CliRunner(charset).invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["text"] == text
