"""README and the pages of the docs.

Blocks do what they show, tables list what there is, links lead somewhere; the site builds without a warning
and asks nothing of the network.
"""

import doctest
import pydoc
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import docstring_fields
import pytest
import spacy
import typer
from command_runner import CliRunner
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import Config

import craftner_spacy
from craftner_spacy.__main__ import app
from craftner_spacy.data.formats import FORMATS
from craftner_spacy.labels import GLOSSARY

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PACKAGE = Path(craftner_spacy.__file__).parent


def blocks(page: Path, language: str) -> list[str]:
    """The texts of a page's fenced blocks in a language."""
    fenced = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf8"), flags=re.S | re.M)
    return [text for name, text in fenced if name == language]


def pages_with(language: str) -> list[Any]:
    """A parameter for each page that has such blocks."""
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if blocks(page, language)]


def column(page: Path, heading: str, number: int = 0) -> list[str]:
    """The cells of a column in all tables of a page whose first column has this heading."""
    cells, is_inside = [], False
    for line in page.read_text(encoding="utf8").splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        is_inside = line.startswith("|") and (is_inside or row[0] == heading)
        if is_inside and row[0] != heading and not line.startswith("|---"):
            cells.append(row[number].replace("`", ""))
    return cells


@pytest.fixture
def articles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a reader who has a folder of articles."""
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "1.txt").write_text("Sox9 is expressed in chondrocytes.", encoding="utf8")
    (tmp_path / "articles" / "2.txt").write_text("Mice lack Pax6.", encoding="utf8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_print_what_they_show(
    page: Path, articles: Path, capsys: pytest.CaptureFixture[str], no_network: list[object]
) -> None:
    # The blocks of a page are one program; lines that begin with "#" are its output.
    namespace: dict[str, Any] = {}
    n_lines = 0
    for number, code in enumerate(blocks(page, "python"), 1):
        exec(compile(code, f"{page.name}, block {number}", "exec"), namespace)
        shown = [line.removeprefix("# ") for line in code.splitlines() if line.startswith("#")]
        assert capsys.readouterr().out.splitlines() == shown, f"block {number}"
        n_lines += len(shown)
    assert n_lines
    assert not no_network


@pytest.mark.parametrize("page", pages_with("sh"))
def test_commands_run(page: Path, articles: Path, no_network: list[object]) -> None:
    # In this process: to import torch for each would take longer than all else here.
    for line in "".join(blocks(page, "sh")).splitlines():
        program, *arguments = shlex.split(line)
        assert program == "craftner_spacy", line
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, (line, done.output)
        for name in re.findall(r"-o (\S+)", line):
            assert (articles / name).stat().st_size > 0
    assert not no_network


@pytest.mark.parametrize("page", pages_with("ini"))
def test_config_blocks_are_valid_where_they_are_pasted(page: Path) -> None:
    for text in blocks(page, "ini"):
        assert not re.search(r"=.*#", text), "spaCy has no inline comments"
        config = load_config(ROOT / "configs" / "small.cfg").merge(parse(text))
        load_model_from_config(config, auto_fill=True, validate=True)
        registry.fill({"corpora": config.interpolate()["corpora"]}, validate=True)


def parse(text: str) -> Config:
    """A block of a config, with the sections around it that the whole config has."""
    names = re.findall(r"^\[(.+)\]$", text, flags=re.M)
    around = {name[: dot.start()] for name in names for dot in re.finditer(r"\.", name)} - set(names)
    heads = "".join(f"[{name}]\n" for name in sorted(around))
    return Config().from_str(heads + text, interpolate=False)


def test_a_config_block_with_a_wrong_key_is_noticed(tmp_path: Path) -> None:
    for text in (
        "[components.craft_ner]\nfactory = 'craft_ner'\nthreshhold = 0.5\n",
        '[corpora.train]\n@readers = "craftner_spacy.SentenceWindows.v1"\npath = "x"\nmax_token = 1\n',
        '[components.craft_ner]\nfactory = "craft_ner"\nthreshold = 0.5  # inline\n',
    ):
        page = tmp_path / "page.md"
        page.write_text(f"```ini\n{text}```\n", encoding="utf8")
        with pytest.raises((ValueError, AssertionError)):
            test_config_blocks_are_valid_where_they_are_pasted(page)


def test_settings_are_listed_with_their_defaults() -> None:
    page = DOCS / "component.md"
    defaults = spacy.blank("en").get_factory_meta("craft_ner").default_config
    settings = {name: value for name, value in flat(defaults) if name.count("@") == 0}
    rows = dict(zip(column(page, "setting"), column(page, "setting", 1), strict=True))
    # Registered functions stand in one row by their name, without what comes before it.
    registered = {name: value for name, value in rows.items() if name in ("scorer", "model.get_spans")}
    assert registered == {"scorer": "craft_scorer.v1", "model.get_spans": "strided_spans.v1"}
    assert {name: value for name, value in rows.items() if name not in registered} == settings
    shown = parse(blocks(page, "ini")[0])["components"]["craft_ner"]
    assert shown.pop("factory") == "craft_ner"
    assert shown == defaults


def flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The keys of a config with dots, and its values as a config writes them."""
    pairs = []
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            pairs += flat(value, f"{prefix}{key}.")
        else:
            written = str(value).lower() if isinstance(value, bool) else str(value)
            pairs.append((f"{prefix}{key}", f'"{value}"' if isinstance(value, str) else written))
    return pairs


