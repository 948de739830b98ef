"""What a caller of `annotate` chooses: the settings that decide the output, and Ray's workers."""

from dataclasses import dataclass

from ..data.encodings import check_encoding
from ..data.records import WriteOptions

ENGINES = ("local", "ray")

SHARD_CHARACTERS = 500_000

BATCH_RECORDS = 64
"""Records that the pipeline gets at once. No batch has records of two shards."""
BATCH_CHARACTERS = 2_000_000
"""A batch ends with the record that brings it to so many characters: long texts are not held all at once."""


@dataclass(frozen=True)
class Settings:
    """The settings that decide the output or where its parts are: all have to be the same to continue a run.

    limit (int | None): the most records to annotate; None: all.
    skip_errors (bool): whether bad records are left out and listed; if not, the first one is an error.
    text_field, id_field (str): the names of these fields in the inputs.
    make_ids (bool): whether a record without an id is named after its file and number.
    output_format (str): see `data.formats.FORMATS`; it decides which ids are allowed.
    shard_characters (int): a shard ends with the batch that brings it to this many characters.
    engine (str): one of `ENGINES`.
    encoding (str | None): of inputs of plain text, unless their first bytes tell another one; None: UTF-8.
    no_text (bool): whether the output is without the texts of the records.
    keep_names (bool): whether text and id have the inputs' names in the output.
    fields (bool): whether a table of entities has the records' other fields.
    RAISES: ValueError for a number that is not allowed, or an encoding that Python does not know.
    """

    limit: int | None
    skip_errors: bool
    text_field: str
    id_field: str
    make_ids: bool
    output_format: str
    shard_characters: int
    engine: str
    encoding: str | None = None
    no_text: bool = False
    keep_names: bool = False
    fields: bool = False

    @property
    def write_options(self) -> WriteOptions:
        """What is written beside the entities."""
        names = (self.text_field, self.id_field) if self.keep_names else ("text", "id")
        return WriteOptions(not self.no_text, *names, self.fields)

    def __post_init__(self) -> None:
        """Check the numbers and the encoding."""
        for name in ("limit", "shard_characters"):
            _check_from_one(name, getattr(self, name))
        if self.encoding is not None:
            check_encoding(self.encoding)


@dataclass(frozen=True)
class Workers:
    """The workers of the engine 'ray', and where they are.

    workers (int | None): how many; None: as many as fit, with one CPU left free.
    cpus_per_worker, gpus_per_worker (float): what each of them has for itself.
    address (str | None): of a running cluster, as `ray.init` takes it; None: Ray is started on this machine,
        unless it runs in this process already.
    RAISES: ValueError for a number that is not allowed.
    """

    workers: int | None = None
    cpus_per_worker: float = 1
    gpus_per_worker: float = 0
    address: str | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_from_one("workers", self.workers)
        if self.cpus_per_worker <= 0:
            raise ValueError(f"cpus_per_worker = {self.cpus_per_worker}: allowed are numbers over 0")
        if self.gpus_per_worker < 0:
            raise ValueError(
                f"gpus_per_worker = {self.gpus_per_worker}: allowed are numbers from 0; at 0.5 two workers "
                "share a GPU"
            )


def _check_from_one(name: str, number: int | None) -> None:
    """Refuse a number below 1; None is allowed."""
    if number is not None and number < 1:
        raise ValueError(f"{name} = {number}: allowed are whole numbers from 1")
