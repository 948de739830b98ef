"""The commands, as a user types them."""

import errno
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from shutil import copyfile
from typing import Annotated, Any

import pytest
import spacy
import typer
from command_runner import CliRunner
from processes import run_python

from craftner_spacy import __version__
from craftner_spacy.__main__ import app
from craftner_spacy.commands import info, options
from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.data.formats import FORMATS
from craftner_spacy.labels import GLOSSARY
from craftner_spacy.linking.knowledge_base import BUNDLED
from craftner_spacy.types import Entity


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": 1, "text": "The mouse kinase."}\n{"text": "no id"}\n', encoding="utf8")
    return path


def test_annotate_and_report(source: Path, tmp_path: Path, tiny_model: Path) -> None:
    out, html = tmp_path / "out.jsonl", tmp_path / "page.html"
    arguments = ["annotate", str(source), "-o", str(out), "--model", str(tiny_model)]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert f"Error: {source}, record 2: it has no id" in refused.stderr
    assert "Traceback" not in refused.output
    done = CliRunner().invoke(
        app, [*arguments, "--skip-errors", "--threshold", "0.1", "--batch-tokens", "99"]
    )
    assert done.exit_code == 0, done.output
    assert f"{out}: 1 records, 3 words, " in done.stdout
    assert f"1 bad records were left out: see {out}.skipped.jsonl" in done.stderr
    assert "1/1" in done.stderr
    (row,) = [json.loads(line) for line in out.read_text(encoding="utf8").splitlines()]
    shown = CliRunner().invoke(app, ["report", str(out), "-o", str(html)])
    assert shown.stdout == f"{html}: 1 texts, {len(row['entities'])} entities\n"
    assert "The " in html.read_text(encoding="utf8")


@pytest.mark.parametrize(("kb", "linked"), [("auto", True), ("bundled", True), ("none", False)])
def test_annotate_gives_ids(
    kb: str, linked: bool, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CraftNER, "predict", lambda self, docs: [[Entity(4, 9, "Taxon", 0.5)] for _ in docs])
    (tmp_path / "in.txt").write_text("The mouse kinase.", encoding="utf8")
    arguments = [str(tmp_path / "in.txt"), "-o", str(tmp_path / "out.pubtator"), "--model", str(tiny_model)]
    done = CliRunner().invoke(app, ["annotate", *arguments, "--kb", kb])
    assert done.exit_code == 0, done.output
    assert ("1 entities, 1 of them with ids (1 records" in done.stdout) == linked
    *_, id_, score = (tmp_path / "out.pubtator").read_text(encoding="utf8").split()
    assert (id_, score) == ("NCBITaxon:10088" if linked else "-", "0.5")


