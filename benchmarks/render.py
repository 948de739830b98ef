"""The report of the benchmark as a page and as a picture."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).parents[1] / "scripts" / "measure"))
import measured
from tables import page, table


def as_markdown(report: dict[str, Any]) -> str:
    """The page: an introduction, and tables of all parts."""
    cpu = report["cpu"]
    peak = ", ".join(f"{gflops:,.0f} GFLOP/s in {precision}" for precision, gflops in cpu["gflops"].items())
    parts = [
        "# Speed",
        f"{cpu['name']}, {cpu['threads']} threads. Matrix products: {peak}. The tables by model and the "
        f"figure for two processes are medians of {report['rounds']} rounds, in which the contenders take "
        "turns.",
    ]
    for model, by_kind in report["models"].items():
        parts += _by_contender(model, by_kind, report["words"][model], cpu["gflops"])
    return page(*parts, *_by_size(report), *_others(report), measured.measured_on(report))


def _by_contender(model: str, by_kind: dict[str, Any], n_words: int, peaks: dict[str, float]) -> list[str]:
    """Words per second of each contender, and the share of the CPU's peak."""
    precision = next(iter(by_kind.values()))["precision"]
    rows = []
    for name in next(iter(by_kind.values()))["contenders"]:
        cells = [measures["contenders"][name] for measures in by_kind.values()]
        rows.append([name, *(f"{c['words_per_second']:,.0f} ({c['times_as_fast']:.2f})" for c in cells)])
    shares = ", ".join(f"{measures['gflops'] / peaks[precision]:.0%}" for measures in by_kind.values())
    return [
        f"## {model}",
        f"Words per second, on texts of {n_words:,} words in all; in parentheses, how many times as fast "
        f'`craft_ner` is, whose `precision = "auto"` is {precision} here.',
        table(["", *by_kind], rows),
        f"Share of the {precision} peak, from texts to entities: {shares}.",
    ]


def _by_size(report: dict[str, Any]) -> list[str]:
    """Time per word by length and number of documents, and words per second by CPU features."""
    lengths = [
        [f"{int(length):,}", *(f"{row[way]:.0f}" for way in ("alone", "stream"))]
        for length, row in report["by_length"].items()
    ]
    numbers = [[f"{int(number):,}", f"{micros:.0f}"] for number, micros in report["by_number"].items()]
    precisions = ("fp32", "bf16", "int8")
    features = [
        [name, *(f"{row[p]:,.0f}" if p in row else "" for p in precisions)]
        for name, row in report["by_cpu_features"].items()
    ]
    return [
        "## By length of the document",
        "Microseconds per word, where each document is given alone, and where it is one of a stream.",
        table(["characters", "alone", "stream"], lengths),
        "## By number of abstracts",
        table(["abstracts", "µs per word"], numbers),
        "## By CPU features",
        "Words per second of `small` on abstracts of 1,500 words in all, where torch's libraries may use "
        "only some features of the CPU.",
        table(["features", *precisions], features),
    ]


def _others(report: dict[str, Any]) -> list[str]:
    """What is one figure each."""
    memory = report["peak_megabytes"]
    where = ", with only the package and its requirements installed" if report["clean_python"] else ""
    items = [
        f"From the start of Python to the first entities: {report['first_entities_seconds']:.1f} s{where}.",
        f"`n_process=2`: {report['processes']['times_as_fast']:.2f} times as fast as one process with all "
        "threads.",
        f"Peak memory for ten articles: {memory['ours']:,.0f} MB; `hf_token_pipe` "
        f"{memory['hf_token_pipe']:,.0f} MB.",
    ]
    if "stream" in report:
        (first, before), (last, after) = report["stream"].items()
        items.append(
            f"Resident memory after {int(first):,} abstracts {before:.0f} MB, after {int(last):,} "
            f"{after:.0f} MB ({after / before - 1:+.1%})."
        )
    if "spacy_benchmark_speed" in report:
        items.append(f"`spacy benchmark speed`: {report['spacy_benchmark_speed']}.")
    return ["## Other figures", "\n".join(f"- {item}" for item in items)]


def draw(report: dict[str, Any], out: Path) -> None:
    """Words per second of each contender: a panel for each model, and a bar for each kind of text."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    models = report["models"]
    figure, panels = pyplot.subplots(1, len(models), figsize=(6 * len(models), 5), dpi=110, squeeze=False)
    for (model, by_kind), axes in zip(models.items(), panels[0], strict=True):
        names = list(next(iter(by_kind.values()))["contenders"])
        height = 0.8 / len(by_kind)
        for number, (kind, measures) in enumerate(by_kind.items()):
            speeds = [measures["contenders"][name]["words_per_second"] for name in names]
            axes.barh([i + number * height for i in range(len(names))], speeds, height, label=kind)
        axes.set(title=model, xlabel="words per second")
        axes.set_yticks([i + height * (len(by_kind) - 1) / 2 for i in range(len(names))], names)
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)
    panels[0][-1].legend()
    figure.tight_layout()
    figure.savefig(out, metadata={"Software": None})
