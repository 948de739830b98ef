"""Compare both engines: whether their output is the same, how fast they are, and the time of each step."""

import os
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import measured
import torch
import typer
from tables import page, percent, table
from wasabi import msg

from craftner_spacy.data.formats import read_file
from craftner_spacy.data.jsonl import json_line
from craftner_spacy.data.records import ReadOptions, Record
from craftner_spacy.pipelines import load_pipeline
from craftner_spacy.processing.annotate import Summary, annotate
from craftner_spacy.processing.source_files import find_sources
from craftner_spacy.span_group import read_span_group

ABSTRACTS = 37_000_000
WORDS_PER_ABSTRACT = 200
"""An assumption, not a measurement: title, and abstract if there is one."""
MIN_WORDS = 80
CORES = (1, 2, 16, 128, 1024)
PACKAGES = (*measured.PACKAGES, "ray")


def main(
    articles: Annotated[Path, typer.Argument(help="the folder with the articles' texts", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/engines"),
    model: str = "small",
    limit: Annotated[int | None, typer.Option(help="the most articles")] = None,
    n: Annotated[int, typer.Option(help="the most paragraphs for the measurement of speed")] = 1280,
) -> None:
    """Annotate ARTICLES with both engines and compare the bytes; measure speed on their paragraphs."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        report = {
            "articles": compare(articles, folder, model, limit),
            "paragraphs": measure(paragraphs(articles, folder, n), folder, model),
        }
    measured.write(out, report, model, as_markdown, PACKAGES)


def compare(articles: Path, folder: Path, model: str, limit: int | None) -> dict[str, Any]:
    """Annotate the articles with both engines. Exits if their output differs."""
    outputs = {engine: folder / f"{engine}.jsonl" for engine in ("local", "ray")}
    for engine, path in outputs.items():
        workers = 2 if engine == "ray" else None
        summary = annotate(articles, path, model, limit=limit, engine=engine, workers=workers)
    if outputs["local"].read_bytes() != outputs["ray"].read_bytes():
        msg.fail("the output of the engines differs", exits=1)
    size = outputs["ray"].stat().st_size
    counts = {"records": summary.records, "words": summary.words, "entities": summary.entities}
    return counts | {"equal_bytes": size}


def paragraphs(articles: Path, folder: Path, n: int) -> Path:
    """Write a file of records as long as abstracts: the paragraphs of the articles, without short ones."""
    path = folder / "paragraphs.jsonl"
    records = [
        Record(f"{source.name}:{number}", text, {})
        for source in find_sources([articles], None).sources
        for number, text in enumerate(source.path.read_text(encoding="utf8").split("\n"))
        if len(text.split()) >= MIN_WORDS
    ]
    path.write_bytes(b"".join(map(json_line, records[:n])))
    return path


def measure(source: Path, folder: Path, model: str) -> dict[str, Any]:
    """The speed of one machine, of one worker and of two, and the time of each step."""
    short = folder / "short.jsonl"
    short.write_bytes(json_line(Record("1", "mouse", {})))
    runs: dict[str, Any] = {}
    for name, workers in {"local": None, "ray, 1 worker": 1, "ray, 2 workers": 2}.items():
        # What takes the same time for any number of records: starting Ray, and loading the pipeline.
        start_up, _ = timed(short, folder / "short-out.jsonl", model, workers)
        seconds, summary = timed(source, folder / "out.jsonl", model, workers)
        runs[name] = {
            "start_up_seconds": start_up,
            "seconds": seconds,
            "words_per_second": summary.words / (seconds - start_up),
        }
    return {
        "records": summary.records,
        "words": summary.words,
        "words_per_record": summary.words / summary.records,
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[1],
        "runs": runs,
        "scaling": runs["ray, 2 workers"]["words_per_second"] / runs["ray, 1 worker"]["words_per_second"],
        "seconds_by_step": seconds_by_step(source, model),
    }


def timed(source: Path, out: Path, model: str, workers: int | None) -> tuple[float, Summary]:
    """Annotate a file, and measure the seconds.

    A shard is one batch, so that a small file is enough for two workers.
    """
    engine = "ray" if workers else "local"
    start = time.monotonic()
    summary = annotate(source, out, model, overwrite=True, shard_characters=1, engine=engine, workers=workers)
    return time.monotonic() - start, summary


def seconds_by_step(source: Path, model: str) -> dict[str, float]:
    """CPU seconds of the steps of annotating a file, each done once."""
    nlp = load_pipeline(model)
    nlp("mouse")
    [file] = find_sources([source], None).sources
    clock = [time.process_time()]
    records = [r for r in read_file(file.path, file.format, ReadOptions("")) if isinstance(r, Record)]
    clock.append(time.process_time())
    docs = [nlp.make_doc(record.text) for record in records]
    clock.append(time.process_time())
    docs = list(nlp.pipe(docs, batch_size=64))
    clock.append(time.process_time())
    for record, doc in zip(records, docs, strict=True):
        json_line(record._replace(entities=tuple(read_span_group(doc))))
    clock.append(time.process_time())
    steps = ("reading", "tokens", "model and entities", "writing")
    return {step: after - before for step, (before, after) in zip(steps, pairwise(clock), strict=True)}


def as_markdown(report: dict[str, Any]) -> str:
    """Tables of speed, of steps, and of the time that all of PubMed takes."""
    articles, shorter = report["articles"], report["paragraphs"]
    by_engine = []
    for name, run in shorter["runs"].items():
        threads = f", {shorter['threads']} threads" if name == "local" else ""
        by_engine.append(
            [f"{name}{threads}", f"{run['words_per_second']:,.0f}", f"{run['start_up_seconds']:.0f}"]
        )
    total = sum(shorter["seconds_by_step"].values())
    by_step = [[step, f"{percent(s / total)}%"] for step, s in shorter["seconds_by_step"].items()]
    hours = core_hours(shorter["runs"]["ray, 1 worker"]["words_per_second"])
    return page(
        "# Both engines",
        f"Both engines wrote the same {articles['equal_bytes']:,} bytes for {articles['records']} articles "
        f"({articles['words']:,} words, {articles['entities']:,} entities).",
        f"Speed was measured on {shorter['records']:,} paragraphs of {shorter['words_per_record']:.0f} words "
        "on average. The time to start is not part of it, and is listed separately:",
        table(["engine", "words/s", "seconds to start"], by_engine),
        table(["step", "share of CPU time"], by_step),
        f"Two workers were {shorter['scaling']:.2f} times as fast as one. The following hours are calculated "
        "from the speed of one worker, as if the speed grew in proportion to the number of workers: "
        f"{ABSTRACTS:,} abstracts of {WORDS_PER_ABSTRACT} words (an assumption) take {hours:,.0f} "
        "core-hours.",
        table(["cores", "hours"], [[f"{cores:,}", f"{hours / cores:,.1f}"] for cores in CORES]),
        f"The model was `{report['model']}`, the load average {shorter['load_average']:.1f}. "
        f"{measured.measured_on(report)}",
    )


def core_hours(words_per_second: float) -> float:
    """The hours that all of PubMed takes at the speed of one core."""
    return ABSTRACTS * WORDS_PER_ABSTRACT / words_per_second / 3600


if __name__ == "__main__":
    typer.run(main)
