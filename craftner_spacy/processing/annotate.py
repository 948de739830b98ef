"""Files in, annotated files out: `annotate`, in shards that survive a stop.

All records are read twice. The first time nothing is annotated: each record is checked and counted, so that
a bad one is found before hours of work. The second time the records are annotated shard by shard, and each
shard is stored as soon as it is complete; see `workdir` and the engines, `local` and `ray`.

Where a shard ends depends on the records alone, and no batch has records of two shards. So a run that was
stopped has the same batches, the same scores and the same bytes as one that was not; and so have the two
engines.
"""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.util import is_package

from ..data.file_kinds import check_output
from ..data.formats import Format, get_output_format
from ..data.records import Tokenizer
from ..pipelines import absolute_kb, labels_without_ids, load_pipeline
from ..sources import ALIASES
from .counted_records import CountedRecords
from .engine import Engine, RunStats
from .inputs import Checked, ReadPlan, make_shards
from .local import LocalEngine
from .processes import refuse_unguarded_main
from .settings import BATCH_RECORDS, ENGINES, SHARD_CHARACTERS, Settings, Workers
from .source_files import LeftOut, Source, describe_sources, find_sources
from .workdir import WorkDir


@dataclass(frozen=True)
class Summary:
    """What `annotate` did.

    output (Path): the file that it wrote.
    records, words, entities (int): in the output; words are what white space separates.
    linked (int): entities that have the id of a concept.
    skipped (int): records left out; they are listed in OUTPUT.skipped.jsonl.
    seconds (float): spent on annotating, in this run.
    new_records, new_words (int): annotated in this run.
    left_out (Sequence[LeftOut]): files of the folders among the inputs that were not read, and why.
    """

    output: Path
    records: int
    words: int
    entities: int
    linked: int
    skipped: int
    seconds: float
    new_records: int
    new_words: int
    left_out: Sequence[LeftOut] = ()


def annotate(
    inputs: str | Path | Iterable[str | Path],
    output: str | Path,
    model: str | Language = "small",
    *,
    threshold: float | None = None,
    batch_tokens: int | None = None,
    precision: str | None = None,
    label_map: Mapping[str, str] | None = None,
    kb: str = "auto",
    n_process: int = 1,
    limit: int | None = None,
    skip_errors: bool = False,
    input_format: str | None = None,
    output_format: str | None = None,
    text_field: str = "text",
    id_field: str = "id",
    make_ids: bool = False,
    encoding: str | None = None,
    no_text: bool = False,
    keep_names: bool = False,
    fields: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    shard_characters: int = SHARD_CHARACTERS,
    engine: str = "local",
    workers: int | None = None,
    cpus_per_worker: float = 1,
    gpus_per_worker: float = 0,
    address: str | None = None,
) -> Summary:
    """Annotate files; continue where an earlier run with the same arguments was stopped.

    inputs (str | Path | Iterable[str | Path]): files, or folders, of which the .txt files are taken, or those
        of `input_format`; see `source_files`.
    output (str | Path): the file to write; its suffix tells the format, and ``.gz`` after it compresses it.
    model (str | Language): 'small', 'biobert', a hub id, a folder with a model or a pipeline, or a package;
        or a loaded pipeline with a `craft_ner` (not for the engine 'ray', whose workers load it themselves).
    threshold (float | None), batch_tokens (int | None), precision (str | None), label_map (Mapping | None):
        as of `craft_ner` and its model; None: as the pipeline has them. Not allowed for a loaded pipeline.
    kb (str): what gives the entities ids: 'bundled', the file of a knowledge base, or 'none'; 'auto': the
        pipeline's own `craft_linker`, or the bundled knowledge base for a model that is no pipeline.
    n_process (int): processes that annotate; -1: one for each CPU.
    limit (int | None): the most records to annotate; None: all.
    skip_errors (bool): whether to leave out bad records, and list them in OUTPUT.skipped.jsonl.
    input_format, output_format (str | None): see `data.formats.FORMATS`; None: as the file's suffix tells.
    text_field, id_field (str): the names of these fields in JSON Lines and Parquet; the id's in DocBin, too.
    make_ids (bool): whether to name records without an id after their file and number.
    encoding (str | None): of inputs of plain text, unless their first bytes tell another one; None: UTF-8.
    no_text (bool): whether to leave the texts of the records out of the output.
    keep_names (bool): whether text and id have the inputs' names in the output.
    fields (bool): whether a table of entities has the records' other fields.
    overwrite (bool): whether to replace the output if it exists.
    progress (bool): whether to show bars on standard error.
    shard_characters (int): a shard ends with the batch that brings it to this many characters.
    engine (str): 'local': this machine; 'ray': workers on Ray. Both write the same bytes.
    workers (int | None): number of workers of the engine 'ray'; None: as many as leave one CPU free.
    cpus_per_worker, gpus_per_worker (float): what each worker has for itself.
    address (str | None): of a running Ray cluster; None: Ray is started on this machine, and stopped at the
        end.
    RETURNS (Summary): what was done.
    RAISES: ValueError for a bad record (unless `skip_errors`), a wrong argument, an input or output that is
        no file, an input that changes meanwhile, or an earlier run with other arguments; FileExistsError if
        the output exists (unless `overwrite`), or something else has the name of the working folder;
        BlockingIOError if another command writes the same output; OSError if a file cannot be read or
        written or a process is killed; ImportError if the library of a format or of the engine is not
        installed; RuntimeError in a process that is just being started, for which the script needs a guard;
        KeyboardInterrupt with a message that says how to continue.
    """
    refuse_unguarded_main()
    out = Path(output)
    pool = Workers(workers, cpus_per_worker, gpus_per_worker, address)
    _check_engine(engine, model, n_process, pool)
    sources, left_out = find_sources(inputs, input_format, out)
    fmt = get_output_format(out, output_format)
    settings = Settings(
        limit=limit,
        skip_errors=skip_errors,
        text_field=text_field,
        id_field=id_field,
        make_ids=make_ids,
        output_format=fmt.name,
        shard_characters=shard_characters,
        engine=engine,
        encoding=encoding,
        no_text=no_text,
        keep_names=keep_names,
        fields=fields,
    )
    fmt.check_options(settings.write_options)
    work = WorkDir(out)
    _check_output(work, sources, overwrite)
    with work.opened():
        # Another command may have written it before this one got the lock.
        _check_output(work, sources, overwrite)
        model = _resolve_model_path(model)
        model_settings: dict[str, Any] = {
            "threshold": threshold,
            "batch_tokens": batch_tokens,
            "precision": precision,
            "label_map": label_map,
            "kb": absolute_kb(kb),
        }
        nlp = load_pipeline(model, **model_settings)
        _warn_of_labels_without_ids(nlp)
        plan = ReadPlan(sources, settings, nlp.max_length, fmt.forbidden_id_chars)
        if engine == "local":
            opened: AbstractContextManager[Engine] = nullcontext(
                LocalEngine(nlp, work.path, n_process, progress)
            )
        else:
            opened = _open_ray_engine(nlp, model, model_settings, work.path, pool, progress)
        with opened as annotator:
            checked, stats = _run(work, plan, annotator, progress)
        written = _write_output(work, plan, fmt, annotator, checked, nlp.make_doc, overwrite)
    return Summary(
        output=out,
        records=written.records,
        words=written.words,
        entities=written.entities,
        linked=written.linked,
        skipped=len(checked.skipped),
        seconds=stats.seconds,
        new_records=stats.records,
        new_words=stats.words,
        left_out=left_out,
    )


