"""Write measured figures where people read them: tables, the model card, marked parts of pages, a picture.

All of it is made from the JSON files in metrics/; nothing is measured here. A page has a part for the figures
of a program between the marks ``<!-- measured: with PROGRAM -->`` and ``<!-- end of measured -->``.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jinja2
import srsly
import typer
from wasabi import msg

from craftner_spacy.labels import GLOSSARY

sys.path.insert(1, str(Path(__file__).parents[1] / "measure"))
sys.path.insert(2, str(Path(__file__).parents[2] / "benchmarks"))
import ablation
import alignment
import compare
import engines
import evaluate
import linking_page
import linking_speed
import measured
import mutation
import outside
import precision
import pythons
import render
import spanish
import throughput
from published import PUBLISHED
from tables import page, percent, table

PRF = ("precision", "recall", "f1")
CARD_SOURCES = ("small", "calibration", "steps")
"""The files in metrics/ with the figures of the model card."""


def main(
    metrics: Annotated[Path, typer.Option(help="the folder with measured figures", exists=True)] = Path(
        "metrics"
    ),
    card: Path = Path("craftner_spacy/small/MODEL_CARD.md"),
    pages: Annotated[
        list[Path] | None,
        typer.Option(help="pages; without it README.md and docs/*.md"),
    ] = None,
    picture: Path = Path("docs/scores.png"),
) -> None:
    """Write the tables in METRICS, CARD, PICTURE, and the marked parts of PAGES.

    Exits with an error if a program has figures and no page has a part for them.
    """
    reports = {path.stem: srsly.read_json(path) for path in sorted(metrics.glob("*.json"))}
    for name, as_markdown in TABLES.items():
        if name in reports:
            (metrics / f"{name}.md").write_text(as_markdown(reports[name]), encoding="utf8")
    card.write_text(model_card(*(reports[name] for name in CARD_SOURCES)), encoding="utf8")
    parts = {program: render(reports[name]) for program, (name, render) in PARTS.items() if name in reports}
    filled: set[str] = set()
    for path in pages or [Path("README.md"), *sorted(Path("docs").glob("*.md"))]:
        filled |= measured.fill(path, parts)
    if set(parts) - filled:
        msg.fail(f"no page has a part measured with {', '.join(sorted(set(parts) - filled))}", exits=1)
    draw(reports["small"], picture)


def model_card(report: dict[str, Any], calibration: dict[str, Any], steps: dict[str, Any]) -> str:
    """The card: recipe, scores of the model and of the steps of its recipe, labels, credits.

    report, calibration, steps (dict[str, Any]): what evaluate, calibrate and compare wrote.
    """
    splits = report["splits"]
    words = [measures["corpus_words"] for measures in splits.values()]
    overall = [
        [
            split,
            f"{measures['corpus_words']['loss']:.4f}",
            *(percent(measures["corpus_words"][key], 2) for key in (*PRF, "accuracy")),
            percent(measures["raw_articles"]["f1"], 2),
        ]
        for split, measures in splits.items()
    ]
    by_label = [
        [label, *(percent(scores["per_label"][label]["f1"]) for scores in words)]
        for label in words[0]["per_label"]
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.jinja").render(
        table=table,
        temperature=calibration["temperature"],
        splits=list(splits),
        overall=overall,
        by_label=by_label,
        versions=report["versions"],
        steps=compare.as_markdown(steps),
        labels=[[row.name, row.corpus_tag, row.meaning, ", ".join(row.examples)] for row in GLOSSARY],
    )


def scores(report: dict[str, Any]) -> str:
    """The model beside published figures for the same splits, and its scores by threshold on the last one."""
    rows = []
    for split, measures in report["splits"].items():
        words, raw = measures["corpus_words"], measures["raw_articles"]
        figures = [percent(words[key]) for key in (*PRF, "accuracy")]
        rows.append(["**`small`**", split, *figures, percent(raw["f1"])])
        for name, url, published in PUBLISHED.get(split, []):
            figures = [percent(published.get(key)) for key in (*PRF, "accuracy")]
            rows.append([f"[{name}]({url})", split, *figures, ""])
    split = list(report["splits"])[-1]
    words = report["splits"][split]["corpus_words"]
    thresholds = [
        [f"{row['threshold']:.1f}", *(percent(row[key]) for key in PRF)] for row in words["thresholds"][::4]
    ]
    return page(
        table(["model", "split", "precision", "recall", "F1", "accuracy", "F1 on raw articles"], rows),
        "In percent. `small` was measured here: over the words of the corpus with `seqeval`, strict, and on "
        "raw articles with the tokenizer of the packaged pipelines, by exact label, first and last "
        "character. The other figures are those that the authors published.",
        f"By `threshold`, on the {split} split:",
        table(["`threshold`", "precision", "recall", "F1"], thresholds),
        f"The expected calibration error of the scores is {percent(words['calibration']['error'])} points.",
    )


def speed(report: dict[str, Any]) -> str:
    """Words per second of the component and of others with the same weights, for each model."""
    first = next(iter(report["models"].values()))
    kinds, precision = list(first), next(iter(first.values()))["precision"]
    rows = []
    for model, by_kind in report["models"].items():
        speeds = [
            {name: row["words_per_second"] for name, row in measures["contenders"].items()}
            for measures in by_kind.values()
        ]
        contenders = {
            "**`craft_ner`**": [s["craft_ner"] for s in speeds],
            "`hf_token_pipe` by default": [s["hf_token_pipe"] for s in speeds],
            "`hf_token_pipe`, the best of its settings": [
                max(figure for name, figure in s.items() if name.startswith("hf_token_pipe")) for s in speeds
            ],
            "transformers' `pipeline`": [s["transformers pipeline"] for s in speeds],
            "`spacy-wrap`": [s["spacy-wrap"] for s in speeds],
        }
        rows += [
            [f"{name}, {model}", *(f"{figure:,.0f}" for figure in figures)]
            for name, figures in contenders.items()
        ]
    cpu = report["cpu"]
    return page(
        table(["words per second", *kinds], rows),
        f"With the same weights, in one run on {cpu['threads']} cores ({cpu['name']}). "
        f'`precision = "auto"` is {precision} there. All figures are in `metrics/speed.md`.',
    )


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "ablation": ablation.as_markdown,
    "alignment": alignment.as_markdown,
    "engines": engines.as_markdown,
    "linking": linking_page.as_markdown,
    "linking_speed": linking_speed.as_markdown,
    "mutation": mutation.as_markdown,
    "outside": outside.as_markdown,
    "precision": precision.as_markdown,
    "pythons": pythons.as_markdown,
    "small": evaluate.as_markdown,
    "spanish": spanish.as_markdown,
    "speed": render.as_markdown,
    "steps": compare.as_markdown,
    "throughput": throughput.as_markdown,
}
"""What makes the tables of a file in metrics/."""


def without_title(as_markdown: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    """The tables that a program writes, without the title of their page."""
    return lambda report: as_markdown(report).partition("\n\n")[2]


PARTS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "scripts/measure/evaluate.py": ("small", scores),
    "scripts/measure/engines.py": ("engines", without_title(engines.as_markdown)),
    "benchmarks/speed.py": ("speed", speed),
}
"""For each program whose figures pages may have: its file in metrics/, and what makes the part."""


def draw(report: dict[str, Any], out: Path) -> None:
    """Precision and recall by threshold, and precision by score, for each split."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 4), dpi=110)
    for split, measures in report["splits"].items():
        words = measures["corpus_words"]
        rows = words["thresholds"]
        left.plot([r["recall"] for r in rows], [r["precision"] for r in rows], marker=".", label=split)
        for row in rows[::5]:
            left.annotate(f"{row['threshold']:.2f}", (row["recall"], row["precision"]), fontsize=7)
        bins = words["calibration"]["bins"]
        right.plot([b["score"] for b in bins], [b["precision"] for b in bins], marker="o", label=split)
    left.set(xlabel="recall", ylabel="precision", title="by threshold")
    right.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    right.set(xlabel="score", ylabel="share of correct entities", title="calibration of the scores")
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, metadata={"Software": None})


if __name__ == "__main__":
    typer.run(main)
