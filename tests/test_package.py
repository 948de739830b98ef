"""What holds of the package as a whole: where it comes from, its entry points, floors and docstrings."""

import ast
import doctest
import importlib
import json
import pkgutil
import re
from importlib import metadata
from pathlib import Path

import catalogue
import pytest
import spacy
from spacy.util import registry

import craftner_spacy

DISTRIBUTION = metadata.distribution("craftner_spacy")
PACKAGE = Path(craftner_spacy.__file__).parent
MODULES = sorted(module.name for module in pkgutil.iter_modules([str(PACKAGE)]) if module.name != "__main__")
REGISTRIES = {
    "spacy_architectures": registry.architectures,
    "spacy_augmenters": registry.augmenters,
    "spacy_displacy_colors": registry.displacy_colors,
    "spacy_readers": registry.readers,
    "spacy_scorers": registry.scorers,
    "spacy_tokenizers": registry.tokenizers,
}
FLOORS = (
    {"labels"},
    {
        "alignment",
        "augment",
        "corpus",
        "decoding",
        "formats",
        "int8",
        "packed_linear",
        "splitting",
        "tokenizer",
        "windows",
        "wordpieces",
    },
    {"evaluation", "sources", "unpadded_bert"},
    {"bf16"},
    {"model"},
    {"craft_ner"},
    {"ray_annotate", "report"},
    {"annotation"},
    {"__main__"},
)
"""Modules by floor: each may import from the floors below its own."""


def test_tests_meet_the_installed_package() -> None:
    origin = json.loads(DISTRIBUTION.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        pytest.skip("an editable install is the source folder itself")
    assert Path(str(DISTRIBUTION.locate_file("craftner_spacy"))).resolve() == PACKAGE.resolve()


def test_package_has_its_types_and_its_model() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "report.html").is_file()
    names = {path.name for path in (PACKAGE / "small").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "MODEL_CARD.md"} <= names


def test_entry_points_resolve() -> None:
    assert {point.group for point in DISTRIBUTION.entry_points} == {*REGISTRIES, "spacy_factories"}
    for point in DISTRIBUTION.entry_points:
        if point.group in REGISTRIES:
            assert REGISTRIES[point.group].get(point.name) is point.load()
        else:
            assert point.group == "spacy_factories"
            point.load()
            assert spacy.blank("en").has_factory(point.name)


def test_registered_names_stand_once_and_carry_a_version() -> None:
    names = [point.name for point in DISTRIBUTION.entry_points]
    assert len(names) == len(set(names))
    for point in DISTRIBUTION.entry_points:
        if point.group not in {"spacy_factories", "spacy_displacy_colors"}:
            assert re.fullmatch(r"craftner_spacy\.\w+\.v\d+", point.name)
            point.load()
            by_decorator = ("spacy", point.group.removeprefix("spacy_"), point.name)
            assert by_decorator not in catalogue.REGISTRY, f"{point.name}: an entry point is enough"


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    module = importlib.import_module(f"craftner_spacy.{name}")
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_modules_import_downward(path: Path) -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    assert path.stem in floor, f"{path.name} has no floor: give it one in FLOORS"
    for imported in _imported_modules(path):
        assert floor[imported] < floor[path.stem], f"{path.stem} imports {imported}, which is not below it"


def _imported_modules(path: Path) -> set[str]:
    """The package's modules that a module's source imports, absolutely or relatively."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            prefix = "craftner_spacy." * (node.level > 0) + (node.module or "")
            names = [prefix, *(f"{prefix.rstrip('.')}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {parts[1] for parts in (name.split(".") for name in names) if parts[0] == "craftner_spacy"}
    return found & {file.stem for file in path.parent.glob("*.py")}
