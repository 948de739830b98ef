"""What craft_linker costs beside craft_ner: time, memory, and the wait for the first id.

    python scripts/measure/linking_speed.py assets/craft/articles --large packages/million.sqlite

The large knowledge base has a million names more than the bundled one, made up and of all labels; it is built
first if the file is not there. Each turn of craft_linker opens its knowledge base anew, so that nothing is
remembered from the turn before.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import measured
import spacy
import typer
from memory import read_memory
from spacy.language import Language
from spacy.tokens import Doc
from tables import page, table
from wasabi import msg

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.craft_linker import CraftLinker
from craftner_spacy.linking.knowledge_base import BUNDLED, KnowledgeBase
from craftner_spacy.linking.schema import Concept

N_NAMES = 1_000_000
PARTS = ("alpha", "kappa", "binding", "nuclear", "basal", "early", "type 2", "associated", "like", "giant")


def main(
    articles: Annotated[Path, typer.Argument(help="a folder of .txt files", exists=True, file_okay=False)],
    large: Annotated[Path, typer.Option(help="the large knowledge base")] = Path("packages/million.sqlite"),
    n: Annotated[int, typer.Option(min=1, help="articles")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="turns of each")] = 5,
    precision: Annotated[str, typer.Option(help="numeric precision of craft_ner")] = "bf16",
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/linking_speed"),
) -> None:
    """Time craft_ner and craft_linker in turns on ARTICLES, with both knowledge bases."""
    if not large.is_file():
        large.parent.mkdir(parents=True, exist_ok=True)
        counts = build_large(large)
        msg.good(f"{large}: {counts['names']:,} names")
    nlp = spacy.blank("en")
    nlp.add_pipe("craft_ner", config={"model": {"precision": precision}})
    texts = [path.read_text(encoding="utf8") for path in sorted(articles.glob("*.txt"))[:n]]
    report: dict[str, Any] = {
        "articles": len(texts),
        "words": sum(len(text.split()) for text in texts),
        "rounds": rounds,
        "precision": precision,
        **measure(nlp, texts, {"bundled": BUNDLED, "a million names more": large}, rounds),
    }
    measured.write(out, report, "small", as_markdown, of_shape=True)


def build_large(path: Path) -> dict[str, int]:
    """Write the bundled knowledge base and a million names more."""
    bundled = KnowledgeBase(BUNDLED)

    def concepts() -> Iterator[tuple[str, Concept]]:
        yield from bundled.all_concepts()
        labels = [row.label for row in bundled.labels()]
        for number in range(N_NAMES):
            words = [PARTS[int(digit)] for digit in str(number % 1000)]
            yield (
                labels[number % len(labels)],
                Concept(f"MADE:{number:07}", f"{' '.join(words)} factor {number}"),
            )

    return build(path, concepts(), bundled.all_mentions(), overwrite=True)


def measure(nlp: Language, texts: list[str], files: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Seconds of each turn; by knowledge base its share of craft_ner's time, its memory and its first id."""
    docs = list(nlp.pipe(texts))
    # The linkers are kept: memory is that of one that is in use.
    linkers = {name: make_linker(nlp, file) for name, file in files.items()}
    memory = {}
    for name, linker in linkers.items():
        before = read_memory().resident
        link(linker, docs)
        memory[name] = round(read_memory().resident - before, 1)
    turns = []
    for _ in range(rounds):
        turn = {"craft_ner": timed(find_entities, nlp, texts)}
        for name, file in files.items():
            turn[name] = timed(link, make_linker(nlp, file), docs)
        turns.append(turn)
    first = [nlp("Two neurons.")]
    bases = {}
    for name, file in files.items():
        seconds = median(timed(link, make_linker(nlp, file), first) for _ in range(9))
        bases[name] = {
            "names": sum(row.n_names for row in KnowledgeBase(file).labels()),
            "share": round(median(turn[name] / turn["craft_ner"] for turn in turns), 4),
            "memory_mb": memory[name],
            "first_id_ms": round(1000 * seconds, 2),
        }
    return {"seconds": turns, "knowledge_bases": bases}


def make_linker(nlp: Language, file: Path) -> CraftLinker:
    """A component that has asked nothing yet."""
    return CraftLinker(nlp, kb=str(file))


def find_entities(nlp: Language, texts: list[str]) -> None:
    """Run craft_ner, and keep nothing."""
    for _ in nlp.pipe(texts):
        pass


def link(linker: CraftLinker, docs: list[Doc]) -> None:
    """Link all entities of some Docs, again if they are linked."""
    for _ in linker.pipe(docs):
        pass


def timed(work: Callable[..., None], *arguments: Any) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def as_markdown(report: dict[str, Any]) -> str:
    """A table with a row for each knowledge base."""
    rows = [
        [
            name,
            f"{row['names']:,}",
            f"{row['share']:.2%}",
            f"{row['memory_mb']:.1f} MB",
            f"{row['first_id_ms']:.1f} ms",
        ]
        for name, row in report["knowledge_bases"].items()
    ]
    return page(
        "# What concept ids cost",
        f"`craft_linker` beside `craft_ner` ({report['precision']}) on {report['articles']} articles, "
        f"{report['words']:,} words, in turns, {report['rounds']} times. Time is the median share of that of "
        "craft_ner; each turn opens the knowledge base anew. Memory is what the process has more when it has "
        "linked them. The first id is that of a new component: its knowledge base is opened and asked.",
        table(("knowledge base", "names", "time", "memory", "first id"), rows),
        measured.measured_on(report),
    )


if __name__ == "__main__":
    typer.run(main)
