"""How fast the component is: beside others with the same weights, and beside the network alone.

All contenders run in one process, one after the other in each round, so that a busy machine slows all alike;
what is told is the median of the rounds' ratios.
"""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import spacy
import srsly
import torch
import typer
from contenders import (
    Run,
    bare_forward,
    hf_token_pipe,
    make_biobert_shape,
    make_fp32,
    ours,
    spacy_wrap,
    transformers_pipeline,
)
from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

import craftner_spacy
from craftner_spacy.annotation import load_pipeline
from craftner_spacy.bf16 import has_bf16_units

PACKAGES = (
    "craftner_spacy",
    "spacy",
    "torch",
    "transformers",
    "onnxruntime",
    "spacy-huggingface-pipelines",
    "spacy-wrap",
)
KINDS = ("sentences", "abstracts", "articles")
ABSTRACT_WORDS = 250
# What torch's libraries may use of the processor: what they are told to take it for.
UNITS = {
    "all": {},
    "no bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
    "AVX2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
}
# Programs for processes of their own; each prints its numbers in its last line.
BY_UNITS = """
import sys
from pathlib import Path
from statistics import median
from contenders import ours
from speed import cut, read, take_words, timed
model, articles, precision = sys.argv[1:]
texts = list(take_words(cut(read(Path(articles)), "abstracts"), 1500))
run = ours(Path(model), precision)
run(texts)
n_words = sum(len(text.split()) for text in texts)
print(n_words / median(timed(run, texts) for _ in range(3)))
"""
PEAK_MEMORY = """
import sys
from pathlib import Path
import contenders
from speed import megabytes, read
name, model, articles = sys.argv[1:]
getattr(contenders, name)(Path(model))(read(Path(articles))[:10])
print(megabytes("VmHWM"))
"""
STREAM = """
import sys
from itertools import islice
from pathlib import Path
from craftner_spacy.annotation import load_pipeline
from speed import cut, megabytes, read
model, articles, first, last = sys.argv[1:]
texts = islice(cut(read(Path(articles)), "abstracts", forever=True), int(last))
found = []
for number, _ in enumerate(load_pipeline(model).pipe(texts), start=1):
    if number in (int(first), int(last)):
        found.append(megabytes("VmRSS"))
print(*found)
"""
FIRST_ENTITIES = """
import spacy
nlp = spacy.blank("en")
nlp.add_pipe("craft_ner")
assert nlp("Sam68 is expressed in mouse spermatocytes.").ents
"""


