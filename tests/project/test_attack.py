"""`make attack`: its limits, and what it takes for an attack that got through."""

import os
from dataclasses import replace

import pytest
from attack import main, peak_memory, print_table, try_attack
from attacks.frame import ATTACKS


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
