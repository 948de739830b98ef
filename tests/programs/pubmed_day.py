"""A day of PubMed: a MEDLINE file of made-up citations, annotated, killed, resumed, converted: `make pubmed`.

Linux only (/proc). The command `annotate` writes Parquet, is killed (-9) when some shards are finished, and
goes on; then `convert` writes BioC and TSV of it. The memory of each process stays below a limit, and each
record and entity is in each file.
"""

import csv
import gzip
import os
import sys
from collections.abc import Callable
from html import escape
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import measured
import typer
from big_file import MEMORY_MB, sentence
from tables import page, table
from watching import finished, watch

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC '
    '"-//NLM//DTD PubMedArticle, 1st January 2025//EN" "pubmed_250101.dtd">\n<PubmedArticleSet>\n'
)
LABELS = ("BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS")
Run = dict[str, Any]
"""What a command did: its name, peak memory in MB, seconds, and finished shards when it ended."""


def main(
    citations: Annotated[int, typer.Option(min=1)] = 30_000,
    shards: Annotated[int, typer.Option(min=1, help="finished shards when the first run is killed")] = 5,
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/pubmed_day"),
    folder: Annotated[Path | None, typer.Option(help="where to work", exists=True)] = None,
) -> None:
    """Annotate, kill, resume and convert; exit with an error if a limit is broken or a record is missing."""
    with TemporaryDirectory(dir=folder) as name:
        source, parquet = Path(name) / "pubmed.xml.gz", Path(name) / "out.parquet"
        write_citations(source, citations)
        load = os.getloadavg()[0]
        work = parquet.with_name(f"{parquet.name}.work")
        annotate = ["annotate", str(source), "-o", str(parquet)]
        runs = [
            run("annotate, killed", annotate, work, lambda: len(finished(work)) >= shards),
            run("annotate, resumed", annotate, work, lambda: False),
        ]
        for to in (parquet.with_name("out.bioc.xml"), parquet.with_name("out.tsv")):
            command = ["convert", str(parquet), "-o", str(to)]
            runs.append(run(f"convert to {to.suffix}", command, work, lambda: False))
            print(runs[-1], flush=True)
        counts = count(parquet)
        report: dict[str, Any] = {
            "load_average": [round(load, 2), round(os.getloadavg()[0], 2)],
            "citations": citations,
            "bytes": source.stat().st_size,
            "limits": {"peak_mb": MEMORY_MB},
            "runs": runs,
            "counts": counts,
            "broken": broken_limits(citations, runs, counts),
        }
    measured.write(out, report, "small", as_markdown, of_shape=True)
    if report["broken"]:
        sys.exit(f"a day of PubMed: {'; '.join(report['broken'])}")


def count(parquet: Path) -> dict[str, int]:
    """The records and entities in the Parquet file, and in those that `convert` made of it."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(parquet) as file:
        columns = file.iter_batches(columns=["entities"])
        entities = sum(len(row) for batch in columns for row in batch["entities"].to_pylist())
        records = file.metadata.num_rows
    with parquet.with_name("out.bioc.xml").open("rb") as lines:
        documents = sum(line.count(b"<document>") for line in lines)
    with parquet.with_name("out.tsv").open(encoding="utf8", newline="") as table_file:
        rows = sum(1 for _ in csv.reader(table_file, delimiter="\t")) - 1
    return {"Parquet": records, "entities": entities, "BioC": documents, "TSV": rows}


def broken_limits(citations: int, runs: list[Run], counts: dict[str, int]) -> list[str]:
    """Limits that were not kept: memory, and the number of records and entities in each file.

    >>> runs = [{"run": "annotate", "peak_mb": 1600}]
    >>> broken_limits(2, runs, {"Parquet": 2, "entities": 5, "BioC": 1, "TSV": 5})
    ['annotate: 1600 MB; the limit is 1500', '1 of 2 records in BioC']
    """
    broken = [
        f"{run['run']}: {run['peak_mb']} MB; the limit is {MEMORY_MB}"
        for run in runs
        if run["peak_mb"] >= MEMORY_MB
    ]
    broken += [
        f"{counts[what]} of {citations} records in {what}"
        for what in ("Parquet", "BioC")
        if counts[what] != citations
    ]
    if counts["TSV"] != counts["entities"]:
        broken.append(f"{counts['TSV']} of {counts['entities']} entities in TSV")
    return broken


def write_citations(path: Path, n_citations: int) -> None:
    """Write made-up citations in MEDLINE's form, compressed; every third has an abstract in sections."""
    random = Random(0)
    with gzip.open(path, "wt", encoding="utf8", compresslevel=1) as file:
        file.write(HEAD)
        for number in range(1, n_citations + 1):
            file.write(citation(random, number))
        file.write("</PubmedArticleSet>\n")


def citation(random: Random, number: int) -> str:
    """A citation with its PMID, title, abstract and what else each real one has."""
    labels = LABELS if number % 3 == 0 else ("",)
    sections = []
    for label in labels:
        text = escape(" ".join(sentence(random) for _ in range(8 // len(labels))))
        sections.append(f"<AbstractText{f' Label={label!r}' if label else ''}>{text}</AbstractText>")
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{number}</PMID>'
        '<Article PubModel="Print"><Journal><JournalIssue CitedMedium="Print"><Volume>1</Volume>'
        "<PubDate><Year>2025</Year></PubDate></JournalIssue><Title>Made-up mice</Title></Journal>"
        f"<ArticleTitle>{escape(sentence(random))}</ArticleTitle><Abstract>{''.join(sections)}</Abstract>"
        "<AuthorList><Author><LastName>Doe</LastName><Initials>J</Initials></Author></AuthorList>"
        "<Language>eng</Language></Article></MedlineCitation></PubmedArticle>\n"
    )


def run(name: str, arguments: list[str], work: Path, is_over: Callable[[], bool]) -> Run:
    """Run a command until it ends, or kill it when `is_over`.

    name (str): what the report calls the run.
    arguments (list[str]): of the command.
    work (Path): the folder with its shards; the command runs in the folder that this one is in.
    is_over (Callable[[], bool]): whether it is to be killed.
    RAISES: SystemExit if it fails by itself.
    """
    seen = watch(arguments, work.parent, lambda seconds: is_over())
    return {
        "run": name,
        "peak_mb": round(seen.peak_mb),
        "seconds": round(seen.seconds, 1),
        "shards": len(finished(work)),
    }


def as_markdown(report: dict[str, Any]) -> str:
    """A page with a table of the runs."""
    counts, limit = report["counts"], f"{report['limits']['peak_mb']:,} MB"
    rows = [
        [run["run"], f"{run['seconds']:,.0f} s", f"{run['peak_mb']:,} MB", limit] for run in report["runs"]
    ]
    killed = report["runs"][0]
    low, high = sorted(report["load_average"])
    return page(
        "# A day of PubMed",
        f"{report['citations']:,} made-up citations as MEDLINE XML ({report['bytes'] / 1e6:.0f} MB, "
        "compressed), annotated into Parquet by one process with the shipped model. The command was killed "
        f"(-9) when {killed['shards']} shards were finished, and repeated. `convert` wrote BioC and TSV of "
        "its output.",
        table(("command", "time", "peak memory", "limit"), rows),
        f"{counts['Parquet']:,} records are in Parquet and {counts['BioC']:,} in BioC; "
        f"{counts['entities']:,} entities are in Parquet and {counts['TSV']:,} in TSV.",
        f"Limits broken: {'; '.join(report['broken']) or 'none'}.",
        f"{measured.measured_on(report)} Load average {low} to {high}.",
    )


if __name__ == "__main__":
    typer.run(main)
