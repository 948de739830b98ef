"""Words a second of the command, checks and files and all, beside those of `nlp.pipe` on the same texts."""

import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import measured
import srsly
import typer
from spacy.language import Language
from wasabi import msg

from craftner_spacy.annotation import annotate, load_pipeline

LEAST_SHARE = 0.9
ABSTRACT_CHARACTERS = 1500


def main(
    articles: Annotated[Path, typer.Argument(help="a folder of .txt files", exists=True, file_okay=False)],
    model: Annotated[str, typer.Option(help="as of the command annotate")] = "small",
    n: Annotated[int | None, typer.Option(min=1, help="articles, at most")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="how often both take their turn")] = 3,
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/throughput"),
) -> None:
    """Time `annotate` and `nlp.pipe` in turn on ARTICLES and on abstracts cut from them; both in one process.

    Ends with an error where the command has less than 90% of the words a second of `nlp.pipe`.
    """
    texts = [path.read_bytes().decode() for path in sorted(articles.glob("*.txt"))[:n]]
    if not texts:
        msg.fail(f"{articles} holds no .txt file", exits=1)
    nlp = load_pipeline(model)
    report: dict[str, Any] = {
        "model": model,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} processors",
        "versions": measured.versions(),
        "rounds": rounds,
        "sets": {},
    }
    with TemporaryDirectory() as name:
        folder, lines = Path(name) / "articles", Path(name) / "abstracts.jsonl"
        folder.mkdir()
        for number, text in enumerate(texts):
            (folder / f"{number:03}.txt").write_bytes(text.encode())
        pieces = [piece for text in texts for piece in abstracts(text)]
        srsly.write_jsonl(lines, ({"id": k, "text": piece} for k, piece in enumerate(pieces)))
        report["sets"]["articles, a folder of text"] = measure(nlp, texts, folder, rounds)
        report["sets"]["abstracts, JSON Lines"] = measure(nlp, pieces, lines, rounds)
    report["load_average"] = round(os.getloadavg()[0], 2)
    measured.write(out, report, as_markdown)
    slow = [name for name, found in report["sets"].items() if found["share"]["wall"] < LEAST_SHARE]
    if slow:
        msg.fail(f"Less than {LEAST_SHARE:.0%} of nlp.pipe: {'; '.join(slow)}", exits=1)


def abstracts(text: str, characters: int = ABSTRACT_CHARACTERS) -> Iterator[str]:
    """A text in pieces of whole lines, each ended by the line that brings it to this many characters.

    >>> list(abstracts("Sox9\\nin mice\\nand men", characters=6))
    ['Sox9\\nin mice', 'and men']
    """
    piece: list[str] = []
    for line in text.splitlines():
        piece.append(line)
        if len("\n".join(piece)) >= characters:
            yield "\n".join(piece)
            piece.clear()
    if piece:
        yield "\n".join(piece)


def measure(nlp: Language, texts: list[str], source: Path, rounds: int) -> dict[str, Any]:
    """Seconds of both in each round, words a second and the command's share: medians over the rounds."""

    def command() -> None:
        with TemporaryDirectory() as folder:
            annotate(source, Path(folder) / "out.jsonl", nlp)

    def pipe() -> None:
        for _ in nlp.pipe(texts):
            pass

    # Memory is laid out and words are known after a first turn, whoever has it.
    pipe()
    n_words = sum(len(text.split()) for text in texts)
    turns = []
    for number in range(rounds):
        # Neither is always the first of a round.
        both = {"annotate": command, "nlp.pipe": pipe}
        order = sorted(both, reverse=number % 2 == 1)
        turns.append({name: seconds(both[name]) for name in order})
    return {
        "texts": len(texts),
        "words": n_words,
        "words_per_second": {
            name: round(n_words / median(turn[name]["wall"] for turn in turns))
            for name in ("annotate", "nlp.pipe")
        },
        "share": {
            clock: round(median(turn["nlp.pipe"][clock] / turn["annotate"][clock] for turn in turns), 4)
            for clock in ("wall", "cpu")
        },
        "seconds": turns,
    }


def seconds(work: Callable[[], None]) -> dict[str, float]:
    """What some work takes, by the clock on the wall and in the processor's time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": round(time.perf_counter() - wall, 3), "cpu": round(time.process_time() - cpu, 3)}


def as_markdown(report: dict[str, Any]) -> str:
    """A table of both sets."""
    lines = [
        "# The command beside `nlp.pipe`",
        "",
        f"The same texts, in one process, in turn, {report['rounds']} times; medians. The command's time has "
        "all of it: reading and checking the records, annotating, shards, and the output.",
        "",
        "| texts | number | words | `annotate`, words/s | `nlp.pipe`, words/s | share | share in CPU time |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in report["sets"].items():
        counts = (found["texts"], found["words"], *found["words_per_second"].values())
        shares = (found["share"]["wall"], found["share"]["cpu"])
        cells = [name, *(f"{count:,}" for count in counts), *(f"{share:.1%}" for share in shares)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Measured on {report['machine']}, load average {report['load_average']}; "
        + measured.listed_versions(report),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
