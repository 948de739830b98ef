"""Files in, annotated files out: `annotate`, in shards that outlive a stop.

Everything is read twice. The first time nothing is annotated: each record is checked and counted, so that a
bad one is found before hours of work. The second time runs of records, the shards, are annotated, and each is
written whole under a temporary name and then given its own:

    OUT.work/manifest.json      inputs, model, versions and settings; work is not mixed with that of others
    OUT.work/skipped.jsonl      records left out, and why
    OUT.work/00000.jsonl ...    shards
    OUT                         all of them, in its own format, when the last is done; the folder goes then

Where a shard ends depends on the records alone, and batches never reach over an end: so a run that was
stopped and one that was not have the same batches, the same scores and the same bytes. So have the two
engines: one annotates the shards here, one after the other; the other (`ray_annotate`) gives them to workers.
"""

import hashlib
import json
import os
import platform
import shutil
import sqlite3
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.language import Language
from spacy.util import dot_to_dict, is_package
from tqdm import tqdm

from .craft_ner import CraftNER
from .formats import (
    Annotation,
    BadRecord,
    Format,
    Reading,
    Record,
    doc_entities,
    format_of,
    json_line,
    read_file,
    stem_of,
    write_file,
    wrong_id,
)
from .model import shim_of
from .sources import ALIASES

ENGINES = ("local", "ray")
RAY_SETTINGS = {"workers": None, "cpus_per_worker": 1, "gpus_per_worker": 0, "address": None}
OWN_SETTINGS = {"threshold": "threshold", "batch_tokens": "batch_tokens", "precision": "model.precision"}
"""Settings of the component that a run may choose, and where its config has them."""
BATCH_RECORDS = 64
SHARD_CHARACTERS = 500_000
Batch = list[tuple[int, Record]]
"""Records, each with the number of its shard."""
Entities = list[tuple[Annotation, ...]]
"""Of each text."""
VERSIONS = ("craftner_spacy", "spacy", "torch", "transformers", "tokenizers")


class Source(NamedTuple):
    """A file to be read: its path, the name its records are called by, its format."""

    path: Path
    name: str
    format: Format


class Skipped(NamedTuple):
    """A record that was left out: its file, its number in it (from 1), and why."""

    file: str
    record: int
    reason: str


class Summary(NamedTuple):
    """What `annotate` did.

    output (Path): the file it wrote.
    records, words, entities (int): in it; words are what white space separates.
    skipped (int): records left out; OUT.skipped.jsonl has them.
    seconds (float): spent on annotating, in this run.
    new_records, new_words (int): annotated in this run.
    """

    output: Path
    records: int
    words: int
    entities: int
    skipped: int
    seconds: float
    new_records: int
    new_words: int


class Plan(NamedTuple):
    """What is to be read, and how.

    limit (int | None): good records, at most.
    make_ids (bool): whether a record without an id is called after its file and number.
    max_length (int): characters that the pipeline takes at once.
    not_in_ids (str): characters that an id cannot have in it; the output's format says which.
    """

    sources: Sequence[Source]
    reading: Reading
    limit: int | None
    make_ids: bool
    max_length: int
    not_in_ids: str


