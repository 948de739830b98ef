"""The script that tries the wheels under each Python, with a program in Python's place; and its plugin."""

import doctest
import os
import subprocess
import sys
from pathlib import Path

import pytest
import pythons
import without_extras

# As far as the script can tell, a Python: `venv` copies it, and where its arguments hold $FAIL, it fails.
PYTHON = """#!/bin/sh
case "$*" in *"$FAIL"*) exit 1 ;; esac
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$0" "$3/bin/pytest" ;;
    -V) echo "Python 3.12.9" ;;
    *--junitxml=*) echo '<t><s tests="7" failures="0" errors="0" skipped="2"/></t>' > "${*##*--junitxml=}" ;;
esac
"""
TESTS = {"passed": 5, "failed": 0, "skipped": 2}


@pytest.mark.parametrize(
    ("fail", "result"),
    [
        ("-x-", {"outcome": "passed", "tests": TESTS}),
        ("--dry-run", {"outcome": "not tried", "why": "pip has no torch==1.2+cpu at hand"}),
        ("a.whl", {"outcome": "failed", "why": "install"}),
        ("smoke.py", {"outcome": "failed", "why": "smoke test"}),
    ],
)
def test_a_python_passes_fails_or_is_not_tried(
    fail: str, result: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(PYTHON, encoding="utf8")
    python.chmod(0o755)
    monkeypatch.setenv("FAIL", fail)
    monkeypatch.setattr(pythons, "find_pythons", lambda minor: iter([str(python)]))
    monkeypatch.setattr(pythons, "torch_requirement", lambda *_: "torch==1.2+cpu")
    assert pythons.try_python(12, [Path("a.whl"), Path("b.whl")]) == {"version": "3.12.9", **result}


def test_a_python_that_is_not_there_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "find_pythons", lambda minor: iter([]))
    assert pythons.try_python(12, []) == {"outcome": "not tried", "why": "this Python is not there"}


def test_the_newest_of_pyenv_comes_before_the_one_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [".pyenv/versions/3.12.9/bin/python", ".pyenv/versions/3.12.10/bin/python", "bin/python3.12"]
    for name in [*names, ".pyenv/versions/3.1.2/bin/python"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n", encoding="utf8")
        path.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("FAIL", "-x-")
    assert list(pythons.find_pythons(12)) == [str(tmp_path / names[i]) for i in (1, 0, 2)]


def test_each_python_has_a_row() -> None:
    report = {
        "machine": "x86_64",
        "versions": {"torch": "1.2"},
        "pythons": {
            "3.11": {"outcome": "passed", "version": "3.11.7", "tests": TESTS},
            "3.12": {"outcome": "not tried", "why": "this Python is not there"},
        },
    }
    page = pythons.as_markdown(report).splitlines()
    assert "| 3.11 | 3.11.7 | passed | 5 passed, 2 skipped |" in page
    assert "| 3.12 |  | not tried: this Python is not there |  |" in page


def test_a_test_without_the_library_of_an_extra_is_skipped(tmp_path: Path) -> None:
    files = {
        "conftest.py": "import sys\nsys.modules.update(ray=None, obonet=None, no_extra=None)\n",
        "test_import.py": "import ray\n",
        "test_call.py": (
            "def test_from():\n    try:\n        import obonet\n    except ImportError as err:\n"
            "        raise ValueError('needs an extra') from err\n"
            "def test_other():\n    import no_extra\n"
            "def test_passes():\n    pass\n"
        ),
    }
    for name, code in files.items():
        (tmp_path / name).write_text(code, encoding="utf8")
    env = {**os.environ, "PYTHONPATH": str(Path(without_extras.__file__).parent)}
    command = [sys.executable, "-m", "pytest", "-p", "without_extras", "-rA", "--rootdir", tmp_path, tmp_path]
    shown = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True).stdout
    assert "needs ray" in shown
    assert "needs obonet" in shown
    assert "1 failed, 1 passed, 2 skipped" in shown


@pytest.mark.parametrize("module", [pythons, without_extras], ids=lambda module: module.__name__)
def test_doctests(module: object) -> None:
    results = doctest.testmod(module)  # type: ignore[arg-type]
    assert results.attempted
    assert not results.failed
