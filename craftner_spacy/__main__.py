"""The commands: ``python -m craftner_spacy annotate | report | labels | info | kb``."""

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from .data.formats import FORMATS
from .data.report import report
from .inference.bf16 import has_bf16_units
from .labels import GLOSSARY
from .linking.commands import app as kb_app
from .model import get_shim
from .pipelines import VERSIONS, describe_model, get_component, load_pipeline
from .processing.annotate import annotate


class OneLineErrors(TyperGroup):
    """Commands whose errors of files and settings are shown as one line."""

    def invoke(self, ctx: Any) -> Any:
        with _one_line_errors():
            return super().invoke(ctx)


app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=__doc__,
)
app.add_typer(kb_app, name="kb")
READABLE = ", ".join(row.name for row in FORMATS)
WRITABLE = ", ".join(row.name for row in FORMATS if row.write is not None)
Model = Annotated[
    str, typer.Option(help="small, biobert, a hub id, a folder with a model or a pipeline, or a package")
]


@app.command("annotate")
def annotate_command(
    inputs: Annotated[list[Path], typer.Argument(help="files, or folders of .txt files", metavar="IN...")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="the file to write; its suffix is its format")
    ],
    model: Model = "small",
    threshold: Annotated[
        float | None, typer.Option(help="leave out entities with a lower score; 0 to 1")
    ] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="wordpieces in one forward pass")] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto, fp32, bf16, or int8 (needs the extra int8)")
    ] = None,
    n_process: Annotated[int, typer.Option(help="processes; -1: one for each CPU")] = 1,
    limit: Annotated[int | None, typer.Option(help="annotate at most this many records")] = None,
    skip_errors: Annotated[
        bool, typer.Option("--skip-errors", help="leave out bad records and list them in OUT.skipped.jsonl")
    ] = False,
    input_format: Annotated[str | None, typer.Option(help=f"if not by the suffix: {READABLE}")] = None,
    output_format: Annotated[str | None, typer.Option(help=f"if not by the suffix: {WRITABLE}")] = None,
    text_field: Annotated[str, typer.Option(help="field of the text in JSON Lines and Parquet")] = "text",
    id_field: Annotated[str, typer.Option(help="field of the id in JSON Lines, Parquet and DocBin")] = "id",
    make_ids: Annotated[
        bool, typer.Option("--make-ids", help="give records without an id their file's name and number")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace OUT if it exists")] = False,
    gpu_id: Annotated[int, typer.Option(help="GPU ID or -1 for CPU")] = -1,
    engine: Annotated[
        str, typer.Option(help="local, or ray: workers on this machine or a cluster")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(help="with ray: number of workers; default: one CPU stays free")
    ] = None,
    cpus_per_worker: Annotated[float, typer.Option(help="with ray: CPUs of each worker")] = 1,
    gpus_per_worker: Annotated[
        float, typer.Option(help="with ray: GPUs of each worker; 0.5: two share one")
    ] = 0,
    address: Annotated[
        str | None,
        typer.Option(help="with ray: a running cluster (auto, HOST:PORT); default: one is started here"),
    ] = None,
) -> None:
    """Annotate files. After a stop, the same command continues where it was.

    .gz files are read and written too. Entities and annotations of the input are replaced by the model's.
    Both engines write the same bytes.
    """
    if engine == "ray" and gpu_id >= 0:
        raise ValueError(f"--gpu-id {gpu_id}: with --engine ray use --gpus-per-worker")
    _use_gpu(gpu_id)
    done = annotate(
        list(inputs),
        output,
        model,
        threshold=threshold,
        batch_tokens=batch_tokens,
        precision=precision,
        n_process=n_process,
        limit=limit,
        skip_errors=skip_errors,
        input_format=input_format,
        output_format=output_format,
        text_field=text_field,
        id_field=id_field,
        make_ids=make_ids,
        overwrite=overwrite,
        progress=True,
        engine=engine,
        workers=workers,
        cpus_per_worker=cpus_per_worker,
        gpus_per_worker=gpus_per_worker,
        address=address,
    )
    speed = f", {done.new_words / done.seconds:,.0f} words/s" if done.new_records else ""
    typer.echo(
        f"{done.output}: {done.records:,} records, {done.words:,} words, {done.entities:,} entities "
        f"({done.new_records:,} records in this run{speed})"
    )
    if done.skipped:
        typer.echo(f"{done.skipped:,} bad records were left out: see {done.output}.skipped.jsonl", err=True)


@app.command("report")
def report_command(
    annotated: Annotated[Path, typer.Argument(help="an annotated file", metavar="ANNOTATED")],
    output: Annotated[Path, typer.Option("-o", "--output", help="the page to write")] = Path("report.html"),
    texts: Annotated[int, typer.Option(min=0, help="number of texts that are shown")] = 20,
    input_format: Annotated[str | None, typer.Option(help=f"if not by the suffix: {READABLE}")] = None,
) -> None:
    """Write an HTML page of an annotated file: counts, frequent entities, scores, and texts with entities."""
    stats = report(annotated, output, input_format=input_format, texts=texts)
    typer.echo(f"{output}: {stats.records:,} texts, {stats.entities:,} entities")


@app.command("labels")
def labels_command() -> None:
    """Print what each label means, with examples of the corpus."""
    table = Table("label", "corpus tag", "meaning", "examples")
    for label in GLOSSARY:
        table.add_row(label.name, label.corpus_tag, label.meaning, ", ".join(label.examples))
    _print(table)


@app.command("info")
def info_command(model: Model = "small", gpu_id: int = -1) -> None:
    """Print versions, and the model, device and numeric precision that would be used, and why."""
    _use_gpu(gpu_id)
    nlp = load_pipeline(model)
    facts = describe_model(nlp)
    shim = get_shim(get_component(nlp).model)
    units = "has" if has_bf16_units(facts["device"]) else "has no"
    table = Table("what", "value", "why")
    for name in VERSIONS:
        table.add_row(name, facts[name], "installed")
    table.add_row("Python", platform.python_version(), f"{platform.system()} {platform.machine()}")
    table.add_row("spacy-transformers", version("spacy-transformers"), "installed")
    table.add_row(
        "ray", _ray_version(), 'for --engine ray: pip install ".[ray]" in a checkout of craftner_spacy'
    )
    table.add_row("model", model, f"labels: {', '.join(get_component(nlp).scheme.labels)}")
    table.add_row("weights and config", facts["digest"][:16], "start of their SHA-256")
    table.add_row("device", facts["device"], f"--gpu-id {gpu_id}")
    table.add_row(
        "precision",
        facts["precision"],
        f"precision = {shim.precision}; {facts['device']} {units} units for bf16",
    )
    table.add_row("threshold", str(facts["threshold"]), "of the component")
    table.add_row("batch_tokens", str(facts["batch_tokens"]), "of the component")
    _print(table)


def _ray_version() -> str:
    try:
        return version("ray")
    except PackageNotFoundError:
        return "not installed"


def _print(table: Table) -> None:
    # A file or a pipe has no width.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _use_gpu(gpu_id: int) -> None:
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Show an error of files or settings as one line, not as a traceback."""
    try:
        yield
    except (OSError, ValueError, ImportError) as err:
        typer.secho(f"Error: {err}", fg="red", err=True)
        raise typer.Exit(1) from err


if __name__ == "__main__":
    app(prog_name="python -m craftner_spacy")