@pytest.mark.parametrize("page", [README, DOCS / "getting_started.md"], ids=lambda page: page.name)
def test_extras_are_listed(page: Path) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf8")
    extras = project.split("[project.optional-dependencies]\n")[1].split("\n\n")[0]
    assert sorted(column(page, "extra")) == sorted(re.findall(r"^(\w+) = ", extras, flags=re.M))


@pytest.mark.parametrize("page", [README, DOCS / "component.md"], ids=lambda page: page.name)
def test_labels_are_listed(page: Path) -> None:
    assert column(page, "label") == [label.name for label in GLOSSARY]


def test_formats_are_listed() -> None:
    page = DOCS / "files.md"
    rows = zip(*(column(page, "format", number) for number in range(4)), strict=True)
    assert list(rows) == [
        (fmt.name, ", ".join(fmt.suffixes), "yes", "yes" if fmt.write else "no") for fmt in FORMATS
    ]


def test_formats_that_need_the_extra_are_named() -> None:
    text = (DOCS / "files.md").read_text(encoding="utf8")
    [sentence] = re.findall(r"[^.]*need\s+`pip install \"\.\[formats\]\"`", text)
    named = re.findall(r"`([a-z-]+)`", sentence)
    assert named == [fmt.name for fmt in FORMATS if fmt.libraries]


def test_options_of_annotate_and_report_are_listed() -> None:
    commands = typer.main.get_group(app).commands
    options = {
        max(option.opts, key=len)
        for name in ("annotate", "report")
        for option in commands[name].params
        if option.opts[0].startswith("-")
    }
    cells = column(DOCS / "files.md", "option") + column(DOCS / "cluster.md", "option")
    assert {cell.split(", ")[-1] for cell in cells} == options


def test_each_module_is_in_the_api() -> None:
    documented = [
        name
        for page in (DOCS / "api").glob("*.md")
        for name in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf8"))
    ]
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if path.stem not in ("__init__", "__main__")
    ]
    assert sorted(documented) == sorted(modules)


@pytest.mark.parametrize(
    "page", [README, DOCS / "index.md", DOCS / "getting_started.md"], ids=lambda page: page.name
)
def test_first_examples_have_the_tokenizer_that_fits(page: Path) -> None:
    assert "craftner_spacy.tokenizer.v1" in blocks(page, "python")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_of_the_package_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf8"), flags=re.S | re.M)
    registered = {point.name for point in distribution("craftner_spacy").entry_points}
    for name in re.findall(r"`(craftner_spacy(?:\.\w+)+)", text):
        is_example = page.name == "CONTRIBUTING.md" and name == "craftner_spacy.X.v1"
        assert is_example or name in registered or pydoc.locate(name) is not None, name


