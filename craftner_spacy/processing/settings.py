"""What a caller of `annotate` chooses: the settings that decide the output, and Ray's workers."""

import os
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

    Each has the meaning of the argument of its name in `annotate.annotate`.

    output_format (str): see `data.formats.FORMATS`; it decides which ids are allowed.
    RAISES: ValueError for a number that is not allowed, or an encoding that Python does not know.
    """

    output_format: str
    limit: int | None = None
    skip_errors: bool = False
    text_field: str = "text"
    id_field: str = "id"
    make_ids: bool = False
    shard_characters: int = SHARD_CHARACTERS
    engine: str = "local"
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


def usable_cpus() -> int:
    """The CPUs that this process may use, which a batch system or a container may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_from_one(name: str, number: int | None) -> None:
    """Refuse a number below 1; None is allowed."""
    if number is not None and number < 1:
        raise ValueError(f"{name} = {number}: allowed are whole numbers from 1")