def annotate(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    model: str | Language = "small",
    *,
    threshold: float | None = None,
    batch_tokens: int | None = None,
    precision: str | None = None,
    n_process: int = 1,
    limit: int | None = None,
    skip_errors: bool = False,
    input_format: str | None = None,
    output_format: str | None = None,
    text_field: str = "text",
    id_field: str = "id",
    make_ids: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    shard_characters: int = SHARD_CHARACTERS,
    engine: str = "local",
    workers: int | None = None,
    cpus_per_worker: float = 1,
    gpus_per_worker: float = 0,
    address: str | None = None,
) -> Summary:
    """Annotate files, and go on where an earlier run with the same arguments was stopped.

    inputs: files, or folders: of these the .txt files are taken, or those of `input_format`.
    output: the file to be written, in the format that its name tells; ``.gz`` packs it.
    model (str | Language): 'small', 'biobert', a hub id, a folder with a model or a pipeline, a package; or
        a loaded pipeline with a `craft_ner` (not with the engine 'ray', whose workers load it themselves).
    threshold, batch_tokens, precision: as of `craft_ner` and its model; None: as the pipeline has them. Not
        for a loaded pipeline.
    n_process (int): processes that annotate; -1: one for each processor.
    limit (int): records, at most.
    skip_errors (bool): leave bad records out, and list them in OUTPUT.skipped.jsonl.
    input_format, output_format (str): see `formats.FORMATS`; None: by the file's name.
    text_field, id_field (str): names of these fields in JSON Lines and Parquet.
    make_ids (bool): name records that have no id after their file and number.
    overwrite (bool): whether a file `output` that is there already may be replaced.
    progress (bool): whether to show bars on standard error.
    shard_characters (int): a shard ends with the batch that reaches this many characters.
    engine (str): 'local': here; 'ray': by workers on Ray. Both write the same.
    workers (int): of the engine 'ray'; None: as many as leave one processor free.
    cpus_per_worker, gpus_per_worker (float): that each of them has to itself.
    address (str): of a running Ray cluster; None: Ray is started on this machine, and stopped in the end.
    RAISES: ValueError for a bad record (unless `skip_errors`), a wrong argument or work of other settings;
        OSError where a file cannot be read or written or a process is killed; ImportError where the library
        of the format or of the engine is missing.
    """
    out = Path(output)
    _check_numbers(n_process, limit, shard_characters, workers, cpus_per_worker, gpus_per_worker)
    _check_engine(engine, model, n_process, (workers, cpus_per_worker, gpus_per_worker, address))
    sources = find_sources([inputs] if isinstance(inputs, str | Path) else inputs, input_format)
    kind = format_of(out, output_format, "--output-format")
    if kind.write is None:
        raise ValueError(f"{out}: {kind.name} cannot hold entities")
    work = out.with_name(f"{out.name}.work")
    if out.exists() and not overwrite and not (work / "manifest.json").exists():
        raise FileExistsError(f"{out} is there already: name another file, or overwrite it (--overwrite)")
    if out.resolve() in {source.path.resolve() for source in sources}:
        raise ValueError(f"{out} is one of the inputs: name another file for the output")
    if engine == "ray":
        assert isinstance(model, str)
        model = _seen_from_elsewhere(model)
    given = {"threshold": threshold, "batch_tokens": batch_tokens, "precision": precision}
    nlp = load_pipeline(model, **given)
    reading = Reading("", text_field, id_field, entities=False)
    plan = Plan(sources, reading, limit, make_ids, nlp.max_length, kind.not_in_ids)
    settings = {
        "limit": limit,
        "skip_errors": skip_errors,
        "text_field": text_field,
        "id_field": id_field,
        "make_ids": make_ids,
        # Decides which records can be held.
        "output_format": kind.name,
        "shard_characters": shard_characters,
        "batch_records": BATCH_RECORDS,
        "engine": engine,
    }
    wanted = {"inputs": describe_sources(sources), "settings": settings}
    begin = partial(_begin, work, plan=plan, skip_errors=skip_errors, progress=progress)
    if engine == "local":
        described = describe_model(nlp)
        with _clear_io_errors(work):
            manifest = begin({**wanted, "model": described})
            run = _annotate_shards(work, plan, nlp, n_process, manifest, shard_characters, progress)
            return _finish(work, out, kind, nlp, manifest, run, partial(_annotated_records, work))
    ray_annotate = _import_ray(address)
    pool = ray_annotate.Pool(workers, cpus_per_worker, gpus_per_worker, address)
    load = partial(load_worker, model, given, gpus_per_worker > 0)
    with ray_annotate.cluster(pool):
        # Workers of this machine's processors are as this process is, which saves starting one to ask.
        here = address is None and not gpus_per_worker
        described = describe_model(nlp) if here else ray_annotate.on_a_worker(pool, partial(_describe, load))
        with _clear_io_errors(work):
            manifest = begin({**wanted, "model": described})
            ray_annotate.stage(work, _sharded(work, plan, manifest, shard_characters))
            run = ray_annotate.annotate_shards(work, pool, partial(_annotator, load, described), progress)
    with _clear_io_errors(work):
        return _finish(work, out, kind, nlp, manifest, run, partial(ray_annotate.in_order, work))


