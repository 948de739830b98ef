"""The working folder of a run, from its lock to the finished output.

OUT.work/craftner_spacy.lock    held while a command works here; by its name the folder is known
OUT.work/manifest.json          inputs, model, versions and settings: only the same run is continued
OUT.work/skipped.jsonl          records left out, and why
OUT.work/ids.sqlite             the ids seen so far, while records are checked
OUT.work/output.tmp             the output, while it is written
OUT.work/NUMBER.jsonl           annotated shards of the engine 'local'
OUT.work/input, output, ...     files of the engine 'ray'; see `ray_data`
OUT                             the output, when it is complete; the folder is removed then

Nothing else is ever removed.
"""

import filecmp
import json
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout

from ..data.formats import Format
from ..data.records import PLAIN, Record, Tokenizer, WriteOptions
from .inputs import Checked, Place, ReadPlan, Skipped, check_inputs
from .manifest import Description, Manifest, read_manifest
from .output_files import json_row, skipped_list, write_atomically, write_skipped, write_unfinished
from .source_files import LOCK_NAME
from .stops import hold_stops

SHARDS = ("[0-9]*.jsonl", "output/*.parquet")
"""The finished shards of the engines."""
OWN_FILES = ("manifest.json", "skipped.jsonl", "ids.sqlite", "*.tmp", "[0-9]*.jsonl")
OWN_FOLDERS = ("input.tmp", "input", "output", "checkpoint")
"""What a run writes into its folder beside the lock."""
LOCK_SECONDS = 3.0
"""How long to wait for the lock: the processes of a command that was killed hold it until they have ended."""