def test_files_of_a_folder_that_are_left_out_are_named(tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.TXT", "b.md", "._a.txt"):
        (folder / name).write_text("The mouse kinase.", encoding="utf8")
    arguments = ["annotate", str(folder), "-o", str(tmp_path / "out.jsonl"), "--model", str(tiny_model)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "out.jsonl: 1 records" in done.stdout
    assert "files of folders that were left out: 1 hidden (._a.txt), 1 other suffix (b.md)" in done.stderr


def test_the_ray_engine_has_its_own_option_for_gpus(source: Path, tmp_path: Path) -> None:
    arguments = [
        "annotate",
        str(source),
        "-o",
        str(tmp_path / "out.jsonl"),
        "--engine",
        "ray",
        "--gpu-id",
        "0",
    ]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "--gpu-id 0: with --engine ray use --gpus-per-worker" in refused.stderr


def test_info_says_that_ray_is_not_installed(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "ray":
            raise PackageNotFoundError(name)
        return "1.2.3"

    monkeypatch.setattr(info, "version", version)
    printed = CliRunner().invoke(app, ["info", "--model", str(tiny_model)]).stdout
    assert "not installed" in printed
    assert "bundled.sqlite" in printed
    printed = CliRunner().invoke(app, ["info", "--model", str(tiny_model), "--kb", "none"]).stdout
    assert "--kb none: entities get no ids" in printed


def test_annotate_is_silent_about_bad_records_where_there_are_none(
    source: Path, tmp_path: Path, tiny_model: Path
) -> None:
    source.write_text('{"id": 1, "text": "The mouse kinase."}\n', encoding="utf8")
    arguments = ["annotate", str(source), "-o", str(tmp_path / "out.jsonl"), "--model", str(tiny_model)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "left out" not in done.stderr


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_the_package_runs_as_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["craftner_spacy", "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("craftner_spacy", run_name="__main__")
    assert stopped.value.code == 0
    assert "annotate  Annotate files." in capsys.readouterr().out


def test_a_missing_gpu_is_an_error_of_one_line(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_gpu(number: int) -> None:
        raise ValueError(f"there is no GPU {number}")

    monkeypatch.setattr(spacy, "require_gpu", no_gpu)
    refused = CliRunner().invoke(app, ["info", "--model", str(tiny_model), "--gpu-id", "3"])
    assert refused.exit_code == 1
    assert refused.stderr == "Error: there is no GPU 3\n"


def test_labels_prints_the_glossary() -> None:
    printed = CliRunner().invoke(app, ["labels"]).stdout
    for label in GLOSSARY:
        assert label.name in printed
        assert label.meaning in printed
        assert ", ".join(label.examples) in printed


def test_info_shows_model_device_and_precision_and_why(tiny_model: Path) -> None:
    printed = CliRunner().invoke(app, ["info", "--model", str(tiny_model)]).stdout
    for part in (
        "torch",
        "spacy-transformers",
        "for --engine ray",
        str(tiny_model),
        "Cell, Chemical, Gene",
        "cpu",
        "is faster in",
    ):
        assert part in printed
    refused = CliRunner().invoke(app, ["info", "--model", "/nowhere"])
    assert refused.exit_code == 1
    assert "there is no folder '/nowhere'" in refused.stderr


def test_knowledge_bases_have_commands_whose_errors_are_one_line(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["kb", "lookup", "neurons", "--label", "Cell"])
    assert answer.exit_code == 0
    assert "CL:0000540" in answer.output
    (tmp_path / "torn.sqlite").write_bytes(b"no database")
    wrong = CliRunner().invoke(app, ["kb", "info", str(tmp_path / "torn.sqlite")])
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("Error: kb = ")
    assert wrong.stderr.count("\n") == 1


QUICK = [
    ["--help"],
    ["--version"],
    ["annotate", "--help"],
    ["kb", "lookup", "-h"],
    ["annotate", "nowhere.txt", "-o", "out.jsonl"],
    ["report", "nowhere.jsonl"],
    ["labels"],
    ["kb", "build", "--help"],
    ["kb", "build", "kb.sqlite", "--mentions", "nowhere.spacy"],
]
"""Commands that need no model: their answers come in a fraction of a second."""


def test_quick_commands_import_neither_torch_nor_spacy() -> None:
    code = (
        "import sys; import craftner_spacy; from typer.testing import CliRunner; "
        "from craftner_spacy.__main__ import app; "
        f"codes = [CliRunner().invoke(app, words).exit_code for words in {QUICK}]; "
        "print(codes, {'numpy', 'spacy', 'torch', 'transformers'} & set(sys.modules))"
    )
    expected = [int("nowhere" in word) for words in QUICK for word in [" ".join(words)]]
    assert run_python(code, os.environ).stdout == f"{expected} set()\n"


def test_inputs_that_do_not_exist_are_named() -> None:
    for words in (["annotate", "nowhere.txt", "-o", "out.jsonl"], ["report", "nowhere.txt"]):
        refused = CliRunner().invoke(app, words)
        assert refused.exit_code == 1
        assert refused.stderr == "Error: nowhere.txt: there is no such file or folder\n"


def test_the_folder_of_an_output_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    row = '{"id": "1", "text": "mice", "entities": [{"start": 0, "end": 4, "label": "Taxon", "score": 1}]}'
    Path("in.jsonl").write_text(row, encoding="utf8")
    Path("names.tsv").write_text("id\tname\nX:1\tmouse\n", encoding="utf8")
    for words in (
        ["convert", "in.jsonl", "-o", "a/b/out.csv"],
        ["report", "in.jsonl", "-o", "c/d/out.html"],
        ["kb", "build", "e/f/out.sqlite", "--ontology", "Taxon=names.tsv"],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
    assert len(list(tmp_path.glob("*/*/out.*"))) == 3


def test_a_folder_in_place_of_an_annotated_file_is_named(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert (refused.exit_code, refused.stderr) == (1, f"Error: {tmp_path} is a folder: a file is needed\n")


def test_report_says_that_a_file_holds_no_entity(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("Mice lack Pax6.", encoding="utf8")
    done = CliRunner().invoke(app, ["report", str(tmp_path / "in.txt"), "-o", str(tmp_path / "page.html")])
    assert done.exit_code == 0
    assert done.stderr == f"No entity was read: is {tmp_path / 'in.txt'} an annotated file?\n"


def test_the_shell_can_complete_commands_and_options() -> None:
    for words, completed in (
        ("craftner_spacy anno", "annotate"),
        ("craftner_spacy find --thr", "--threshold"),
    ):
        env = {
            "_CRAFTNER_SPACY_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
        done = CliRunner().invoke(app, [], env=env, prog_name="craftner_spacy")
        assert done.stdout.split() == [completed]


def test_lists_of_commands_are_not_cut_off() -> None:
    for words in ([], ["kb"]):
        assert "..." not in CliRunner().invoke(app, [*words, "--help"]).stdout.partition("Commands:")[2]


def test_the_version_is_an_option() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"craftner_spacy {__version__}\n"


def test_the_console_script_is_the_same_program() -> None:
    [script] = metadata.entry_points(group="console_scripts", name="craftner_spacy")
    assert script.load() is app


def test_help_names_all_formats() -> None:
    assert options.READABLE.split(", ") == [row.name for row in FORMATS]
    assert options.WRITABLE.split(", ") == [row.name for row in FORMATS if row.write is not None]


def all_commands() -> Iterator[tuple[list[str], Any]]:
    """Each command with the words that call it."""
    waiting: list[tuple[list[str], Any]] = [([], typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield words, command
        waiting += [([*words, name], below) for name, below in getattr(command, "commands", {}).items()]


def test_help_is_shown_as_it_was_written() -> None:
    n_texts = 0
    for words, command in all_commands():
        shown = "".join(CliRunner().invoke(app, [*words, "--help"]).output.split())
        texts = [command.help, *(param.help for param in command.params)]
        assert all(texts), words
        for text in texts:
            assert "".join(text.split()) in shown
            n_texts += 1
    assert n_texts >= 50


def test_help_keeps_brackets() -> None:
    # As for the extras, which are named in brackets.
    bracketed = typer.Typer(rich_markup_mode=app.rich_markup_mode, add_completion=False)

    def command(value: Annotated[str, typer.Option(help='as of ".[ray]"')] = "") -> None:
        """Take [bold]."""

    bracketed.command()(command)
    shown = CliRunner().invoke(bracketed, ["--help"]).output
    assert 'as of ".[ray]"' in shown
    assert "Take [bold]." in shown


def test_tables_and_errors_keep_brackets_and_colons(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("br[x]:smile:").symlink_to(tiny_model)
    printed = CliRunner().invoke(app, ["info", "--model", "./br[x]:smile:"]).stdout
    assert " ./br[x]:smile: " in printed
    assert 'pip install ".[ray]" in' in printed
    for words in (["info", "--model", "./[y]"], ["annotate", "[y].txt", "-o", "out.jsonl"]):
        assert "[y]" in CliRunner().invoke(app, words).stderr
    copyfile(BUNDLED, "k[b].sqlite")
    assert "k[b].sqlite" in CliRunner().invoke(app, ["kb", "info", "k[b].sqlite"]).stdout
    assert (
        "no name and no id in k[b].sqlite"
        in CliRunner().invoke(app, ["kb", "lookup", "[z]", "--kb", "k[b].sqlite"]).output
    )


def test_what_a_terminal_cannot_show_is_escaped(tiny_model: Path) -> None:
    runner = CliRunner(charset="cp1252")
    printed = runner.invoke(app, ["labels"])
    assert printed.exit_code == 0, printed.stderr
    assert r"PGC-1\u03b1" in printed.stdout
    assert runner.invoke(app, ["info", "--model", str(tiny_model)]).exit_code == 0


def test_a_closed_pipe_ends_a_command_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "craftner_spacy", "labels"]
    with open(writing, "wb") as closed:
        done = subprocess.run(
            command, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are UTF-8")
def test_names_of_files_need_not_be_utf8(tiny_model: Path, tmp_path: Path) -> None:
    source = Path(os.fsdecode(bytes(tmp_path) + b"/in-\xff.jsonl"))
    source.write_text('{"id": 1, "text": "The mouse kinase."}\n', encoding="utf8")
    out = source.with_name(source.name.replace("in", "out"))
    done = CliRunner().invoke(app, ["annotate", str(source), "-o", str(out), "--model", str(tiny_model)])
    assert done.exit_code == 0, done.output
    assert "out-\\udcff.jsonl: 1 records" in done.stdout
    missing = CliRunner().invoke(app, ["report", str(source.with_name("no-" + source.name))])
    assert (missing.exit_code, len(missing.stderr.splitlines())) == (1, 1)


def test_errors_of_many_lines_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(gpu_id: int) -> None:
        raise ValueError("one\n\n  two")

    monkeypatch.setattr(info, "use_gpu", fail)
    assert CliRunner().invoke(app, ["info"]).stderr == "Error: one two\n"


def test_a_reader_that_ends_early_is_no_error_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(gpu_id: int) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(info, "use_gpu", fail)
    done = CliRunner().invoke(app, ["info"])
    assert (done.exit_code, done.stderr) == (1, "")


def test_report_counts_what_it_cannot_show(tmp_path: Path) -> None:
    rows = [
        '{"id": "1", "text": "mice", "entities": [{"start": 0, "end": 4, "label": "Taxon", "score": 1e999}]}',
        '{"id": "2"}',
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(rows), encoding="utf8")
    done = CliRunner().invoke(app, ["report", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    assert "1 records could not be read, the first is record 2: field 'text'" in done.stderr
    assert "1 scores are no finite numbers" in done.stderr
