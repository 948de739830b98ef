"""The page docs/linking.md: its settings, rules and commands are those of the package."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from thinc.api import Config

from craftner_spacy.linking.candidates import MATCHES, PRECISION
from craftner_spacy.linking.craft_linker import DEFAULT_CONFIG
from craftner_spacy.linking.knowledge_base import BUNDLED

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "linking.md").read_text(encoding="utf8")
METRICS = json.loads((ROOT / "metrics" / "linking.json").read_text(encoding="utf8"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_settings_are_the_components() -> None:
    shown = "[components]\n\n" + re.sub(r"\s+#.*", "", blocks("ini")[0])
    settings = Config().from_str(shown)["components"]["craft_linker"]
    assert settings.pop("factory") == "craft_linker"
    assert settings == Config().from_str(DEFAULT_CONFIG)["craft_linker"]


def test_what_was_measured_is_the_table_of_today() -> None:
    assert METRICS["bundled"]["sha256"] == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
    assert METRICS["devel"]["calibration"]["precision"] == PRECISION


def test_the_rules_are_all_told() -> None:
    for match in MATCHES:
        assert f"| {match} |" in PAGE


@pytest.mark.parametrize("block", blocks("shell"))
def test_the_commands_have_these_options(block: str) -> None:
    from typer.main import get_command

    from craftner_spacy.commands.kb import app

    known = {
        option
        for command in get_command(app).commands.values()  # type: ignore[attr-defined]
        for parameter in command.params
        for option in parameter.opts
    }
    assert set(re.findall(r"(?<= )--[a-z]+", block)) <= known
