"""The array types of the package, the entity, and its concept."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]

NO_ID = frozenset({"", "NIL"})
"""What `Span.kb_id_` is of an entity without concept; "NIL" is what spaCy's own linker writes."""


class LinkedConcept(NamedTuple):
    """The concept that an entity stands for.

    id (str): its id, e.g. "CL:0000540".
    name (str): its name; "" if it is not known.
    score (float | None): how likely it is the right one, in [0, 1]; None: not known.
    """

    id: str
    name: str = ""
    score: float | None = None


class Entity(NamedTuple):
    """A labelled span.

    start, end (int): half-open; in characters of a text, or in words where a function says so.
    label (str): its label.
    score (float | None): in [0, 1]; None: not known, as where a file or another component gave the entity.
    concept (LinkedConcept | None): None: not known.
    """

    start: int
    end: int
    label: str
    score: float | None = None
    concept: LinkedConcept | None = None
