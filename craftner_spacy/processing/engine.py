"""The interface of engines, which annotate shards, and the annotation of a batch, which they share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spacy.language import Language

from ..data.records import Record
from ..drops import expect_drops
from ..pipelines import get_component
from ..span_group import read_span_group
from ..types import Entity
from .inputs import Shard
from .settings import BATCH_CHARACTERS, BATCH_RECORDS

BatchEntities = list[list[Entity]]
"""The entities of each text of a batch."""


@dataclass(frozen=True)
class RunStats:
    """What a run has annotated.

    records (int): annotated records.
    words (int): in them; words are what white space separates.
    seconds (float): the time it took.
    """

    records: int = 0
    words: int = 0
    seconds: float = 0.0


class Engine(ABC):
    """Annotates shards, and keeps the annotated ones in files of its own until the output is written."""

    @property
    @abstractmethod
    def description(self) -> dict[str, Any]:
        """What decides the entities where the engine runs; see `pipelines.describe_model`."""

    @abstractmethod
    def run(self, shards: Iterable[Shard], n_records: int) -> RunStats:
        """Annotate the shards that no earlier run has annotated.

        shards (Iterable[Shard]): all shards, in order.
        n_records (int): the number of records in all shards.
        RETURNS (RunStats): what this run has annotated.
        RAISES: ValueError if the pipeline does not return a document for each text; OSError if a file cannot
            be written or a process is killed.
        """

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """All annotated records, in the order of the input. May be called again, also when the run is over.

        RAISES: ValueError if a file is damaged; OSError if it cannot be read.
        """


def make_batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The records of a shard in batches of `BATCH_RECORDS`, or fewer that have `BATCH_CHARACTERS` or more.

    records (Iterable[Record]): of a shard. The last batch may be smaller.
    """
    batch: list[Record] = []
    n_characters = 0
    for record in records:
        batch.append(record)
        n_characters += len(record.text)
        if len(batch) == BATCH_RECORDS or n_characters >= BATCH_CHARACTERS:
            yield batch
            batch, n_characters = [], 0
    if batch:
        yield batch


def annotate_batch(nlp: Language, batch: Sequence[Record]) -> list[Record]:
    """The records of a batch with their entities.

    nlp (Language): the pipeline.
    batch (Sequence[Record]): the records.
    RAISES: ValueError if the pipeline's error handler leaves out a text; what the error handler raises.
    """
    return add_entities(batch, find_entities(nlp, [record.text for record in batch]))


def find_entities(nlp: Language, texts: Sequence[str]) -> BatchEntities:
    """The entities of each text; those of a text that the pipeline's error handler leaves out are missing.

    No warning tells of entities that do not fit the tokens, of which files hold the exact characters, or of
    labels without ids, of which `annotate` warns once.

    nlp (Language): the pipeline.
    texts (Sequence[str]): of a batch.
    RAISES: what the pipeline's error handler raises.
    """
    spans_key = get_component(nlp).spans_key
    assert spans_key is not None  # get_component has checked it
    with expect_drops():
        return [read_span_group(doc, spans_key) for doc in nlp.pipe(texts, batch_size=BATCH_RECORDS)]


def add_entities(batch: Sequence[Record], entities: BatchEntities) -> list[Record]:
    """The records with these entities in place of their own.

    batch (Sequence[Record]): the records.
    entities (BatchEntities): of each record.
    RAISES: ValueError if there are entities for fewer texts: the pipeline's error handler has left some out.
    """
    if len(entities) != len(batch):
        raise ValueError(
            f"the pipeline's error handler left out {len(batch) - len(entities)} of the {len(batch)} "
            f"records from id {batch[0].id!r} on: it has to raise the error"
        )
    return [record._replace(entities=tuple(of_text)) for record, of_text in zip(batch, entities, strict=True)]
