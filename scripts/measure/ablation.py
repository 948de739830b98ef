"""What the levers of the last steps give, on what they are chosen by: models with and without them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import measured
import outside
import typer
from compare import Scores, measure
from tables import page, percent, table

Pair = tuple[str, str]
"""A corpus and one of our labels."""

GENES: Sequence[Pair] = (("GNormPlus_Train", "Protein"), ("NLMgene_Train", "Protein"))
RECALLS: Sequence[Pair] = (
    ("SPECIES_Train", "Taxon"),
    ("BioRED_TrainDev", "Chemical"),
    ("NLMchem_Test", "Chemical"),
    ("BC5CDR_TrainDev", "Chemical"),
    ("NLMgene_Train", "Cell"),
)


def main(
    corpus: Annotated[Path, typer.Argument(help="the folder that convert wrote", exists=True)],
    corpora: Annotated[Path, typer.Argument(help="folder with NAME.PubTator and held-out.txt", exists=True)],
    models: Annotated[list[Path], typer.Argument(help="folders of models")],
    out: Annotated[Path, typer.Option(help="where to write, without suffix")] = Path("metrics/ablation"),
    shipped: Annotated[str, typer.Option(help="the model that was chosen by it")] = "small",
) -> None:
    """Write the figures of MODELS on the development split and on the dev part of other corpora."""
    report = {
        "models": {
            model.name: {
                "devel": measure(model, corpus, ["devel"]),
                "outside": outside.measure([str(model)], corpora, "dev"),
            }
            for model in models
        }
    }
    measured.write(out, report, shipped, as_markdown)


def as_markdown(report: dict[str, Any]) -> str:
    """A row for each model, in percent."""
    header = ["model", "devel F1", "devel Protein F1"]
    header += [f"{corpus} {label} F1" for corpus, label in GENES]
    header += [f"{corpus} {label} recall" for corpus, label in RECALLS]
    rows = [
        [name, *cells(figures["devel"], figures["outside"])] for name, figures in report["models"].items()
    ]
    return page(
        "# Levers of the last steps",
        "On the development split over the words of the corpus, and on the dev part of other corpora by "
        "exact first and last character. In percent.",
        table(header, rows),
        measured.measured_on(report),
    )


def cells(devel: Scores, pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The figures of one model."""
    exact = {(pair["corpus"], pair["ours"]): pair["exact"] for pair in pairs}
    figures = [devel["devel"]["f1"], devel["devel"]["protein_f1"]]
    figures += [exact[pair]["f1"] for pair in GENES]
    figures += [exact[pair]["recall"] for pair in RECALLS]
    return [percent(figure) for figure in figures]


if __name__ == "__main__":
    typer.run(main)