def _check_numbers(
    n_process: int, limit: int | None, shard_characters: int, workers: int | None, cpus: float, gpus: float
) -> None:
    if n_process < 1 and n_process != -1:
        raise ValueError(
            f"n_process = {n_process}: allowed are whole numbers from 1, and -1 for all processors"
        )
    for name, number in {"limit": limit, "shard_characters": shard_characters, "workers": workers}.items():
        if number is not None and number < 1:
            raise ValueError(f"{name} = {number}: allowed are whole numbers from 1")
    if cpus <= 0:
        raise ValueError(f"cpus_per_worker = {cpus}: allowed are numbers over 0")
    if gpus < 0:
        raise ValueError(f"gpus_per_worker = {gpus}: allowed are numbers from 0; a share of one is one")


def _check_engine(engine: str, model: str | Language, n_process: int, of_ray: tuple[Any, ...]) -> None:
    if engine not in ENGINES:
        raise ValueError(f"engine = {engine!r}: allowed are {', '.join(ENGINES)}")
    for (name, default), value in zip(RAY_SETTINGS.items(), of_ray, strict=True):
        if engine == "local" and value != default:
            raise ValueError(f"{name} = {value!r}: this is a setting of engine 'ray'")
    if engine == "ray" and isinstance(model, Language):
        raise ValueError(
            "the workers of engine 'ray' load the pipeline themselves: give its name or folder, not the "
            "pipeline (nlp.to_disk saves it)"
        )
    if engine == "ray" and n_process != 1:
        raise ValueError(f"n_process = {n_process}: with engine 'ray' it is workers that are counted")


def _import_ray(address: str | None) -> Any:
    """The other engine, which needs an extra."""
    if address is None:
        # Read when Ray is imported. The name misleads: at 0, on any system, what Ray starts here has this
        # machine's loopback as its address, and listens nowhere else.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from . import ray_annotate

    return ray_annotate


def _seen_from_elsewhere(model: str) -> str:
    """The model's name, or its folder as a process finds it whose working directory is another."""
    folder = Path(model).expanduser()
    return str(folder.resolve()) if model not in ALIASES and folder.is_dir() else model


def find_sources(inputs: Sequence[str | Path], input_format: str | None) -> list[Source]:
    """The files that the inputs stand for, those of a folder in order of their names.

    RAISES: FileNotFoundError if there is no such file or none in a folder; ValueError for a format unknown.
    """
    sources = []
    for path in map(Path, inputs):
        if path.is_dir():
            kind = format_of(path, input_format or "text", "--input-format")
            paths = [p for p in sorted(path.rglob("*")) if p.name.removesuffix(".gz").endswith(kind.suffixes)]
            if not paths:
                raise FileNotFoundError(
                    f"{path} holds no {' or '.join(kind.suffixes)} file: give --input-format"
                )
            sources += [Source(p, (p.parent / stem_of(p)).relative_to(path).as_posix(), kind) for p in paths]
        elif path.is_file():
            sources.append(Source(path, stem_of(path), format_of(path, input_format, "--input-format")))
        else:
            raise FileNotFoundError(f"{path}: there is no such file or folder")
    return sources


def describe_sources(sources: Sequence[Source]) -> dict[str, Any]:
    """Number and size of the files, and a digest of their names, sizes and times of change."""
    digest, size = hashlib.sha256(), 0
    for source in sources:
        stat = source.path.stat()
        size += stat.st_size
        digest.update(repr((str(source.path.resolve()), source.name, source.format.name)).encode())
        digest.update(repr((stat.st_size, stat.st_mtime_ns)).encode())
    return {"files": len(sources), "bytes": size, "digest": digest.hexdigest()}


def load_pipeline(model: str | Language, **settings: Any) -> Language:
    """The pipeline of that name, or a blank one with a `craft_ner` of that model.

    settings: some of `OWN_SETTINGS`; None: as the pipeline has it.
    RAISES: ValueError if it has no `craft_ner` with a span group, or if the settings come with a loaded
        pipeline; what `spacy.load` and `sources.find_folder` raise.
    """
    chosen = {OWN_SETTINGS[name]: value for name, value in settings.items() if value is not None}
    if isinstance(model, Language):
        if chosen:
            raise ValueError(f"{', '.join(OWN_SETTINGS)} of a loaded pipeline are set on its component")
        component_of(model)
        return model
    if is_package(model) or (Path(model) / "meta.json").is_file():
        nlp = spacy.load(model)
        name = component_of(nlp).name
        config = {f"components.{name}.{key}": value for key, value in chosen.items()}
        return spacy.load(model, config=config) if config else nlp
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config=dot_to_dict({"model.name": model, **chosen}))
    return nlp


