"""The commands kb build, info and lookup."""

from pathlib import Path

import pytest
import spacy
from command_runner import CliRunner
from spacy.tokens import DocBin, Span
from typer.testing import Result

from craftner_spacy.commands.kb import app
from craftner_spacy.linking.knowledge_base import KnowledgeBase

OBO = """[Term]
id: X:1
name: neuron
namespace: cell
xref: Y:1

[Term]
id: W:1
name: glia
namespace: other
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def obo(tmp_path: Path) -> Path:
    path = tmp_path / "x.obo"
    path.write_text(OBO)
    return path


def test_build(obo: Path, tmp_path: Path) -> None:
    doc = spacy.blank("en")("Two axons")
    doc.ents = [Span(doc, 1, 2, label="Cell", kb_id="X:1")]
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    result = run("build", tmp_path / "kb", "--ontology", f"Cell={obo}", "--mentions", tmp_path / "a.spacy")
    assert result.exit_code == 0, result.output
    assert "2 concepts, 3 names, 1 mentions" in result.output
    kb = KnowledgeBase(tmp_path / "kb")
    assert kb.meta() == {"sources": ["Cell: x.obo", "mentions: a.spacy"]}
    assert kb.concepts("Y:1") == []
    assert [match.id for match in kb.find("Cell", "axon", "exact")] == ["X:1"]


@pytest.mark.parametrize(
    ("option", "value", "ids"),
    [
        ("--prefix", "Cell=X", ["X:1"]),
        ("--namespace", "Cell=other", ["W:1"]),
        ("--xrefs", None, ["X:1", "W:1"]),
    ],
)
def test_what_is_taken(option: str, value: str | None, ids: list[str], obo: Path, tmp_path: Path) -> None:
    arguments = [option] if value is None else [option, value]
    assert run("build", tmp_path / "kb", "--ontology", f"Cell={obo}", *arguments).exit_code == 0
    kb = KnowledgeBase(tmp_path / "kb")
    assert sorted(ids) == [concept.id for _, concept in kb.all_concepts()]
    assert bool(kb.concepts("Y:1")) is (option == "--xrefs")


def test_build_on_another_one(obo: Path, kb_path: Path, tmp_path: Path) -> None:
    result = run("build", tmp_path / "kb", "--base", kb_path, "--ontology", f"Glia={obo}")
    assert result.exit_code == 0, result.output
    kb = KnowledgeBase(tmp_path / "kb")
    assert [row.label for row in kb.labels()] == ["Cell", "Glia", "Protein", "Taxon"]
    assert kb.meta() == {"sources": ["our own", "Glia: x.obo"]}
    assert kb.names("Cell", "X:1") == KnowledgeBase(kb_path).names("Cell", "X:1")


def test_what_was_left_out_is_said(obo: Path, tmp_path: Path) -> None:
    obo.write_text(OBO + "\n[Term]\nid: X:1\nname: again\n")
    (tmp_path / "y.tsv").write_text(f"id\tname\nY:1\tglial cell\nY:1\t{'glia ' * 2000}\n")
    result = run(
        "build", tmp_path / "kb", "--ontology", f"Cell={obo}", "--ontology", f"Cell={tmp_path / 'y.tsv'}"
    )
    assert "left out or made one: 1 duplicate ids, 1 long names" in result.output


def test_overwrite(obo: Path, tmp_path: Path) -> None:
    arguments = ("build", tmp_path / "kb", "--ontology", f"Cell={obo}")
    assert run(*arguments).exit_code == 0
    assert isinstance(run(*arguments).exception, FileExistsError)
    assert run(*arguments, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ontology", "x.obo"], "--ontology 'x.obo': has to be LABEL=VALUE"),
        (["--ontology", "=x.obo"], "has to be LABEL=VALUE"),
        (["--prefix", "Cell=CL"], "--prefix Cell=...: allowed are labels of --ontology"),
        (["--namespace", "Cell=a"], "--namespace Cell=...: allowed are labels of --ontology"),
        ([], "there is no name to write"),
    ],
)
def test_wrong_options(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = run("build", tmp_path / "kb", *arguments)
    assert isinstance(result.exception, ValueError)
    assert message in str(result.exception)
    assert not (tmp_path / "kb").exists()


def test_info(kb_path: Path) -> None:
    output = run("info", kb_path).output
    assert "Protein" in output
    assert "source: our own" in output
    assert "CC BY" in run("info").output


def test_lookup_of_a_name(kb_path: Path) -> None:
    output = run("lookup", "fibre", "--kb", kb_path, "--label", "Cell").output
    assert output.index("X:3") < output.index("X:1")
    assert "exact" in output
    assert "X:1" not in run("lookup", "fibre", "--kb", kb_path, "--limit", 1).output


def test_lookup_of_an_id(kb_path: Path) -> None:
    output = run("lookup", "X:30", "--kb", kb_path).output
    assert "id, alternative" in output
    assert "X:3: its prefix has no address" in output
    assert "CL_0000540" in run("lookup", "CL:0000540").output


def test_lookup_of_nothing(kb_path: Path) -> None:
    result = run("lookup", "unheard", "--kb", kb_path)
    assert result.exit_code == 1
    assert "no name and no id" in result.output
    assert result.output.strip().endswith("is like 'unheard'")


def test_lookup_in_a_label_that_is_not_there(kb_path: Path) -> None:
    result = run("lookup", "a", "--kb", kb_path, "--label", "Planet")
    assert "--label Planet: allowed are Cell, Protein, Taxon" in str(result.exception)
