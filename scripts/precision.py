"""What the precisions of the component cost: F1 of each, and how many entities are not those of the first."""

from pathlib import Path
from typing import Annotated, Any

import measured
import typer
from evaluate import load, predict
from spacy.training import Example

from craftner_spacy.annotation import component_of
from craftner_spacy.evaluation import character_scores, seqeval_scores
from craftner_spacy.model import shim_of

Entities = set[tuple[int, int, int, str]]


def main(
    model: Annotated[
        str,
        typer.Argument(help="'small', 'biobert', a hub id, a folder with a model or a pipeline, a package"),
    ],
    corpus: Annotated[Path, typer.Argument(help="the folder that convert wrote", exists=True)],
    precisions: Annotated[
        str, typer.Option(help="comma-separated; others beside the first")
    ] = "fp32,bf16,int8",
    split: str = "devel",
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/precision"),
) -> None:
    """Measure MODEL on a split of CORPUS in each of the precisions."""
    report: dict[str, Any] = {"model": model, "split": split, **measured.environment(), "precisions": {}}
    first: Entities = set()
    for precision in precisions.split(","):
        nlp = load(model, precision)
        words = predict(nlp, corpus / "iob" / f"{split}.spacy", keep_tokens=True)
        articles = predict(nlp, corpus / f"{split}.spacy", keep_tokens=False)
        found = entities(articles)
        first = first or found
        report["precisions"][shim_of(component_of(nlp).model).inference_precision] = {
            "f1_words": seqeval_scores(words)["f1"],
            "f1_raw_articles": character_scores(articles)["f1"],
            "entities": len(found),
            "only_here": len(found - first),
            "only_in_first": len(first - found),
        }
    measured.write(out, report, as_markdown)


def entities(examples: list[Example]) -> Entities:
    """Number of the document, characters and label of each entity found."""
    return {
        (number, ent.start_char, ent.end_char, ent.label_)
        for number, example in enumerate(examples)
        for ent in example.predicted.ents
    }


def as_markdown(report: dict[str, Any]) -> str:
    """A row for each precision, F1 in percent."""
    first = next(iter(report["precisions"]))
    lines = [
        f"# Precisions ({report['model']}, {report['split']})",
        "",
        f"| precision | F1, words | F1, raw articles | entities | not in {first} | in {first} alone |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in report["precisions"].items():
        figures = [f"{100 * row[key]:.2f}" for key in ("f1_words", "f1_raw_articles")]
        figures += [f"{row[key]:,}" for key in ("entities", "only_here", "only_in_first")]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    where = f"Measured on {report['machine']}; {measured.listed_versions(report)}"
    return "\n".join([*lines, "", where]) + "\n"


if __name__ == "__main__":
    typer.run(main)
