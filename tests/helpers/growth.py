"""How the time that a function takes grows with its input, which a busy machine does not change."""

import time
from collections.abc import Callable
from typing import TypeVar

Input = TypeVar("Input")


def growth(function: Callable[[Input], object], small: Input, large: Input, repeats: int = 3) -> float:
    """CPU time of this thread for the large input by that for the small one, the least of some repeats.

    The inputs have to take milliseconds at least. An input of eight times the size takes about eight times as
    long if the time is linear, and 64 times if it is quadratic.
    """
    seconds: dict[str, float] = {}
    for _ in range(repeats):
        for name, value in (("small", small), ("large", large)):
            start = time.thread_time()
            function(value)
            seconds[name] = min(time.thread_time() - start, seconds.get(name, float("inf")))
    return seconds["large"] / max(seconds["small"], 1e-9)
