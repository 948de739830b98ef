"""Labels that a knowledge base has no table for: counted while documents are linked, and told once."""

import threading
import warnings
from collections import Counter
from collections.abc import Iterable

from ..drops import drops_are_expected


class UnknownLabels(threading.local):
    """Entities by label, of the labels without a table; each thread counts by itself."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return UnknownLabels, ()

    def count(self, labels: Iterable[str]) -> None:
        """Count the label of each entity."""
        self._counts.update(labels)

    def warn(self, name: str, known: Iterable[str]) -> None:
        """Warn of what was counted, and begin anew.

        name (str): the component's name.
        known (Iterable[str]): the labels that have a table.
        """
        counts, self._counts = self._counts, Counter()
        if counts and not drops_are_expected():
            warnings.warn(
                f"{name}: {counts.total()} entities have labels that the knowledge base has no table "
                f"for ({', '.join(sorted(counts))}) and got no id; it has one for {', '.join(known)}",
                stacklevel=4,
            )
