"""A day of PubMed: a MEDLINE file of made-up citations, annotated, killed, resumed and converted.

`tests/programs/pubmed_day.py --citations 3000`, on Linux (/proc): the command writes Parquet, is killed (-9)
as soon as a shard is finished, and goes on; then `convert` writes BioC and TSV of it. The memory of each
process stays below a limit.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from big_file import MEMORY_MB, finished, memory_mb, sentence

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC '
    '"-//NLM//DTD PubMedArticle, 1st January 2025//EN" "pubmed_250101.dtd">\n<PubmedArticleSet>\n'
)
LABELS = ("BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS")


def main(
    citations: Annotated[int, typer.Option(min=1)] = 30_000,
    folder: Annotated[Path | None, typer.Option(help="where to work", exists=True)] = None,
) -> None:
    """Annotate, kill, resume and convert; exit with an error if a limit is broken or a record is missing."""
    with TemporaryDirectory(dir=folder) as name:
        source, parquet = Path(name) / "pubmed.xml.gz", Path(name) / "out.parquet"
        write_citations(source, citations)
        work = parquet.with_name(f"{parquet.name}.work")
        annotate = ["annotate", str(source), "-o", str(parquet)]
        runs = {
            "annotate, killed": watch(annotate, source.parent, lambda: bool(finished(work))),
            "annotate, resumed": watch(annotate, source.parent, lambda: False),
        }
        for out in (Path(name) / "out.bioc.xml", Path(name) / "out.tsv"):
            command = ["convert", str(parquet), "-o", str(out)]
            runs[f"convert to {out.name}"] = watch(command, source.parent, lambda: False)
        import pyarrow.parquet as pq

        n_records = pq.ParquetFile(parquet).metadata.num_rows
        with (Path(name) / "out.bioc.xml").open("rb") as file:
            n_documents = sum(line.count(b"<document>") for line in file)
    broken = [f"{name}: {run['peak_mb']} MB" for name, run in runs.items() if run["peak_mb"] >= MEMORY_MB]
    broken += [
        f"{n} of {citations} records in {what}"
        for what, n in (("Parquet", n_records), ("BioC", n_documents))
        if n != citations
    ]
    print(json.dumps({"citations": citations, "runs": runs, "broken": broken}, indent=2))
    if broken:
        sys.exit(f"a day of PubMed: {'; '.join(broken)}")


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


def watch(arguments: list[str], folder: Path, is_over: Callable[[], bool]) -> dict[str, float]:
    """Run a command until it ends or is to be killed: its peak memory in MB, and its seconds.

    RAISES: SystemExit if it fails.
    """
    peak, start, killed = 0.0, time.monotonic(), False
    environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    with (
        (folder / "log.txt").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "craftner_spacy", *arguments], cwd=folder, stderr=log, env=environment
        ) as process,
    ):
        while process.poll() is None:
            peak = max(peak, memory_mb(process.pid))
            if is_over():
                process.send_signal(signal.SIGKILL)
                killed = True
                break
            time.sleep(0.1)
    if process.returncode and not killed:
        sys.exit(f"a day of PubMed: {(folder / 'log.txt').read_text()[-1000:]}")
    return {"peak_mb": round(peak), "seconds": round(time.monotonic() - start, 1)}


if __name__ == "__main__":
    typer.run(main)
