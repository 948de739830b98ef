"""Both engines on the same texts: whether they write the same, how fast they are, and where the time goes."""

import os
import platform
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import measured
import srsly
import torch
import typer
from wasabi import msg

from craftner_spacy.annotation import Summary, annotate, find_sources, load_pipeline
from craftner_spacy.formats import Reading, Record, doc_entities, json_line, read_file

ABSTRACTS = 37_000_000
WORDS_PER_ABSTRACT = 200
"""An assumption, not a measurement: title and abstract, where there is one."""
MIN_WORDS = 80
MEASURED_BY = "scripts/engines.py"
CORES = (1, 2, 16, 128, 1024)
VERSIONS = ("craftner_spacy", "spacy", "transformers", "torch", "ray")


def main(
    articles: Annotated[Path, typer.Argument(help="the folder with the articles' texts", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/engines"),
    page: Annotated[Path, typer.Option(help="the page that gets the figures")] = Path("docs/cluster.md"),
    model: str = "small",
    limit: Annotated[int | None, typer.Option(help="articles, at most")] = None,
    n: Annotated[int, typer.Option(help="paragraphs for the measurement of speed, at most")] = 1280,
) -> None:
    """Annotate ARTICLES with both engines and compare the bytes; measure speed on their paragraphs."""
    if not measured.marked(page.read_text(encoding="utf8"), MEASURED_BY):
        # Before all is measured.
        msg.fail(f"{page} has no part between the marks of the measured figures", exits=1)
    with TemporaryDirectory() as name:
        folder = Path(name)
        report: dict[str, Any] = {
            "model": model,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "versions": measured.versions(VERSIONS),
            "articles": compare(articles, folder, model, limit),
            "paragraphs": measure(paragraphs(articles, folder, n), folder, model),
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(out.with_suffix(".json"), report)
    figures = as_markdown(report)
    out.with_suffix(".md").write_text(f"# Both engines\n\n{figures}", encoding="utf8")
    measured.fill(page, MEASURED_BY, figures)
    print(figures)


def compare(articles: Path, folder: Path, model: str, limit: int | None) -> dict[str, Any]:
    """Annotate the articles with both engines. Exits if they do not write the same bytes."""
    outputs = {engine: folder / f"{engine}.jsonl" for engine in ("local", "ray")}
    for engine, path in outputs.items():
        workers = 2 if engine == "ray" else None
        done = annotate(articles, path, model, limit=limit, engine=engine, workers=workers)
    if outputs["local"].read_bytes() != outputs["ray"].read_bytes():
        msg.fail("the engines do not write the same", exits=1)
    size = outputs["ray"].stat().st_size
    return {"records": done.records, "words": done.words, "entities": done.entities, "equal_bytes": size}


def paragraphs(articles: Path, folder: Path, n: int) -> Path:
    """A file of records of an abstract's length: the articles' paragraphs, but for short ones."""
    path = folder / "paragraphs.jsonl"
    records = [
        Record(f"{source.name}:{number}", text, {})
        for source in find_sources([articles], None)
        for number, text in enumerate(source.path.read_text(encoding="utf8").split("\n"))
        if len(text.split()) >= MIN_WORDS
    ]
    path.write_bytes(b"".join(map(json_line, records[:n])))
    return path


def measure(source: Path, folder: Path, model: str) -> dict[str, Any]:
    """The speed of one machine, of one worker and of two, and the shares of the work."""
    short = folder / "short.jsonl"
    short.write_bytes(json_line(Record("1", "mouse", {})))
    runs: dict[str, Any] = {}
    for name, workers in {"local": None, "ray, 1 worker": 1, "ray, 2 workers": 2}.items():
        # What takes its time however little there is to do: starting Ray, loading the pipeline.
        start_up, _ = timed(short, folder / "short-out.jsonl", model, workers)
        seconds, done = timed(source, folder / "out.jsonl", model, workers)
        runs[name] = {
            "start_up_seconds": start_up,
            "seconds": seconds,
            "words_per_second": done.words / (seconds - start_up),
        }
    return {
        "records": done.records,
        "words": done.words,
        "words_per_record": done.words / done.records,
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[1],
        "runs": runs,
        "scaling": runs["ray, 2 workers"]["words_per_second"] / runs["ray, 1 worker"]["words_per_second"],
        "seconds_by_step": by_step(source, model),
    }


def timed(source: Path, out: Path, model: str, workers: int | None) -> tuple[float, Summary]:
    """Annotate a file by one batch a shard, so that a small file keeps two workers busy, too."""
    engine = "ray" if workers else "local"
    start = time.monotonic()
    done = annotate(source, out, model, overwrite=True, shard_characters=1, engine=engine, workers=workers)
    return time.monotonic() - start, done


def by_step(source: Path, model: str) -> dict[str, float]:
    """Seconds of processors that the steps of annotating a file take, each done once."""
    nlp = load_pipeline(model)
    nlp("mouse")
    [file] = find_sources([source], None)
    clock = [time.process_time()]
    records = [r for r in read_file(file.path, file.format, Reading("")) if isinstance(r, Record)]
    clock.append(time.process_time())
    docs = [nlp.make_doc(record.text) for record in records]
    clock.append(time.process_time())
    docs = list(nlp.pipe(docs, batch_size=64))
    clock.append(time.process_time())
    for record, doc in zip(records, docs, strict=True):
        json_line(record._replace(entities=doc_entities(doc, "craft_ner")))
    clock.append(time.process_time())
    steps = ("reading", "tokens", "model and entities", "writing")
    return {step: after - before for step, (before, after) in zip(steps, pairwise(clock), strict=True)}


def as_markdown(report: dict[str, Any]) -> str:
    """Tables of speed, steps, and what all of PubMed takes."""
    articles, shorter = report["articles"], report["paragraphs"]
    lines = [
        f"Both engines wrote the same {articles['equal_bytes']:,} bytes for {articles['records']} articles "
        f"({articles['words']:,} words, {articles['entities']:,} entities).",
        "",
        f"Speed was measured on {shorter['records']:,} paragraphs of {shorter['words_per_record']:.0f} "
        "words on average, without the time to start, which is given apart:",
        "",
        "| engine | words/s | seconds to start |",
        "|---|---|---|",
    ]
    for name, run in shorter["runs"].items():
        threads = f", {shorter['threads']} threads" if name == "local" else ""
        lines.append(f"| {name}{threads} | {run['words_per_second']:,.0f} | {run['start_up_seconds']:.0f} |")
    total = sum(shorter["seconds_by_step"].values())
    lines += ["", "| step | share of the processors' time |", "|---|---|"]
    lines += [f"| {step} | {100 * s / total:.1f}% |" for step, s in shorter["seconds_by_step"].items()]
    speed = shorter["runs"]["ray, 1 worker"]["words_per_second"]
    lines += [
        "",
        f"Two workers did {shorter['scaling']:.2f} times the work of one. What follows is calculated from "
        f"one worker's speed, as if each further one added as much: {ABSTRACTS:,} abstracts of "
        f"{WORDS_PER_ABSTRACT} words (an assumption), so {core_hours(speed):,.0f} core-hours.",
        "",
        "| cores | hours |",
        "|---|---|",
    ]
    lines += [f"| {cores:,} | {core_hours(speed) / cores:,.1f} |" for cores in CORES]
    lines += [
        "",
        f"Measured with the model `{report['model']}` on {report['machine']}, load average "
        f"{shorter['load_average']:.1f}; " + measured.listed_versions(report) + ".",
    ]
    return "\n".join(lines) + "\n"


def core_hours(words_per_second: float) -> float:
    """What all of PubMed takes at one core's speed."""
    return ABSTRACTS * WORDS_PER_ABSTRACT / words_per_second / 3600


if __name__ == "__main__":
    typer.run(main)
