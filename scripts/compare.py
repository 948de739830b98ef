"""Measure models by the card's metric, side by side: what each step of a recipe gives, and each seed."""

from pathlib import Path
from statistics import mean, stdev
from typing import Annotated

import measured
import typer
from evaluate import load, predict

from craftner_spacy.evaluation import seqeval_scores

FIGURES = ("precision", "recall", "f1", "accuracy")
SPLITS = ("devel", "test")

Figures = dict[str, dict[str, float]]


def main(
    corpus: Annotated[Path, typer.Argument(help="the folder that convert wrote", exists=True)],
    models: Annotated[list[Path], typer.Argument(help="folders; NAME-1, NAME-2, ... are seeds of one step")],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/steps"),
) -> None:
    """Write the figures of MODELS over the words of CORPUS's devel and test splits, as JSON and a table."""
    report = {model.name: measure(model, corpus) for model in models}
    measured.write(out, report, as_markdown)


def measure(model: Path, corpus: Path) -> Figures:
    """The figures of one model for each split, and F1 of Protein, the weakest label."""
    nlp = load(str(model))
    figures = {}
    for split in SPLITS:
        scores = seqeval_scores(predict(nlp, corpus / "iob" / f"{split}.spacy", keep_tokens=True))
        figures[split] = {name: scores[name] for name in FIGURES}
        figures[split]["protein_f1"] = scores["per_label"]["Protein"]["f1"]
    return figures


def seeds(report: dict[str, Figures]) -> dict[str, list[Figures]]:
    """The models of one step that differ in their seed alone, by the step's name; single ones left out."""
    steps: dict[str, list[Figures]] = {}
    for name, figures in report.items():
        step, _, seed = name.rpartition("-")
        if seed.isdigit():
            steps.setdefault(step, []).append(figures)
    return {step: models for step, models in steps.items() if len(models) > 1}


def as_markdown(report: dict[str, Figures]) -> str:
    """A row for each model, and one for each step's mean and standard deviation; in percent."""
    columns = [(split, figure) for split in SPLITS for figure in (*FIGURES, "protein_f1")]
    lines = [
        "| model | " + " | ".join(f"{split} {figure}" for split, figure in columns) + " |",
        "|---" * (1 + len(columns)) + "|",
    ]
    for name, figures in report.items():
        cells = [f"{100 * figures[split][figure]:.2f}" for split, figure in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for step, models in seeds(report).items():
        values = [[100 * model[split][figure] for model in models] for split, figure in columns]
        cells = [f"{mean(row):.2f} ± {stdev(row):.2f}" for row in values]
        lines.append(f"| {step}, mean of {len(models)} seeds | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
