"""Compare models by the model card's metrics: the steps of the recipe, and the seeds of each step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import measured
import typer
from evaluate import load, predict
from tables import percent, table

from craftner_spacy.evaluation.scorers import seqeval_scores

FIGURES = ("precision", "recall", "f1", "accuracy")
SPLITS = ("devel", "test")

Scores = dict[str, dict[str, float]]
"""The figures of a model, by split and name."""


def main(
    corpus: Annotated[Path, typer.Argument(help="the folder that convert wrote", exists=True)],
    models: Annotated[list[Path], typer.Argument(help="folders; NAME-1, NAME-2, ... are seeds of one step")],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/steps"),
    shipped: Annotated[str, typer.Option(help="the model that the steps led to")] = "small",
) -> None:
    """Write the figures of MODELS over the words of CORPUS's devel and test splits, as JSON and a table."""
    report = {"steps": {model.name: measure(model, corpus) for model in models}}
    measured.write(out, report, shipped, as_markdown)


def measure(model: Path, corpus: Path, splits: Sequence[str] = SPLITS) -> Scores:
    """The figures of one model for each split, and F1 of Protein, the label with the lowest scores."""
    nlp = load(str(model))
    figures = {}
    for split in splits:
        scores = seqeval_scores(predict(nlp, corpus / "iob" / f"{split}.spacy", keep_tokens=True))
        figures[split] = {name: scores[name] for name in FIGURES}
        figures[split]["protein_f1"] = scores["per_label"]["Protein"]["f1"]
    return figures


def seeds(steps: Mapping[str, Scores]) -> dict[str, list[Scores]]:
    """The figures of models that differ only in their seed, by the name of their step."""
    by_step: dict[str, list[Scores]] = {}
    for name, figures in steps.items():
        step, _, seed = name.rpartition("-")
        if seed.isdigit():
            by_step.setdefault(step, []).append(figures)
    return {step: models for step, models in by_step.items() if len(models) > 1}


def as_markdown(report: dict[str, Any]) -> str:
    """A table in percent: a row for each model, and one for mean and deviation of the seeds of each step."""
    columns = [(split, figure) for split in SPLITS for figure in (*FIGURES, "protein_f1")]
    header = ["model", *(f"{split} {figure.replace('_', ' ')}" for split, figure in columns)]
    rows = [
        [name, *(percent(scores[split][figure], 2) for split, figure in columns)]
        for name, scores in report["steps"].items()
    ]
    for step, models in seeds(report["steps"]).items():
        by_column = [[100 * model[split][figure] for model in models] for split, figure in columns]
        cells = [f"{mean(figures):.2f} ± {stdev(figures):.2f}" for figures in by_column]
        rows.append([f"{step}, mean of {len(models)} seeds", *cells])
    return table(header, rows) + "\n"


if __name__ == "__main__":
    typer.run(main)
