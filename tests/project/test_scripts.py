"""What holds of all scripts and benchmarks: their doctests pass, and each can be run as a file."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "scripts").glob("*/*.py"), *(ROOT / "benchmarks").glob("*.py")])
FOLDERS = {path.stem: path.parent for path in FILES}


def test_names_of_scripts_are_unique() -> None:
    assert len(FOLDERS) == len(FILES)


@pytest.mark.parametrize("name", [path.stem for path in FILES if ">>>" in path.read_text(encoding="utf8")])
def test_doctests(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_modules_of_other_folders_are_put_on_the_path(path: Path) -> None:
    # Python puts only the folder of a script on the path.
    for name in imported_modules(path):
        folder = FOLDERS.get(name, path.parent)
        if folder != path.parent:
            assert inserts(path, folder), f"imports {name} without sys.path.insert of {folder.name}"


def imported_modules(path: Path) -> set[str]:
    """The top-level modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def inserts(path: Path, folder: Path) -> bool:
    """Whether a file has a ``sys.path.insert`` of a folder, with a path made from its ``__file__``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "sys.path.insert":
            inserted = eval(ast.unparse(node.args[1]), {"Path": Path, "__file__": str(path)})
            if Path(inserted) == folder:
                return True
    return False