def _check_engine(engine: str, model: str | Language, n_process: int, pool: Workers) -> None:
    """Refuse an engine that does not exist, or arguments that are not for it."""
    if n_process < 1 and n_process != -1:
        raise ValueError(f"n_process = {n_process}: allowed are whole numbers from 1, and -1 for all CPUs")
    if engine not in ENGINES:
        raise ValueError(f"engine = {engine!r}: allowed are {', '.join(ENGINES)}")
    if engine == "local":
        for field in fields_of(pool):
            value = getattr(pool, field.name)
            if value != field.default:
                raise ValueError(f"{field.name} = {value!r}: this is a setting of engine 'ray'")
        return
    if isinstance(model, Language):
        raise ValueError(
            "the workers of engine 'ray' load the pipeline themselves: give its name or folder, not the "
            "pipeline (nlp.to_disk saves it)"
        )
    if n_process != 1:
        raise ValueError(f"n_process = {n_process}: engine 'ray' has no processes but workers")


def _warn_of_labels_without_ids(nlp: Language) -> None:
    """Once and before the work, where the pipeline would do so for each batch."""
    labels = labels_without_ids(nlp)
    if labels:
        warnings.warn(
            f"the knowledge base has no table for {', '.join(labels)}: their entities get no ids",
            stacklevel=3,
        )


def _check_output(work: WorkDir, sources: Sequence[Source], overwrite: bool) -> None:
    """Refuse an output that would replace what it must not."""
    inputs = [source.path for source in sources]
    check_output(work.out, inputs, overwrite=overwrite or work.is_begun)
    check_output(work.skipped_list, inputs, overwrite=True)


def _resolve_model_path(model: str | Language) -> str | Language:
    """The model; a folder by its absolute path, since Ray's workers have another working directory."""
    if isinstance(model, Language) or model in ALIASES or is_package(model):
        return model
    folder = Path(os.path.expanduser(model))
    return str(folder.resolve()) if folder.is_dir() else model


def _open_ray_engine(
    nlp: Language,
    model: str | Language,
    model_settings: dict[str, Any],
    folder: Path,
    pool: Workers,
    progress: bool,
) -> AbstractContextManager[Engine]:
    """The engine on Ray; ImportError if the extra `ray` is not installed."""
    if pool.address is None:
        # Read when Ray is imported. The name misleads: at 0, on any system, what Ray starts here has this
        # machine's loopback as its address, and listens nowhere else.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from .ray import open_ray_engine

    return open_ray_engine(nlp, model, model_settings, folder, pool, progress)


def _run(work: WorkDir, plan: ReadPlan, engine: Engine, progress: bool) -> tuple[Checked, RunStats]:
    """Begin a run or continue an earlier one, until all records are annotated."""
    description = {
        "inputs": describe_sources(plan.sources),
        "settings": {**asdict(plan.settings), "batch_records": BATCH_RECORDS},
        "model": engine.description,
    }
    with work.explain_io_errors():
        if not (work.is_begun and work.is_same_run(description)):
            work.begin(description, plan, progress)
        checked = work.read_checked()
        return checked, engine.run(make_shards(plan, checked), checked.n_records)


def _write_output(
    work: WorkDir,
    plan: ReadPlan,
    fmt: Format,
    engine: Engine,
    checked: Checked,
    tokenizer: Tokenizer,
    overwrite: bool,
) -> CountedRecords:
    """Write the annotated records to the output; ValueError if some are missing."""
    written = CountedRecords(engine.records)
    with work.explain_io_errors():
        work.write_output(fmt, written, tokenizer, plan.settings.write_options)
        if written.records != checked.n_records:
            raise ValueError(
                f"{work.path} holds {written.records} records, not {checked.n_records}: a file in it was "
                "removed or changed. Remove the folder and start again"
            )
        work.finish(checked.skipped, overwrite)
    return written