def main(
    articles: Annotated[Path, typer.Argument(help="a folder of articles: .txt", exists=True)],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/speed"),
    words: Annotated[int, typer.Option(help="words of each kind of text")] = 8_000,
    large_words: Annotated[int, typer.Option(help="the same for BioBERT's shape")] = 2_000,
    rounds: int = 5,
    stream: Annotated[int, typer.Option(help="abstracts of the long run; 0: none")] = 20_000,
    longest: Annotated[int, typer.Option(help="characters of the longest document")] = 1_000_000,
    bare: Annotated[
        str, typer.Option(help="a Python with the package alone, to measure its start; '': this one")
    ] = "",
    packaged: Annotated[Path | None, typer.Option(help="a pipeline for `spacy benchmark speed`")] = None,
    devel: Annotated[Path | None, typer.Option(help="a .spacy file for it")] = None,
) -> None:
    """Measure on ARTICLES; write OUT.json after each part, so that none is lost, OUT.md and OUT.png."""
    articles = articles.resolve()
    texts = read(articles)
    report: dict[str, Any] = {
        "machine": {
            "processor": processor(),
            "threads": torch.get_num_threads(),
            "bf16_units": has_bf16_units("cpu"),
            # Without units bf16 is emulated, and very slow.
            "gflops": {"fp32": peak(torch.float32)}
            | ({"bf16": peak(torch.bfloat16)} if has_bf16_units("cpu") else {}),
        },
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := installed(name))},
        "words": {"small": words, "BioBERT's shape": large_words},
        "rounds": rounds,
        "bare": bool(bare),
    }
    abstracts = list(take_words(cut(texts, "abstracts"), 32 * words))
    with TemporaryDirectory() as folder:
        small = make_fp32(Path(craftner_spacy.__file__).parent / "small", Path(folder) / "small")
        shapes = {"small": small, "BioBERT's shape": make_biobert_shape(small, Path(folder) / "biobert")}
        parts: dict[str, Callable[[], Any]] = {
            "first_entities_seconds": lambda: first_entities(bare or sys.executable, rounds),
            "models": lambda: by_model(shapes, texts, report["words"], rounds),
            "by_length": lambda: by_length(small, "\n\n".join(texts), longest, rounds),
            "by_number": lambda: by_number(small, abstracts),
            "by_units": lambda: by_units(small, articles),
            "peak_megabytes": lambda: peak_memory(small, articles),
            "processes": lambda: by_processes(small, abstracts, rounds),
        }
        if stream:
            parts["stream"] = lambda: memory_of_stream(small, articles, stream)
        if packaged and devel:
            parts["spacy_benchmark_speed"] = lambda: spacy_benchmark(packaged, devel)
        out.parent.mkdir(parents=True, exist_ok=True)
        for part, measure in parts.items():
            report[part] = measure()
            srsly.write_json(out.with_suffix(".json"), report)
    out.with_suffix(".md").write_text(as_markdown(report), encoding="utf8")
    draw(report, out.with_suffix(".png"))
    print(as_markdown(report))


def read(articles: Path) -> list[str]:
    """The texts of a folder, in the order of their names."""
    return [path.read_text(encoding="utf8") for path in sorted(articles.glob("*.txt"))]


def cut(texts: Sequence[str], kind: str, forever: bool = False) -> Iterator[str]:
    """Sentences, abstracts of 250 words, or the articles themselves; forever: again, cut at other places."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    for turn in count() if forever else [0]:
        for text in texts:
            if kind == "articles":
                yield text
            elif kind == "sentences":
                yield from (sent.text.strip() for sent in nlp(text).sents if sent.text.strip())
            else:
                words = text.split()[turn:]
                starts = range(0, len(words) - ABSTRACT_WORDS, ABSTRACT_WORDS)
                yield from (" ".join(words[i : i + ABSTRACT_WORDS]) for i in starts)


def take_words(texts: Iterator[str], n_words: int) -> Iterator[str]:
    """Texts with so many words in all; the last is cut: a whole article is much for a slow model."""
    for text in texts:
        ends = [found.end() for found in islice(re.finditer(r"\S+", text), n_words)]
        if ends:
            yield text[: ends[-1]]
        n_words -= len(ends)
        if n_words <= 0:
            return


def by_model(
    shapes: Mapping[str, Path], texts: Sequence[str], words: Mapping[str, int], rounds: int
) -> dict[str, dict[str, Any]]:
    """What `compare` gives, for each shape of model and each kind of text."""
    return {
        shape: {
            kind: compare(model, list(take_words(cut(texts, kind), words[shape])), rounds) for kind in KINDS
        }
        for shape, model in shapes.items()
    }


def compare(model: Path, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Words a second of each contender, and how many times the others' speed the component's is."""
    bare, operations = bare_forward(model, texts)
    runs: dict[str, Run] = {"craft_ner": ours(model), "network alone": bare}
    if installed("onnxruntime"):
        runs["craft_ner, int8"] = ours(model, precision="int8")
    runs["transformers pipeline"] = transformers_pipeline(model)
    runs["hf_token_pipe"] = hf_token_pipe(model)
    for batch_size in (8, 16):
        runs[f"hf_token_pipe, batch_size {batch_size}"] = hf_token_pipe(model, batch_size=batch_size)
    if has_bf16_units("cpu"):
        runs["hf_token_pipe, bfloat16"] = hf_token_pipe(model, torch_dtype="bfloat16")
        runs["hf_token_pipe, bfloat16, batch_size 8"] = hf_token_pipe(
            model, torch_dtype="bfloat16", batch_size=8
        )
    runs["spacy-wrap"] = spacy_wrap(model)
    seconds = interleaved(runs, texts, rounds)
    n_words = sum(len(text.split()) for text in texts)
    first = seconds["craft_ner"]
    return {
        "documents": len(texts),
        "gflops": operations / median(first) / 1e9,
        "contenders": {
            name: {
                "words_per_second": n_words / median(found),
                "times_as_fast": median(other / own for own, other in zip(first, found, strict=True)),
            }
            for name, found in seconds.items()
        },
    }


