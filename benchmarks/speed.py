"""Measure the speed of the component, of others with the same weights, and of the network alone.

All contenders run in one process and take turns in each round, so that other load on the machine affects them
alike. The figures are medians of the ratios of the rounds.
"""

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import cpu
import typer
from contenders import make_biobert_shape, make_fp32
from measure_contenders import by_model
from measure_processes import (
    by_cpu_features,
    first_entities,
    memory_of_stream,
    peak_memory,
    spacy_benchmark,
)
from measure_sizes import by_length, by_number, by_processes
from render import as_markdown, draw
from texts import cut, read, take_words

import craftner_spacy

sys.path.insert(1, str(Path(__file__).parents[1] / "scripts" / "measure"))
import measured

OPTIONAL_PACKAGES = ("spacy-huggingface-pipelines", "spacy-wrap", "optimum", "onnxruntime")


def main(
    articles: Annotated[Path, typer.Argument(help="a folder of articles: .txt", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/speed"),
    words: Annotated[int, typer.Option(help="words of each kind of text")] = 8_000,
    large_words: Annotated[int, typer.Option(help="the same for BioBERT's shape")] = 2_000,
    rounds: int = 5,
    stream: Annotated[int, typer.Option(help="abstracts of the long run; 0: none")] = 20_000,
    longest: Annotated[int, typer.Option(help="characters of the longest document")] = 1_000_000,
    clean_python: Annotated[
        str, typer.Option(help="a Python with only the package, to measure the time to start; '': this one")
    ] = "",
    packaged: Annotated[Path | None, typer.Option(help="a pipeline for `spacy benchmark speed`")] = None,
    devel: Annotated[Path | None, typer.Option(help="a .spacy file for it")] = None,
) -> None:
    """Measure on ARTICLES. Write OUT.json after each part, so that none is lost, then OUT.md and OUT.png."""
    articles = articles.resolve()
    texts = read(articles)
    report: dict[str, Any] = {
        "cpu": cpu.describe(),
        "words": {"small": words, "BioBERT's shape": large_words},
        "rounds": rounds,
        "clean_python": bool(clean_python),
    }
    packages = [*measured.PACKAGES, *filter(is_installed, OPTIONAL_PACKAGES)]
    abstracts = list(take_words(cut(texts, "abstracts"), 32 * words))
    with TemporaryDirectory() as folder:
        small = make_fp32(Path(craftner_spacy.__file__).parent / "small", Path(folder) / "small")
        shapes = {"small": small, "BioBERT's shape": make_biobert_shape(small, Path(folder) / "biobert")}
        parts: dict[str, Callable[[], Any]] = {
            "first_entities_seconds": lambda: first_entities(clean_python or sys.executable, rounds),
            "models": lambda: by_model(shapes, texts, report["words"], rounds),
            "by_length": lambda: by_length(small, "\n\n".join(texts), longest, rounds),
            "by_number": lambda: by_number(small, abstracts),
            "by_cpu_features": lambda: by_cpu_features(small, articles),
            "peak_megabytes": lambda: peak_memory(small, articles),
            "processes": lambda: by_processes(small, abstracts, rounds),
        }
        if stream:
            parts["stream"] = lambda: memory_of_stream(small, articles, stream)
        if packaged and devel:
            parts["spacy_benchmark_speed"] = lambda: spacy_benchmark(packaged, devel)
        for part, measure in parts.items():
            report[part] = measure()
            measured.write_json(out.with_suffix(".json"), report, "small", packages, of_shape=True)
    measured.write(out, report, "small", as_markdown, packages, of_shape=True)
    draw(report, out.with_suffix(".png"))


def is_installed(package: str) -> bool:
    """Whether a package is installed, by the name of its distribution."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    typer.run(main)