def component_of(nlp: Language) -> CraftNER:
    """The pipeline's `craft_ner`.

    RAISES: ValueError if it has none, or one without a span group, which holds the scores.
    """
    found = [component for _, component in nlp.pipeline if isinstance(component, CraftNER)]
    if not found:
        raise ValueError(f"the pipeline has no craft_ner, only: {', '.join(nlp.pipe_names) or 'nothing'}")
    if found[0].spans_key is None:
        raise ValueError("spans_key = null: the scores of craft_ner are needed, which a span group holds")
    return found[0]


def describe_model(nlp: Language) -> dict[str, Any]:
    """What decides the entities: the pipeline's config and weights, device, precision, versions."""
    component = component_of(nlp)
    shim = shim_of(component.model)
    digest = hashlib.sha256(nlp.config.to_str().encode())
    # Loads the weights, if need be.
    digest.update(repr(component.scheme.tags).encode())
    for name, tensor in sorted(shim._hfmodel.transformer.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return {
        "digest": digest.hexdigest(),
        "threshold": component.threshold,
        "batch_tokens": component.model.attrs["batch_tokens"],
        "device": shim.device.type,
        "precision": shim.inference_precision,
        **{name: version(name) for name in VERSIONS},
    }


def load_worker(model: str | Language, settings: dict[str, Any], gpu: bool) -> Language:
    """The pipeline as a worker has it: on a graphics card if it was given one."""
    if gpu:
        spacy.require_gpu()
    return load_pipeline(model, **settings)


def _describe(load: Callable[[], Language]) -> dict[str, Any]:
    return describe_model(load())


def _annotator(
    load: Callable[[], Language], described: dict[str, Any]
) -> Callable[[Sequence[Record]], list[Record]]:
    """What annotates in a worker.

    RAISES: ValueError if its pipeline is not what was described: all workers have to find the same.
    """
    nlp = load()
    found = describe_model(nlp)
    if found != described:
        different = [
            f"{key}: {value!r}, not {described[key]!r}"
            for key, value in found.items()
            if value != described[key]
        ]
        raise ValueError(f"a worker on {platform.node()} has another pipeline ({'; '.join(different)})")

    def annotate_shard(records: Sequence[Record]) -> list[Record]:
        with _entities_off_tokens():
            return [record for _, record in _annotated(nlp, ((0, record) for record in records), 1)]

    return annotate_shard


def _read(plan: Plan, skipped: Iterable[Skipped] = ()) -> Iterator[tuple[Source, int, Record | BadRecord]]:
    """Each record with its file and its number in it; those on the list come as bad ones, unread further."""
    known = {(found.file, found.record): found.reason for found in skipped}
    for source in plan.sources:
        records = read_file(source.path, source.format, plan.reading._replace(name=source.name))
        for number, record in enumerate(records, start=1):
            reason = known.get((str(source.path), number)) if known else None
            if reason is not None:
                yield source, number, BadRecord(reason)
            elif isinstance(record, Record) and not record.id and plan.make_ids:
                yield source, number, record._replace(id=f"{source.name}:{number}")
            else:
                yield source, number, record


def _checked(record: Record | BadRecord, plan: Plan) -> str | None:
    """What is wrong with a record, if anything is."""
    if isinstance(record, BadRecord):
        return record.reason
    if not record.id:
        return (
            f"it has no id (field {plan.reading.id_field!r}); --id-field names another, --make-ids makes them"
        )
    if reason := wrong_id(record.id, plan.not_in_ids):
        return reason
    if len(record.text) > plan.max_length:
        return f"{len(record.text)} characters: the pipeline takes up to {plan.max_length} (nlp.max_length)"
    try:
        json_line(record)
    except (ValueError, RecursionError) as err:
        return f"it cannot be written again: {err}"
    return None


def _scan(plan: Plan, skip_errors: bool, ids: sqlite3.Connection, bar: Any) -> tuple[int, list[Skipped]]:
    """Check the records up to the limit: the number of good ones, and the bad ones.

    ids: an empty database: ids are held on disk, not in memory.
    """
    ids.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, file TEXT, record INTEGER) WITHOUT ROWID")
    # One transaction: one for each id would take longer than all the rest of the reading.
    ids.execute("BEGIN")
    n_good, skipped = 0, []
    for source, number, record in _read(plan):
        if n_good == plan.limit:
            break
        bar.update()
        reason = _checked(record, plan)
        if reason is None and isinstance(record, Record):
            row = (record.id, str(source.path), number)
            if not ids.execute("INSERT OR IGNORE INTO ids VALUES (?, ?, ?)", row).rowcount:
                first = ids.execute("SELECT file, record FROM ids WHERE id = ?", (record.id,)).fetchone()
                reason = f"its id {record.id!r} is that of {first[0]}, record {first[1]}, too"
        if reason is None:
            n_good += 1
        elif skip_errors:
            skipped.append(Skipped(str(source.path), number, reason))
        else:
            raise ValueError(
                f"{source.path}, record {number}: {reason}. --skip-errors leaves such records out"
            )
    if not n_good:
        raise ValueError(
            f"no record to annotate in {plan.sources[0].path} ({len(plan.sources)} files in all)"
        )
    return n_good, skipped