def interleaved(runs: Mapping[str, Run], texts: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """Seconds of each run in each round, after a first one that loads and warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in tqdm(range(rounds + 1), desc=f"{len(texts)} texts", unit="round"):
        for name, run in runs.items():
            passed = timed(run, texts if number else texts[:2])
            if number:
                seconds[name].append(passed)
    return seconds


def timed(run: Callable[..., Any], *given: Any) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    run(*given)
    return time.perf_counter() - start


def by_length(model: Path, text: str, longest: int, rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds a word for documents of 100, 1,000, ... characters, median of the rounds.

    RETURNS: by the number of characters, 'alone', where each document is given by itself, and 'stream', where
        all go through `nlp.pipe`. All read the same text, its first 100,000 characters; longer documents
        repeat it.
    """
    nlp = load_pipeline(str(model))
    nlp.max_length = longest
    text = text[:100_000]
    lengths = [10**n for n in range(2, len(str(longest)))]
    ways: dict[str, Callable[[list[str]], Iterable[Doc]]] = {
        "alone": lambda docs: map(nlp, docs),
        "stream": nlp.pipe,
    }
    runs = {f"{length} {way}": _in_pieces(length, read) for length in lengths for way, read in ways.items()}
    seconds = interleaved(runs, [text], rounds)
    n_words = {length: len(text.split()) * max(1, length // len(text)) for length in lengths}
    return {
        str(length): {way: 1e6 * median(seconds[f"{length} {way}"]) / n_words[length] for way in ways}
        for length in lengths
    }


def _in_pieces(length: int, read: Callable[[list[str]], Iterable[Doc]]) -> Run:
    """A run that reads its one text in pieces of so many characters; for longer ones it is repeated."""

    def run(texts: Sequence[str]) -> int:
        repeated = texts[0] * max(1, length // len(texts[0]))
        pieces = [repeated[i : i + length] for i in range(0, len(repeated), length)]
        return sum(len(doc.ents) for doc in read(pieces))

    return run


def by_number(model: Path, texts: Sequence[str]) -> dict[str, float]:
    """Microseconds a word for streams of 1, 10, 100, ... of the texts, by the number."""
    nlp = load_pipeline(str(model))
    nlp(texts[0])
    found = {}
    number = 1
    while number <= len(texts):
        # Short streams again and again, with other texts, until 50 are read.
        streams = [texts[i : i + number] for i in range(0, max(number, min(50, len(texts))), number)]
        n_words = sum(len(text.split()) for stream in streams for text in stream)
        found[str(number)] = 1e6 * sum(timed(list, nlp.pipe(stream)) for stream in streams) / n_words
        number *= 10
    return found


def by_units(model: Path, articles: Path) -> dict[str, dict[str, float]]:
    """Words a second in each precision, by what of the processor torch's libraries may use.

    ONNX Runtime, and so int8, always uses all.
    """
    found = {
        units: {
            precision: numbers_of(BY_UNITS, model, articles, precision, environment=told)[0]
            for precision in ("fp32", "bf16")
        }
        for units, told in UNITS.items()
    }
    if installed("onnxruntime"):
        found["all"]["int8"] = numbers_of(BY_UNITS, model, articles, "int8")[0]
    return found


def peak_memory(model: Path, articles: Path) -> dict[str, float]:
    """The most memory in MB that a process takes which annotates ten articles."""
    return {name: numbers_of(PEAK_MEMORY, name, model, articles)[0] for name in ("ours", "hf_token_pipe")}


def memory_of_stream(model: Path, articles: Path, n: int) -> dict[str, float]:
    """Resident memory in MB of a process after the 1,000th and the last of n documents."""
    counts = (min(1_000, n - 1), n)
    return dict(zip(map(str, counts), numbers_of(STREAM, model, articles, *counts), strict=True))


def numbers_of(program: str, *given: Any, environment: Mapping[str, str] = {}) -> list[float]:
    """The numbers that a Python program prints in its last line, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, given)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
        env={**os.environ, **environment},
    )
    return [float(number) for number in done.stdout.splitlines()[-1].split()]


def megabytes(key: str) -> float:
    """Memory of this process in MB: VmRSS, what is resident, or VmHWM, the most that ever was."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def by_processes(model: Path, texts: Sequence[str], rounds: int) -> dict[str, float]:
    """Words a second with one and two processes, their start included."""
    nlp = load_pipeline(str(model))
    nlp(texts[0])
    # By default spaCy hands a process 1,000 texts at once.
    runs = {name: _piped_by(nlp, n_process) for name, n_process in (("one", 1), ("two", 2))}
    seconds = interleaved(runs, texts, rounds)
    n_words = sum(len(text.split()) for text in texts)
    return {
        **{name: n_words / median(found) for name, found in seconds.items()},
        "times_as_fast": median(a / b for a, b in zip(seconds["one"], seconds["two"], strict=True)),
    }


def _piped_by(nlp: Language, n_process: int) -> Run:
    return lambda texts: sum(1 for _ in nlp.pipe(texts, n_process=n_process, batch_size=16))


def first_entities(python: str, rounds: int) -> float:
    """Seconds from the start of Python to the first entities of the small model, median.

    python: whose packages count: transformers imports what it finds, scikit-learn for one.
    """
    command = [python, "-c", FIRST_ENTITIES]
    return median(timed(subprocess.check_call, command) for _ in range(rounds))


def spacy_benchmark(packaged: Path, devel: Path) -> str:
    """What spaCy's own benchmark says of a packaged pipeline: words a second, and its interval."""
    command = [sys.executable, "-m", "spacy", "benchmark", "speed", str(packaged), str(devel)]
    # Its own 50 batches and three rounds to warm up take long on whole articles, and its batches of 1,000
    # documents took 20 GB of them.
    command += ["--batches", "30", "--warmup", "1", "--batch-size", "2"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Mean: .*", printed)
    if not found:
        raise ValueError(f"{' '.join(command)} printed no mean: {printed}")
    return found[0]


def peak(dtype: torch.dtype, size: int = 2048, rounds: int = 5) -> float:
    """GFLOP/s of matrix products of this type."""
    a, b = torch.rand(size, size).to(dtype), torch.rand(size, size).to(dtype)
    torch.matmul(a, b)
    return 2 * size**3 / median(timed(torch.matmul, a, b) for _ in range(rounds)) / 1e9


def processor() -> str:
    """The processor's name."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def installed(name: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def as_markdown(report: dict[str, Any]) -> str:
    """The report as tables."""
    machine = report["machine"]
    units = "fp32" if not machine["bf16_units"] else "bf16"
    lines = [
        "# Speed",
        "",
        f"{machine['processor']}, {machine['threads']} threads; matrix products: "
        + ", ".join(f"{found:,.0f} GFLOP/s in {name}" for name, found in machine["gflops"].items())
        + ". "
        f'`precision = "auto"` takes {units} here. In the tables by model and with two processes: medians of '
        f"{report['rounds']} rounds, the contenders take turns in each.",
        "",
    ]
    for model, kinds in report["models"].items():
        lines += [
            f"## {model}",
            "",
            "Words a second, and in brackets how many times as fast `craft_ner` is; texts of "
            f"{report['words'][model]:,} words in all.",
            "",
        ]
        lines += [f"| | {' | '.join(kinds)} |", f"|---|{'---|' * len(kinds)}"]
        for name in next(iter(kinds.values()))["contenders"]:
            cells = [found["contenders"][name] for found in kinds.values()]
            lines.append(
                f"| {name} | "
                + " | ".join(f"{c['words_per_second']:,.0f} ({c['times_as_fast']:.2f})" for c in cells)
                + " |"
            )
        shares = [found["gflops"] / machine["gflops"][units] for found in kinds.values()]
        lines += [
            "",
            f"Share of the {units} peak, end to end: " + ", ".join(f"{s:.0%}" for s in shares) + ".",
            "",
        ]
    lines += [
        "## By length of the document",
        "",
        "Microseconds a word, each document given alone, and as one of a stream.",
        "",
        "| characters | alone | stream |",
        "|---|---|---|",
    ]
    for length, found in report["by_length"].items():
        lines.append(f"| {int(length):,} | {found['alone']:.0f} | {found['stream']:.0f} |")
    lines += ["", "## By number of abstracts", "", "| abstracts | µs a word |", "|---|---|"]
    lines += [f"| {int(number):,} | {found:.0f} |" for number, found in report["by_number"].items()]
    lines += [
        "",
        "## By what the processor has",
        "",
        "Words a second of `small` on abstracts of 1,500 words in all, where torch's libraries are told to "
        "take the processor for an older one; ONNX Runtime, for int8, is not told.",
        "",
        "| used of the processor | fp32 | bf16 | int8 |",
        "|---|---|---|---|",
    ]
    for units, found in report["by_units"].items():
        cells = [f"{found[p]:,.0f}" if p in found else "" for p in ("fp32", "bf16", "int8")]
        lines.append(f"| {units} | {' | '.join(cells)} |")
    two = report["processes"]
    memory = report["peak_megabytes"]
    lines += [
        "",
        "## Else",
        "",
        f"- From the start of Python to the first entities: {report['first_entities_seconds']:.1f} s"
        f"{' where the package alone is installed' if report['bare'] else ''}.",
        f"- `n_process=2`: {two['times_as_fast']:.2f} times as fast as one process with all threads.",
        f"- Memory for ten articles, at most: {memory['ours']:,.0f} MB; `hf_token_pipe` "
        f"{memory['hf_token_pipe']:,.0f} MB.",
    ]
    if "stream" in report:
        (first, before), (last, after) = report["stream"].items()
        lines.append(
            f"- Resident memory after {int(first):,} abstracts {before:.0f} MB, after {int(last):,} "
            f"{after:.0f} MB ({after / before - 1:+.1%})."
        )
    if "spacy_benchmark_speed" in report:
        lines.append(f"- `spacy benchmark speed`: {report['spacy_benchmark_speed']}.")
    listed = {"Python": report["python"], **report["versions"]}
    lines += ["", ", ".join(f"{name} {number}" for name, number in listed.items()), ""]
    return "\n".join(lines)


def draw(report: dict[str, Any], out: Path) -> None:
    """Words a second of each contender, a panel for each model and a bar for each kind of text."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    models = report["models"]
    figure, panels = pyplot.subplots(1, len(models), figsize=(6 * len(models), 5), dpi=110, squeeze=False)
    for (model, kinds), axes in zip(models.items(), panels[0], strict=True):
        names = list(next(iter(kinds.values()))["contenders"])
        height = 0.8 / len(kinds)
        for number, (kind, found) in enumerate(kinds.items()):
            speeds = [found["contenders"][name]["words_per_second"] for name in names]
            axes.barh([i + number * height for i in range(len(names))], speeds, height, label=kind)
        axes.set(title=model, xlabel="words a second")
        axes.set_yticks([i + height * (len(kinds) - 1) / 2 for i in range(len(names))], names)
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)
    panels[0][-1].legend()
    figure.tight_layout()
    figure.savefig(out, metadata={"Software": None})


if __name__ == "__main__":
    typer.run(main)
