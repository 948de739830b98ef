"""Words per second of the command `annotate`, checks and files included, and of `nlp.pipe`."""

import os
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
from tables import page, table
from wasabi import msg

from craftner_spacy.pipelines import load_pipeline
from craftner_spacy.processing.annotate import annotate

MIN_SHARE = 0.9
ABSTRACT_CHARACTERS = 1500
HEADER = ("texts", "number", "words", "annotate, words/s", "nlp.pipe, words/s", "share", "share of CPU time")


def main(
    articles: Annotated[Path, typer.Argument(help="a folder of .txt files", exists=True, file_okay=False)],
    model: Annotated[str, typer.Option(help="as for the command annotate")] = "small",
    n: Annotated[int | None, typer.Option(min=1, help="the most articles")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="how often both are timed")] = 3,
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/throughput"),
) -> None:
    """Time `annotate` and `nlp.pipe` alternately on ARTICLES and on abstracts cut from them, in one process.

    Exits with an error if the command has less than 90% of the words per second of `nlp.pipe`.
    """
    texts = [path.read_bytes().decode() for path in sorted(articles.glob("*.txt"))[:n]]
    if not texts:
        msg.fail(f"{articles} has no .txt file", exits=1)
    nlp = load_pipeline(model)
    sets = {}
    with TemporaryDirectory() as name:
        folder, lines = Path(name) / "articles", Path(name) / "abstracts.jsonl"
        folder.mkdir()
        for number, text in enumerate(texts):
            (folder / f"{number:03}.txt").write_bytes(text.encode())
        pieces = [piece for text in texts for piece in abstracts(text)]
        srsly.write_jsonl(lines, ({"id": k, "text": piece} for k, piece in enumerate(pieces)))
        sets["articles, a folder of text"] = measure(nlp, texts, folder, rounds)
        sets["abstracts, JSON Lines"] = measure(nlp, pieces, lines, rounds)
    report = {"rounds": rounds, "sets": sets, "load_average": round(os.getloadavg()[0], 2)}
    measured.write(out, report, model, as_markdown, of_shape=True)
    slow = [name for name, row in sets.items() if row["share"]["wall"] < MIN_SHARE]
    if slow:
        msg.fail(f"less than {MIN_SHARE:.0%} of the speed of nlp.pipe: {'; '.join(slow)}", exits=1)


def abstracts(text: str, characters: int = ABSTRACT_CHARACTERS) -> Iterator[str]:
    """Split a text into pieces of whole lines. A piece ends at the line with which it has so many characters.

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
    """Seconds of both in each round; medians of words per second and of the command's share of the speed."""

    def command() -> None:
        with TemporaryDirectory() as folder:
            annotate(source, Path(folder) / "out.jsonl", nlp)

    def pipe() -> None:
        for _ in nlp.pipe(texts):
            pass

    # The first run prepares memory and the vocabulary for both.
    pipe()
    n_words = sum(len(text.split()) for text in texts)
    turns = []
    for number in range(rounds):
        # They take turns at being the first of a round.
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
    """The wall-clock time and the CPU time of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": round(time.perf_counter() - wall, 3), "cpu": round(time.process_time() - cpu, 3)}


def as_markdown(report: dict[str, Any]) -> str:
    """A table of both sets of texts."""
    rows = [
        [
            name,
            *(f"{count:,}" for count in (row["texts"], row["words"], *row["words_per_second"].values())),
            *(f"{row['share'][clock]:.1%}" for clock in ("wall", "cpu")),
        ]
        for name, row in report["sets"].items()
    ]
    return page(
        "# Speed of `annotate` and of `nlp.pipe`",
        f"The same texts in one process, alternately, {report['rounds']} times; medians. The time of the "
        "command includes reading and checking the records, annotating, shards, and the output.",
        table(HEADER, rows),
        f"The load average was {report['load_average']}. {measured.measured_on(report)}",
    )


if __name__ == "__main__":
    typer.run(main)