def _begin(
    work: Path, wanted: dict[str, Any], plan: Plan, skip_errors: bool, progress: bool
) -> dict[str, Any]:
    """The manifest of earlier work, if it is the same work, else a new one, after a look at all records.

    RAISES: ValueError if the earlier work has other inputs, another model or other settings.
    """
    path = work / "manifest.json"
    if path.is_file():
        manifest = json.loads(path.read_text(encoding="utf8"))
        _refuse_other_work(path, manifest, wanted)
        return manifest
    work.mkdir(parents=True, exist_ok=True)
    # What a stop left behind before there was a manifest, or after it was removed, is no work to go on with.
    for leftover in [*_shards(work), *work.glob("*.tmp"), work / "ids.sqlite"]:
        if not leftover.is_dir():
            leftover.unlink(missing_ok=True)
    for folder in ("input.tmp", "input", "output", "checkpoint"):
        shutil.rmtree(work / folder, ignore_errors=True)
    database = work / "ids.sqlite"
    ids = sqlite3.connect(database, isolation_level=None)
    try:
        ids.execute("PRAGMA journal_mode = MEMORY")
        ids.execute("PRAGMA synchronous = OFF")
        with tqdm(desc="checking", unit=" records", disable=not progress) as bar:
            n_good, skipped = _scan(plan, skip_errors, ids, bar)
    finally:
        ids.close()
        database.unlink(missing_ok=True)
    _write_whole(work / "skipped.jsonl", (json.dumps(found._asdict()).encode() + b"\n" for found in skipped))
    manifest = {**wanted, "records": n_good, "skipped": len(skipped)}
    _write_whole(path, [json.dumps(manifest, indent=2).encode()])
    return manifest


