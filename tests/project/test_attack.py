"""`make attack`: its limits, and what it takes for an attack that got through."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from attack import main, peak_memory, print_table, try_attack
from attacks.frame import ATTACKS

ROOT = Path(__file__).parents[2]


def test_time_and_memory_have_limits() -> None:
    attack = next(iter(ATTACKS.values()))
    late, large = (try_attack(replace(attack, **limit)) for limit in ({"seconds": 0}, {"megabytes": 1}))
    assert (late.is_held, late.what) == (False, "more than 0 s")
    assert (large.is_held, large.what) == (False, "more than 1 MB")


def test_what_an_attack_raises_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    attack = replace(next(iter(ATTACKS.values())), name="an unknown one")
    outcome = try_attack(attack)
    assert (outcome.is_held, outcome.what) == (False, "KeyError: 'an unknown one'")
    print_table([(attack, outcome)])
    assert "GOT THROUGH" in capsys.readouterr().out


def test_peak_memory() -> None:
    assert 10 < peak_memory(os.getpid()) < 10_000
    assert peak_memory(2**30) == 0.0


def test_words_have_to_choose_something() -> None:
    with pytest.raises(SystemExit, match="no name of an attack"):
        main(["nothing is called so"])


def test_each_vulnerability_that_the_audit_leaves_out_has_its_reason() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    reasons = (ROOT / "docs" / "robustness.md").read_text(encoding="utf8")
    [line] = re.findall("^UNREACHED = (.+)$", makefile, flags=re.M)
    assert [name for name in line.split() if name not in reasons] == []
