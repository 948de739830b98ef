"""The working folder of a run, from its manifest to the finished output.

OUT.work/manifest.json      inputs, model, versions and settings: only the same run is continued
OUT.work/skipped.jsonl      records left out, and why
OUT.work/ids.sqlite         the ids seen so far, while records are checked
OUT.work/output.tmp         the output, while it is written
OUT.work/...                the files of the engine
OUT                         the output, when it is complete; the folder is removed then
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..data.formats import Format, write_file
from ..data.records import Record, Tokenizer
from .inputs import ReadPlan, Skipped, check_records
from .seen_ids import open_seen_ids

Description = Mapping[str, Mapping[str, Any]]
"""What decides the output, in named parts, each of named values in JSON's types."""


class WorkDir:
    """The folder ``OUT.work`` beside the output; it stays where it is when a run is stopped."""

    def __init__(self, out: Path) -> None:
        """Name the folder; nothing is written.

        out (Path): the output.
        """
        self.out = out
        self.path = out.with_name(f"{out.name}.work")
        self._manifest = self.path / "manifest.json"
        self._skipped = self.path / "skipped.jsonl"
        self._unfinished = self.path / "output.tmp"

    @property
    def is_begun(self) -> bool:
        """Whether an earlier run has left work that can be continued."""
        return self._manifest.exists()

    @property
    def n_records(self) -> int:
        """The number of good records, once a run is begun; OSError if the manifest cannot be read."""
        return self._read_manifest()["records"]

    @property
    def n_skipped(self) -> int:
        """The number of records left out, once a run is begun; OSError if the manifest cannot be read."""
        return self._read_manifest()["skipped"]

    def begin(self, description: Description, plan: ReadPlan, progress: bool) -> None:
        """Check all records and write the manifest.

        description (Description): what decides the output.
        plan (ReadPlan): what is read.
        progress (bool): whether to show a bar on standard error.
        RAISES: ValueError for a bad record unless `skip_errors`; OSError if a file cannot be read or written;
            sqlite3.OperationalError if ids cannot be stored.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        ids = self.path / "ids.sqlite"
        # What a run that was stopped before its manifest was written, or after it was removed, has left.
        for leftover in [*self.path.glob("*.tmp"), ids]:
            if not leftover.is_dir():
                leftover.unlink(missing_ok=True)
        with (
            open_seen_ids(ids) as seen_ids,
            tqdm(desc="checking", unit=" records", disable=not progress) as bar,
        ):
            n_good, skipped = check_records(plan, seen_ids, bar)
        write_atomically(self._skipped, (json.dumps(row._asdict()).encode() + b"\n" for row in skipped))
        manifest = {**description, "records": n_good, "skipped": len(skipped)}
        write_atomically(self._manifest, [json.dumps(manifest, indent=2).encode()])

    def check_same_run(self, description: Description) -> None:
        """Refuse to continue the work of another run.

        description (Description): what decides the output of this run.
        RAISES: ValueError if the earlier run had another description; OSError if the manifest cannot be read.
        """
        manifest = self._read_manifest()
        differences = [
            f"{part}.{key}: {manifest[part].get(key)!r} then, {value!r} now"
            for part in description
            for key, value in description[part].items()
            if manifest[part].get(key) != value
        ]
        if differences:
            raise ValueError(
                f"{self._manifest} belongs to another run ({'; '.join(differences)}). Repeat the command "
                f"of that run, write to another file, or remove {self.path}"
            )

    def read_skipped(self) -> list[Skipped]:
        """The records that are left out.

        RAISES: OSError if their list cannot be read.
        """
        with self._skipped.open(encoding="utf8") as file:
            return [Skipped(**json.loads(line)) for line in file]

    def write_output(self, fmt: Format, records: Iterable[Record], tokenizer: Tokenizer) -> None:
        """Write the output to a file in the folder.

        fmt (Format): of the output.
        records (Iterable[Record]): may be iterated over more than once.
        tokenizer (Tokenizer): for formats that hold tokens.
        RAISES: OSError if the file cannot be written; ValueError if the format cannot hold a record.
        """
        write_file(self._unfinished, fmt, records, tokenizer, compress=self.out.name.endswith(".gz"))
        with self._unfinished.open("rb+") as file:
            os.fsync(file.fileno())

    def finish(self) -> None:
        """Move the output to its place, copy the list of records left out beside it, and remove the folder.

        RAISES: OSError if a file cannot be written, moved or removed.
        """
        if self._skipped.stat().st_size:
            shutil.copyfile(self._skipped, self.out.with_name(f"{self.out.name}.skipped.jsonl"))
        self._unfinished.replace(self.out)
        # Before the rest, so that what a stop leaves of it is not taken for work to continue.
        self._manifest.unlink()
        shutil.rmtree(self.path)

    def _read_manifest(self) -> dict[str, Any]:
        """The description, and the numbers of good and of bad records."""
        return json.loads(self._manifest.read_text(encoding="utf8"))

    @contextmanager
    def explain_io_errors(self) -> Iterator[None]:
        """Say in the message of an error how to continue.

        RAISES: OSError in place of an OSError or a sqlite3.OperationalError inside.
        """
        try:
            yield
        except OSError as err:
            where = f" ({err.filename})" if err.filename else ""
            raise OSError(
                f"{err.strerror or err}{where}. The work done so far is in {self.path}: put this right and "
                "repeat the command to continue"
            ) from err
        except sqlite3.OperationalError as err:
            raise OSError(f"{self.path}: ids cannot be stored there ({err}). Is the disk full?") from err


def write_atomically(path: Path, lines: Iterable[bytes]) -> None:
    """Write a file under a temporary name, and rename it when all of it is on disk.

    path (Path): the file; beside it ``PATH.tmp`` is used.
    lines (Iterable[bytes]): its content, each line with its line break.
    RAISES: OSError if it cannot be written; what iterating over the lines raises.
    """
    unfinished = path.with_name(f"{path.name}.tmp")
    with unfinished.open("wb") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
