"""The examples in the docstrings of craftner_spacy.linking, and the order of its modules."""

import ast
import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import craftner_spacy.linking

FOLDER = Path(craftner_spacy.linking.__file__).parent
MODULES = sorted(module.name for module in pkgutil.iter_modules([str(FOLDER)]))
FLOORS = (
    {"abbreviations", "links", "names", "schema", "settings", "temporary"},
    {"knowledge_base", "knowtator", "ontologies", "staging"},
    {"builder", "candidates", "mentions"},
    {"filling", "scorer", "source", "ties"},
    {"document"},
    {"entities"},
    {"commands", "craft_linker"},
)
"""Modules by floor: each may import from the floors below its own."""


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    module = importlib.import_module(f"craftner_spacy.linking.{name}")
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_downward(name: str) -> None:
    floor = {module: number for number, modules in enumerate(FLOORS) for module in modules}
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf8"))
    imported = {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1
    }
    assert imported <= floor.keys()
    assert all(floor[module] < floor[name] for module in imported)


def test_linking_needs_no_network_and_no_torch() -> None:
    heavy = ("torch", "transformers", "huggingface_hub", "pickle", "urllib.request", "requests")
    for name in MODULES:
        tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(module.startswith(heavy) for module in names)
