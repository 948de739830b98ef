"""Records that are counted while an output is written."""

from collections import Counter
from collections.abc import Callable, Iterator

from ..data.records import Record


class CountedRecords:
    """Records that are read anew each time they are iterated over, and counted anew.

    records, words, linked (int): those so far; words are what white space separates, and `linked` are the
        entities that have the id of a concept.
    labels (Counter[str]): the entities so far, by label.
    """

    def __init__(self, read: Callable[[], Iterator[Record]]) -> None:
        """Iterate over nothing yet.

        read (Callable[[], Iterator[Record]]): starts at the first record each time it is called.

        >>> from craftner_spacy.data.records import Record
        >>> counted = CountedRecords(lambda: iter([Record("1", "a mouse", {})]))
        >>> len(list(counted)), len(list(counted)), counted.records, counted.words
        (1, 1, 1, 2)
        """
        self._read = read
        self._begin()

    def __iter__(self) -> Iterator[Record]:
        """Start at the first record, and count from zero."""
        self._begin()
        for record in self._read():
            self.records += 1
            self.words += len(record.text.split())
            self.labels.update(entity.label for entity in record.entities)
            self.linked += sum(entity.concept is not None for entity in record.entities)
            yield record

    def _begin(self) -> None:
        self.records = self.words = self.linked = 0
        self.labels: Counter[str] = Counter()

    @property
    def entities(self) -> int:
        """The entities so far."""
        return self.labels.total()