class WorkDir:
    """The folder ``OUT.work`` beside the output; it stays where it is when a run is stopped."""

    def __init__(self, out: Path) -> None:
        """Name the folder; nothing is written.

        out (Path): the output.
        """
        self.out = out
        self.path = out.parent / f"{out.name}.work"
        self._manifest_file = self.path / "manifest.json"
        self._skipped_file = self.path / "skipped.jsonl"
        self._unfinished = self.path / "output.tmp"
        self._is_finished = False

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder and lock it; at the end, remove it unless it holds work to continue.

        RAISES: FileExistsError if something else has its name; BlockingIOError if another command writes the
            same output; ValueError if its manifest is none of ours; OSError if it cannot be made or locked;
            KeyboardInterrupt in place of one inside, which says how to continue.
        """
        try:
            lock = self._lock()
            try:
                yield
            finally:
                with hold_stops():
                    self._close(lock)
        except KeyboardInterrupt as err:
            raise type(err)(f"stopped. {self._how_to_continue()}") from err

    @property
    def is_begun(self) -> bool:
        """Whether an earlier run has left work that can be continued: a manifest."""
        return os.path.lexists(self._manifest_file)

    @property
    def has_shards(self) -> bool:
        """Whether a run has finished a shard."""
        return any(True for pattern in SHARDS for _ in self.path.glob(pattern))

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest, once a run is begun.

        RAISES: ValueError if it is none; OSError if it cannot be read.
        """
        return read_manifest(self._manifest_file)

    def begin(self, description: Description, plan: ReadPlan, progress: bool) -> None:
        """Check all records and write the manifest, after what other runs have left is removed.

        description (Description): what decides the output.
        plan (ReadPlan): what is read.
        progress (bool): whether to show a bar on standard error.
        RAISES: ValueError for a bad record unless `skip_errors`; OSError if a file cannot be read or written.
        """
        self._clear()
        checked = check_inputs(plan, self.path / "ids.sqlite", progress)
        write_atomically(self._skipped_file, (json_row(row._asdict()) for row in checked.skipped))
        manifest = Manifest(description, checked.n_records, len(checked.skipped), checked.digests)
        write_atomically(self._manifest_file, [manifest.to_json()])

    def is_same_run(self, description: Description) -> bool:
        """Whether the run that was begun is this one; one without a finished shard is given up for another.

        description (Description): what decides the output of this run.
        RAISES: ValueError if the earlier run had another description and has finished a shard, or if its
            manifest is none; OSError if the manifest cannot be read.
        """
        differences = self.manifest.differences(description)
        if differences and self.has_shards:
            raise ValueError(
                f"{self._manifest_file} belongs to another run ({'; '.join(differences)}). Repeat the "
                f"command of that run, write to another file, or remove {self.path}"
            )
        return not differences

    def read_checked(self) -> Checked:
        """Which records are good, once a run is begun.

        RAISES: ValueError if a file is damaged; OSError if it cannot be read.
        """
        try:
            with self._skipped_file.open(encoding="utf8") as file:
                rows = [json.loads(line) for line in file]
            skipped = [Skipped(Place(*row["place"]), row["file"], row["reason"]) for row in rows]
        except (ValueError, TypeError, KeyError) as err:
            raise ValueError(
                f"{self._skipped_file} is damaged ({err}): remove {self.path} and start again"
            ) from err
        return Checked(self.manifest.n_records, skipped, self.manifest.digests)

    def write_output(
        self, fmt: Format, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
    ) -> None:
        """Write the output to a file in the folder.

        fmt (Format): of the output.
        records (Iterable[Record]): may be iterated over more than once.
        tokenizer (Tokenizer): for formats that hold tokens.
        options (WriteOptions): what is written beside the entities.
        RAISES: OSError if the file cannot be written; ValueError if the format cannot hold a record.
        """
        write_unfinished(self._unfinished, self.out, fmt, records, tokenizer, options)

    def finish(self, skipped: Iterable[Skipped], overwrite: bool) -> None:
        """Move the output to its place, with a list of the records left out beside it.

        skipped (Iterable[Skipped]): the records left out.
        overwrite (bool): whether to replace a file that this run has not written.
        RAISES: FileExistsError if there is such a file; OSError if one cannot be written, moved or removed.
        """
        if not overwrite and os.path.lexists(self.out) and not self._is_written():
            raise FileExistsError(
                f"{self.out} exists, and this run has not written it: move it away, or overwrite it "
                "(--overwrite)"
            )
        write_skipped(self.out, skipped)
        self._unfinished.replace(self.out)
        # Before the rest, so that what a stop leaves of it is not taken for work to continue.
        self._manifest_file.unlink()
        self._is_finished = True

    @property
    def skipped_list(self) -> Path:
        """The list of the records left out, beside the output."""
        return skipped_list(self.out)

    @contextmanager
    def explain_io_errors(self) -> Iterator[None]:
        """Say in the message of an error how to continue.

        RAISES: OSError in place of one inside.
        """
        try:
            yield
        except OSError as err:
            where = f" ({err.filename})" if err.filename else ""
            raise OSError(f"{err.strerror or err}{where}. {self._how_to_continue()}") from err

    def _lock(self) -> FileLock:
        """Make the folder, and lock it for this command."""
        self._check_own()
        lock = FileLock(self.path / LOCK_NAME)
        with self.explain_io_errors():
            self.path.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=LOCK_SECONDS, poll_interval=0.1)
        except Timeout as err:
            raise BlockingIOError(
                f"another command writes {self.out}: it has locked {self.path}. Wait until it ends, or write "
                "to another file"
            ) from err
        return lock

    def _check_own(self) -> None:
        """Refuse a folder that no run has made."""
        where = f"{self.path}, where work is kept until the output is complete,"
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            raise FileExistsError(f"{where} is a link or a file: move it away, or name another output")
        names = sorted(path.name for path in self.path.iterdir()) if self.path.exists() else []
        if not names or LOCK_NAME in names:
            return
        if self.is_begun:
            read_manifest(self._manifest_file)
            return
        shown = ", ".join([*map(repr, names[:3]), *(["..."] if len(names) > 3 else [])])
        raise FileExistsError(
            f"{where} holds files that annotate did not write ({shown}): move it away, or name another output"
        )

    def _close(self, lock: FileLock) -> None:
        """Unlock the folder; remove it if there is no work to continue."""
        try:
            # Somebody may have removed it, which is an error of its own where it was needed.
            if self.path.is_dir() and not self._has_work():
                self._clear()
                others = [path.name for path in self.path.iterdir() if path.name != LOCK_NAME]
                if others:
                    warnings.warn(
                        f"{self.path} stays: it holds files that annotate did not write ({others[0]!r}, ...)",
                        stacklevel=2,
                    )
                else:
                    # As long as it is held: nobody is to get the lock of a folder that is removed.
                    (self.path / LOCK_NAME).unlink(missing_ok=True)
        finally:
            lock.release()
        if not (self.path / LOCK_NAME).exists():
            # Another command may begin here at this moment.
            with suppress(OSError):
                self.path.rmdir()

    def _has_work(self) -> bool:
        """Whether the folder has to stay: it holds a finished shard, or the manifest of something else."""
        if not self.is_begun:
            return False
        try:
            return bool(self.manifest) and self.has_shards
        except (OSError, ValueError):
            return True

    def _clear(self) -> None:
        """Remove what a run has written, but for the lock; the manifest first."""
        self.__dict__.pop("manifest", None)
        for path in [path for pattern in OWN_FILES for path in sorted(self.path.glob(pattern))]:
            if path.is_symlink() or not path.is_dir():
                path.unlink()
        for path in [self.path / name for name in OWN_FOLDERS]:
            if path.is_dir():
                shutil.rmtree(path)

    def _is_written(self) -> bool:
        """Whether the output is that of this run, which was killed between the steps of `finish`."""
        return self.out.is_file() and filecmp.cmp(self.out, self._unfinished, shallow=False)

    def _how_to_continue(self) -> str:
        """The end of a message about a stop."""
        if self._is_finished:
            return f"{self.out} is complete"
        if self.is_begun and self.has_shards:
            return f"The work done so far is in {self.path}: repeat the command to continue"
        return "No shard was finished: repeat the command to start again"
