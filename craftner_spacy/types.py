"""The array types of the package, and the entity."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]


class Entity(NamedTuple):
    """A labelled span.

    start, end (int): half-open; in characters of a text, or in words where a function says so.
    label (str): its label.
    score (float | None): in [0, 1]; None: not known, as where a file or another component gave the entity.
    """

    start: int
    end: int
    label: str
    score: float | None = None
