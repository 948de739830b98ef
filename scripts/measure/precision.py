"""The effect of numeric precision on F1, and the number of entities that differ from those of the first."""

from pathlib import Path
from typing import Annotated, Any

import measured
import typer
from evaluate import load, predict
from spacy.training import Example
from tables import page, percent, table

from craftner_spacy.evaluation.analysis import calibration_error, scored_entities
from craftner_spacy.evaluation.scorers import character_scores, seqeval_scores
from craftner_spacy.model import get_shim
from craftner_spacy.pipelines import get_component

LabelledSpans = set[tuple[int, int, int, str]]
"""Number of the document, start and end in characters, and label of entities."""


def main(
    model: Annotated[
        str,
        typer.Argument(help="'small', 'biobert', a hub id, a folder with a model or a pipeline, a package"),
    ],
    corpus: Annotated[Path, typer.Argument(help="the folder that convert wrote", exists=True)],
    precisions: Annotated[
        str, typer.Option(help="comma-separated; the others are compared with the first")
    ] = "fp32,bf16,int8",
    split: str = "devel",
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/precision"),
) -> None:
    """Measure MODEL on a split of CORPUS in each of the precisions."""
    measures: dict[str, Any] = {}
    first: LabelledSpans = set()
    for precision in precisions.split(","):
        nlp = load(model, precision)
        words = predict(nlp, corpus / "iob" / f"{split}.spacy", keep_tokens=True)
        articles = predict(nlp, corpus / f"{split}.spacy", keep_tokens=False)
        spans = predicted_spans(articles)
        first = first or spans
        measures[get_shim(get_component(nlp).model).inference_precision] = {
            "f1_words": seqeval_scores(words)["f1"],
            "f1_raw_articles": character_scores(articles)["f1"],
            "calibration_error": calibration_error(scored_entities(words)),
            "entities": len(spans),
            "only_here": len(spans - first),
            "only_in_first": len(first - spans),
        }
    measured.write(out, {"split": split, "precisions": measures}, model, as_markdown)


def predicted_spans(examples: list[Example]) -> LabelledSpans:
    """The predicted entities of all documents."""
    return {
        (number, ent.start_char, ent.end_char, ent.label_)
        for number, example in enumerate(examples)
        for ent in example.predicted.ents
    }


def as_markdown(report: dict[str, Any]) -> str:
    """A row for each precision, F1 and calibration error in percent."""
    first = next(iter(report["precisions"]))
    rows = [
        [
            name,
            *(percent(row[key], 2) for key in ("f1_words", "f1_raw_articles", "calibration_error")),
            *(f"{row[key]:,}" for key in ("entities", "only_here", "only_in_first")),
        ]
        for name, row in report["precisions"].items()
    ]
    header = [
        "precision",
        "F1, words",
        "F1, raw articles",
        "calibration error",
        "entities",
        f"not in {first}",
        f"only in {first}",
    ]
    return page(
        f"# Numeric precision ({report['model']}, {report['split']})",
        table(header, rows),
        measured.measured_on(report),
    )


if __name__ == "__main__":
    typer.run(main)
