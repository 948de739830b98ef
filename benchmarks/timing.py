"""Timing of functions: once, or several of them in turn."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contenders import Run
from tqdm import tqdm


def timed(function: Callable[..., Any], *arguments: Any) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def interleaved(runs: Mapping[str, Run], texts: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """Seconds of each run in each round, after a first round that loads and warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in tqdm(range(rounds + 1), desc=f"{len(texts)} texts", unit="round"):
        for name, run in runs.items():
            passed = timed(run, texts if number else texts[:2])
            if number:
                seconds[name].append(passed)
    return seconds
