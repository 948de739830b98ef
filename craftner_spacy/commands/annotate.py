"""The command ``annotate``."""

from pathlib import Path
from typing import Annotated

import typer

from .left_out import tell_left_out
from .options import (
    Encoding,
    Fields,
    GpuId,
    IdField,
    InputFormat,
    Kb,
    KeepNames,
    LabelMap,
    Model,
    NoText,
    OutputFormat,
    Overwrite,
    Precision,
    SkipErrors,
    TextField,
    Threshold,
    existing,
    parse_label_map,
    use_gpu,
)
from .stops import clean_stops


def annotate_command(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="files, or folders of .txt files", metavar="IN", callback=existing),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="the file to write; its suffix is its format")
    ],
    model: Model = "small",
    threshold: Threshold = None,
    batch_tokens: Annotated[int | None, typer.Option(help="wordpieces in one forward pass")] = None,
    precision: Precision = None,
    label_map: LabelMap = None,
    kb: Kb = "auto",
    n_process: Annotated[int, typer.Option(help="processes; -1: one for each CPU")] = 1,
    limit: Annotated[int | None, typer.Option(help="annotate at most this many records")] = None,
    skip_errors: SkipErrors = False,
    input_format: InputFormat = None,
    output_format: OutputFormat = None,
    text_field: TextField = "text",
    id_field: IdField = "id",
    make_ids: Annotated[
        bool, typer.Option("--make-ids", help="give records without an id their file's name and number")
    ] = False,
    encoding: Encoding = None,
    no_text: NoText = False,
    keep_names: KeepNames = False,
    fields: Fields = False,
    overwrite: Overwrite = False,
    gpu_id: GpuId = -1,
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

    RAISES: FileNotFoundError if an input does not exist; ValueError for `--gpu-id` with the engine ray; Exit
        after Ctrl-C or SIGTERM; what `processing.annotate.annotate` raises.
    """
    if engine == "ray" and gpu_id >= 0:
        raise ValueError(f"--gpu-id {gpu_id}: with --engine ray use --gpus-per-worker")
    names = parse_label_map(label_map)
    from ..processing.annotate import annotate

    use_gpu(gpu_id)
    with clean_stops():
        done = annotate(
            list(inputs),
            output,
            model,
            threshold=threshold,
            batch_tokens=batch_tokens,
            precision=precision,
            label_map=names,
            kb=kb,
            n_process=n_process,
            limit=limit,
            skip_errors=skip_errors,
            input_format=input_format,
            output_format=output_format,
            text_field=text_field,
            id_field=id_field,
            make_ids=make_ids,
            encoding=encoding,
            no_text=no_text,
            keep_names=keep_names,
            fields=fields,
            overwrite=overwrite,
            progress=True,
            engine=engine,
            workers=workers,
            cpus_per_worker=cpus_per_worker,
            gpus_per_worker=gpus_per_worker,
            address=address,
        )
    speed = f", {done.new_words / done.seconds:,.0f} words/s" if done.new_records else ""
    linked = f", {done.linked:,} of them with ids" if done.linked else ""
    typer.echo(
        f"{done.output}: {done.records:,} records, {done.words:,} words, {done.entities:,} entities{linked} "
        f"({done.new_records:,} records in this run{speed})"
    )
    tell_left_out(done.output, done.skipped, done.left_out)