def test_readme_lists_the_pages() -> None:
    titles = [
        page.stem for page in DOCS.glob("*.md") if page.stem not in ("index", "changelog", "contributing")
    ]
    listed = re.findall(r"\]\(docs/(\w+)\.md\)", README.read_text(encoding="utf8"))
    assert sorted(listed) == sorted(titles)


def test_readme_says_first_what_gene_means() -> None:
    assert "`Gene` does not hold genes" in README.read_text(encoding="utf8")[:400]


def test_blocks_have_languages_that_are_run_or_only_shown() -> None:
    # Those of "python", "sh" and "ini" are run above; an indented or misspelt fence would be left out there.
    shown = {"shell", "text", "{toctree}", "{include}", "{eval-rst}"}
    for page in PAGES:
        text = page.read_text(encoding="utf8")
        languages = re.findall(r"^\s*```(\S+)", text, flags=re.M)
        assert set(languages) <= {"python", "sh", "ini"} | shown, page
        run = [name for name in languages if name not in shown]
        assert len(run) == sum(len(blocks(page, name)) for name in ("python", "sh", "ini")), page
        assert "python -m craftner_spacy" not in text or page.name == "CHANGELOG.md", page


def test_targets_of_make_exist_and_are_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.M))
    named = {
        name for page in PAGES for name in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf8"))
    }
    assert named <= targets
    head = " ".join(line for line in makefile.splitlines() if line.startswith("# "))
    # Parts of `make test`, which CONTRIBUTING names.
    assert targets - {"lint", "unit", "smoke"} <= set(re.findall(r"\b[a-z]+\b", head))


@pytest.mark.parametrize("page", PAGES[:3], ids=lambda page: page.name)
def test_links_and_pictures_exist(page: Path) -> None:
    # Sphinx checks those of the pages in docs.
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf8")):
        assert target.startswith("https://") or (ROOT / target).is_file(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_nothing_is_installed_from_an_index_that_lacks_it(page: Path) -> None:
    assert not re.search(r"pip install [\"']?craftner", page.read_text(encoding="utf8"))


class Requests(HTMLParser):
    """The addresses that a browser asks for when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = ("src", "srcset", "data") + (("href",) if tag == "link" else ())
        self.addresses += [value for name, value in attrs if name in names and value]


def test_the_site_builds_without_a_warning_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("sphinx-build")
    command = [program, "--quiet", "--fail-on-warning", DOCS, tmp_path / "site", "-d", tmp_path / "doctrees"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(list(DOCS.rglob("*.md")))
    for page in pages:
        requests = Requests()
        requests.feed(page.read_text(encoding="utf8"))
        assert requests.addresses
        assert [a for a in requests.addresses if re.match(r"\w+:|//", a) and not a.startswith("data:")] == []
    sheets = list((tmp_path / "site").rglob("*.css"))
    assert sheets
    for sheet in sheets:
        assert not re.search(r"@import|url\([\"']?(?:https?:|//)", sheet.read_text(encoding="utf8"))
    # What a docstring names is linked.
    page = (tmp_path / "site" / "api" / "core.html").read_text(encoding="utf8")
    assert 'href="#craftner_spacy.sources.find_folder"' in page


def test_docstrings_become_fields() -> None:
    lines = [
        "Find words:",
        "",
        "    |---|",
        "",
        "words (n_words, 2): start and end of each, in characters;",
        "    of one text.",
        "mode: the mode.",
        "note: this is prose.",
        "RETURNS (n_words,): their windows.",
        "RAISES: ValueError if there are none,",
        "    or too many.",
        "",
        "The end.",
    ]
    assert docstring_fields.to_fields(lines, ["words", "mode"]) == [
        "Find words::",
        "",
        "    |---|",
        "",
        ":Arguments:",
        "    * **words** (``n_words, 2``): start and end of each, in characters;",
        "      of one text.",
        "    * **mode**: the mode.",
        "",
        "note: this is prose.",
        "",
        ":Returns:",
        "    (``n_words,``) their windows.",
        "",
        ":Raises:",
        "    ValueError if there are none,",
        "    or too many.",
        "",
        "The end.",
    ]


def test_doctests_of_the_extension() -> None:
    results = doctest.testmod(docstring_fields)
    assert results.attempted
    assert not results.failed
