"""What README promises, run as it stands there."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_first_example_prints_what_readme_shows(
    capsys: pytest.CaptureFixture[str], no_network: list[object]
) -> None:
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf8"), flags=re.DOTALL)
    assert code is not None
    exec(code.group(1), {})
    shown = [line.removeprefix("# ") for line in code.group(1).splitlines() if line.startswith("# ")]
    assert capsys.readouterr().out.splitlines() == shown
    assert shown
    assert not no_network