def _refuse_other_work(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = [
        f"{part}.{key}: {found[part].get(key)!r} then, {value!r} now"
        for part in wanted
        for key, value in wanted[part].items()
        if found[part].get(key) != value
    ]
    if different:
        raise ValueError(
            f"{path} is of other work ({'; '.join(different)}). Go on with what it had, write to another "
            f"file, or remove {path.parent}"
        )


def shard_numbers(lengths: Iterable[int], characters: int, batch: int) -> Iterator[int]:
    """The shard of each record: one ends with the batch that brings it to this many characters.

    lengths: characters of each record.
    batch (int): records in a batch.

    >>> list(shard_numbers([5, 9, 5, 5, 5], characters=12, batch=2))
    [0, 0, 1, 1, 1]
    """
    shard, total = 0, 0
    for number, length in enumerate(lengths, start=1):
        yield shard
        total += length
        if number % batch == 0 and total >= characters:
            shard, total = shard + 1, 0


class _Progress:
    """What this run has annotated, and the bar that shows it."""

    def __init__(self, total: int, shown: bool) -> None:
        self.records = self.words = 0
        self.seconds = 0.0
        self.start = time.monotonic()
        # Without smoothing the time left is told by the speed of the whole run, not of the last batch.
        self.bar = tqdm(total=total, unit=" records", smoothing=0, disable=not shown)

    def skip(self) -> None:
        """Count a record of an earlier run, which says nothing of this one's speed."""
        if not self.bar.disable:
            self.bar.n, self.bar.initial = self.bar.n + 1, self.bar.initial + 1

    def count(self, record: Record) -> None:
        """Count a record of this run."""
        self.records += 1
        self.words += len(record.text.split())
        self.seconds = time.monotonic() - self.start
        self.bar.set_postfix_str(f"{self.words / self.seconds:,.0f} words/s", refresh=False)
        self.bar.update()


def _annotate_shards(
    work: Path,
    plan: Plan,
    nlp: Language,
    n_process: int,
    manifest: dict[str, Any],
    shard_characters: int,
    show: bool,
) -> tuple[int, int, float]:
    """Annotate what no finished shard holds. RETURNS: records and words of this run, and seconds."""
    n_finished = len(_shards(work))
    progress = _Progress(manifest["records"], show)

    def unfinished() -> Iterator[tuple[int, Record]]:
        for shard, record in _sharded(work, plan, manifest, shard_characters):
            if shard < n_finished:
                progress.skip()
            else:
                yield shard, record

    def lines(group: Iterable[tuple[int, Record]]) -> Iterator[bytes]:
        for _, record in group:
            progress.count(record)
            yield json_line(record)

    with progress.bar, _entities_off_tokens():
        annotated = _annotated(nlp, unfinished(), n_process)
        for shard, group in groupby(annotated, key=lambda pair: pair[0]):
            _write_whole(work / f"{shard:05}.jsonl", lines(group))
    return progress.records, progress.words, progress.seconds


@contextmanager
def _entities_off_tokens() -> Iterator[None]:
    """Be silent about them: files hold the entities' own characters, whether tokens fit or not."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*entities do not fit the tokens", category=UserWarning)
        yield


def _annotated(
    nlp: Language, records: Iterable[tuple[int, Record]], n_process: int
) -> Iterator[tuple[int, Record]]:
    """The same records, in the same order, with the entities that the pipeline finds."""
    stream = iter(records)
    batches = iter(lambda: list(islice(stream, BATCH_RECORDS)), [])
    annotated: Iterator[tuple[Batch, Entities]]
    if n_process == 1:
        annotated = ((batch, _entities(nlp, _texts(batch))) for batch in batches)
    else:
        annotated = _in_processes(nlp, batches, os.cpu_count() or 1 if n_process == -1 else n_process)
    for batch, entities in annotated:
        if len(entities) != len(batch):
            raise ValueError(
                f"the pipeline's error handler left out {len(batch) - len(entities)} of the {len(batch)} "
                f"records from id {batch[0][1].id!r} on: it has to raise the error"
            )
        for (shard, record), found in zip(batch, entities, strict=True):
            yield shard, record._replace(entities=found)


def _texts(batch: Batch) -> list[str]:
    return [record.text for _, record in batch]


def _entities(nlp: Language, texts: list[str]) -> Entities:
    """The entities of each text, but for those that the pipeline's error handler leaves out."""
    spans_key = component_of(nlp).spans_key
    assert spans_key is not None
    return [doc_entities(doc, spans_key) for doc in nlp.pipe(texts, batch_size=BATCH_RECORDS)]


def _in_processes(
    nlp: Language, batches: Iterable[Batch], n_process: int
) -> Iterator[tuple[Batch, Entities]]:
    """The batches with their entities, in order.

    Not by ``nlp.pipe(n_process=...)``, which waits for ever where a process that was forked is killed.

    RAISES: ChildProcessError if a process ends before its work does.
    """
    sent: deque[tuple[Batch, Future[Entities]]] = deque()
    pool = ProcessPoolExecutor(n_process, initializer=_begin_process, initargs=(nlp,))
    try:
        for batch in batches:
            sent.append((batch, pool.submit(_entities_in_process, _texts(batch))))
            # One batch at work and one at hand for each process.
            if len(sent) == 2 * n_process:
                done, future = sent.popleft()
                yield done, future.result()
        while sent:
            done, future = sent.popleft()
            yield done, future.result()
    except BrokenProcessPool as err:
        raise ChildProcessError(
            f"a process of n_process = {n_process} was killed, as a system does that has no memory left: "
            "fewer processes or a lower batch_tokens need less"
        ) from err
    finally:
        pool.shutdown(cancel_futures=True)


_of_process: list[Language] = []
"""In a process of `_in_processes`: its pipeline."""


def _begin_process(nlp: Language) -> None:
    _of_process.append(nlp)


def _entities_in_process(texts: list[str]) -> Entities:
    return _entities(_of_process[0], texts)


def _sharded(
    work: Path, plan: Plan, manifest: dict[str, Any], shard_characters: int
) -> Iterator[tuple[int, Record]]:
    """The good records, each with the number of its shard."""
    with (work / "skipped.jsonl").open(encoding="utf8") as file:
        skipped = [Skipped(**json.loads(line)) for line in file]
    good = (record for _, _, record in _read(plan, skipped) if isinstance(record, Record))
    records: deque[Record] = deque()

    def lengths() -> Iterator[int]:
        for record in islice(good, manifest["records"]):
            records.append(record)
            yield len(record.text)

    for shard in shard_numbers(lengths(), shard_characters, BATCH_RECORDS):
        yield shard, records.popleft()


def _shards(work: Path) -> list[Path]:
    """The finished shards, which are the first ones."""
    return sorted(work.glob("[0-9]*.jsonl"), key=lambda path: int(path.stem))


def _write_whole(path: Path, lines: Iterable[bytes]) -> None:
    """Write a file that has its name only when all of it is on disk."""
    unfinished = path.with_name(f"{path.name}.tmp")
    with unfinished.open("wb") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _annotated_records(work: Path) -> Iterator[Record]:
    """The records of all shards, from the first."""
    jsonl = format_of(Path("shard.jsonl"), None, "")
    for path in _shards(work):
        for record in read_file(path, jsonl, Reading(path.stem)):
            if isinstance(record, BadRecord):
                raise ValueError(f"{path} is damaged ({record.reason}): remove {path.parent} and start again")
            yield record


class _Counted:
    """Records, from the first each time they are gone through; and what they amount to."""

    def __init__(self, records: Callable[[], Iterator[Record]]) -> None:
        self._all = records
        self.records = self.words = self.entities = 0

    def __iter__(self) -> Iterator[Record]:
        self.records = self.words = self.entities = 0
        for record in self._all():
            self.records += 1
            self.words += len(record.text.split())
            self.entities += len(record.entities)
            yield record


def _finish(
    work: Path,
    out: Path,
    kind: Format,
    nlp: Language,
    manifest: dict[str, Any],
    run: tuple[int, int, float],
    annotated: Callable[[], Iterator[Record]],
) -> Summary:
    """Write the annotated records as one file of the output's format, and remove the folder."""
    counted = _Counted(annotated)
    unfinished = work / "output.tmp"
    write_file(unfinished, kind, counted, nlp.make_doc, packed=out.name.endswith(".gz"))
    if counted.records != manifest["records"]:
        raise ValueError(
            f"{work} holds {counted.records} records, not {manifest['records']}: an input has changed while "
            "it was read. Remove the folder and start again"
        )
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    if manifest["skipped"]:
        shutil.copyfile(work / "skipped.jsonl", out.with_name(f"{out.name}.skipped.jsonl"))
    unfinished.replace(out)
    (work / "manifest.json").unlink()
    shutil.rmtree(work)
    new_records, new_words, seconds = run
    return Summary(
        output=out,
        records=counted.records,
        words=counted.words,
        entities=counted.entities,
        skipped=manifest["skipped"],
        seconds=seconds,
        new_records=new_records,
        new_words=new_words,
    )


@contextmanager
def _clear_io_errors(work: Path) -> Iterator[None]:
    """Say what is to be done where a file cannot be written."""
    try:
        yield
    except OSError as err:
        where = f" ({err.filename})" if err.filename else ""
        raise OSError(
            f"{err.strerror or err}{where}. What is done so far is in {work}: the same command goes on with "
            "it once this is put right"
        ) from err
    except sqlite3.OperationalError as err:
        raise OSError(f"{work}: ids cannot be checked there ({err}). Is the disk full?") from err
