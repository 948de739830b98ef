"""Write the measured figures of the shipped model where people read them: its card, README and a picture."""

from pathlib import Path
from typing import Annotated, Any

import measured
import srsly
import typer
from evaluate import PUBLISHED

from craftner_spacy.labels import GLOSSARY

HEAD = """# The small model of craftner_spacy

A token classifier (6 layers, 384 wide, uncased) for the six entity types of the CRAFT corpus, in English.

## Recipe

`python -m spacy project run small`, in six steps; `scripts/small_model.py` has the settings.

1. **Transfer.** The encoder all-MiniLM-L6-v2 reads nine neighbouring corpora (genes, chemicals, species,
   cells, anatomy, diseases) and CRAFT's training split, a classifier for each over one encoder; with two
   seeds. Sentences without entities and those that also stand in CRAFT's development or test split are left
   out.
2. **Fine-tuning.** Both are trained on CRAFT alone: the first with three seeds, whose weights are averaged;
   the other with a tenth of the wordpieces hidden.
3. **Teaching.** These two together label the neighbouring corpora: the mean of their probabilities for each
   word.
4. **Distillation.** Three models are trained with different seeds, from the averaged one: on CRAFT, and on
   the neighbouring corpora by those probabilities, with a tenth of the wordpieces hidden.
5. **Average.** The small model has the mean of their weights.
6. **Calibration.** The classifier's weights are divided by the temperature ({temperature:.2f}) that makes
   scores fit the development split best; which entities are found does not change.

CRAFT is read twice, as the corpus has it (folded to ASCII) and with its labels projected on the articles'
true text. AdamW (0.9, 0.999, 1e-8; weight decay 0.01), linear schedule with 6% warm-up, gradient norm clipped
at 1.0, windows of 64 to 256 wordpieces cut at random places. The weights of the last step are shipped, in
16 bits. Nothing was chosen by the test split.
"""

TAIL = """
## What it was not made for

Text other than English scientific prose; clinical use; normalization to database identifiers; labels in
another sense than the corpus's: `Gene` holds cellular components, `Protein` genes and gene products.

## Licences and credits

Weights: made by this project, MIT. Encoder: all-MiniLM-L6-v2 by the sentence-transformers authors, from
MiniLM-L6-H384-uncased (Apache-2.0). Corpora: CRAFT, Colorado Richly Annotated Full Text (annotations
CC BY 3.0, articles CC BY), and AnatEM, BC2GM, BC5CDR, BioNLP11ID, BioNLP13CG, BioNLP13PC, JNLPBA,
NCBI-disease and LINNAEUS, all in the versions of MTL-Bioinformatics-2016 by the Language Technology Lab,
University of Cambridge (CC BY 4.0).
"""
SCORES = "scripts/evaluate.py"
SPEED = "benchmarks/speed.py"


def main(
    metrics: Annotated[Path, typer.Argument(help="evaluate's JSON of the shipped weights", exists=True)],
    calibration: Annotated[Path, typer.Argument(help="calibrate's JSON", exists=True)],
    steps: Annotated[Path, typer.Argument(help="compare's table of the recipe's steps", exists=True)],
    card: Path = Path("craftner_spacy/small/MODEL_CARD.md"),
    readme: Path = Path("README.md"),
    picture: Path = Path("docs/scores.png"),
    speed: Annotated[Path | None, typer.Option(help="the benchmark's JSON")] = None,
) -> None:
    """Rewrite CARD, the marked parts of README, and PICTURE."""
    report, fitted = srsly.read_json(metrics), srsly.read_json(calibration)
    card.write_text(model_card(report, fitted, steps.read_text(encoding="utf8")), encoding="utf8")
    measured.fill(readme, SCORES, side_by_side(report) + by_threshold(report))
    if speed:
        measured.fill(readme, SPEED, by_contender(srsly.read_json(speed)))
    draw(report, picture)


def model_card(report: dict[str, Any], fitted: dict[str, Any], steps: str) -> str:
    """The card: recipe, figures of the model and of the steps that made it, labels, credits."""
    by_step = f"\nWhat each step of the recipe gives, over words:\n\n{steps}"
    return HEAD.format(temperature=fitted["temperature"]) + figures(report) + by_step + glossary() + TAIL


def side_by_side(report: dict[str, Any]) -> str:
    """Both models, and the published figures on the same splits."""
    lines = [
        "| model | split | precision | recall | F1 | accuracy | F1 on raw articles |",
        "|---" * 7 + "|",
    ]
    for split, scores in report["splits"].items():
        words, raw = scores["corpus_words"], scores["raw_articles"]
        cells = [f"{100 * words[key]:.1f}" for key in ("precision", "recall", "f1", "accuracy")]
        lines.append(f"| **`small`** | {split} | {' | '.join(cells)} | {100 * raw['f1']:.1f} |")
        for name, url, figures in PUBLISHED.get(split, []):
            cells = [
                f"{100 * figures[key]:.1f}" if key in figures else ""
                for key in ("precision", "recall", "f1", "accuracy")
            ]
            lines.append(f"| [{name}]({url}) | {split} | {' | '.join(cells)} | |")
    lines.append(
        "\nIn percent. `small` was measured here, over the corpus's words with `seqeval`, strict, and on raw "
        "articles, with the tokenizer of the packaged pipelines, by exact label and characters; the others "
        "are what their authors published.\n"
    )
    return "\n".join(lines) + "\n"


def by_threshold(report: dict[str, Any]) -> str:
    """What `threshold` buys on the test split, or the last one measured."""
    split = list(report["splits"])[-1]
    words = report["splits"][split]["corpus_words"]
    lines = [f"| `threshold` | precision | recall | F1 | ({split}) |", "|---" * 5 + "|"]
    for row in words["thresholds"][::4]:
        cells = [f"{100 * row[key]:.1f}" for key in ("precision", "recall", "f1")]
        lines.append(f"| {row['threshold']:.1f} | {' | '.join(cells)} | |")
    error = 100 * words["calibration"]["error"]
    lines.append(f"\nThe expected calibration error of the scores is {error:.1f} points.\n")
    return "\n".join(lines) + "\n"


def by_contender(report: dict[str, Any]) -> str:
    """Words a second of the component and of others with the same weights, for each model."""
    kinds = list(next(iter(report["models"].values())))
    lines = [f"| words a second | {' | '.join(kinds)} |", "|---" * (1 + len(kinds)) + "|"]
    for model, by_kind in report["models"].items():
        speeds = [
            {name: found["words_per_second"] for name, found in of_kind["contenders"].items()}
            for of_kind in by_kind.values()
        ]
        rows = {
            "**`craft_ner`**": [s["craft_ner"] for s in speeds],
            "`hf_token_pipe` by default": [s["hf_token_pipe"] for s in speeds],
            "`hf_token_pipe`, the best of its settings": [
                max(figure for name, figure in s.items() if name.startswith("hf_token_pipe")) for s in speeds
            ],
            "transformers' `pipeline`": [s["transformers pipeline"] for s in speeds],
            "`spacy-wrap`": [s["spacy-wrap"] for s in speeds],
        }
        lines += [
            f"| {name}, {model} | {' | '.join(f'{s:,.0f}' for s in row)} |" for name, row in rows.items()
        ]
    machine = report["machine"]
    units = "bf16" if machine["bf16_units"] else "fp32"
    lines.append(
        f"\nWith the same weights in one run on {machine['threads']} cores ({machine['processor']}), which "
        f"`auto` has compute in {units}; `metrics/speed.md` has the rest.\n"
    )
    return "\n".join(lines) + "\n"


def figures(report: dict[str, Any]) -> str:
    """The figures of each split in percent, in all and for each label."""
    lines = ["\n## Measured\n", "| split | loss | precision | recall | F1 | accuracy | F1 on raw articles |"]
    lines.append("|---" * 7 + "|")
    splits, versions = report["splits"], report["versions"]
    for split, scores in splits.items():
        words, raw = scores["corpus_words"], scores["raw_articles"]
        cells = [f"{100 * words[key]:.2f}" for key in ("precision", "recall", "f1", "accuracy")]
        lines.append(f"| {split} | {words['loss']:.4f} | {' | '.join(cells)} | {100 * raw['f1']:.2f} |")
    lines += [
        "",
        "| F1 by label |" + "".join(f" {split} |" for split in splits),
        "|---" * (1 + len(splits)) + "|",
    ]
    for label in next(iter(splits.values()))["corpus_words"]["per_label"]:
        cells = [f"{100 * s['corpus_words']['per_label'][label]['f1']:.1f}" for s in splits.values()]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    lines.append(
        "\nIn percent, but for the loss. Over the corpus's words with `seqeval`, strict; on raw articles by "
        f"exact label and characters. Measured with torch {versions['torch']} and spaCy {versions['spacy']}."
    )
    return "\n".join(lines) + "\n"


def glossary() -> str:
    """What each label means, with mentions of the corpus."""
    lines = ["\n## Labels\n", "| label | corpus tag | meaning | examples |", "|---|---|---|---|"]
    lines += [f"| {x.name} | {x.corpus_tag} | {x.meaning} | {', '.join(x.examples)} |" for x in GLOSSARY]
    return "\n".join(lines) + "\n"


def draw(report: dict[str, Any], out: Path) -> None:
    """Precision against recall by threshold, and precision against score, for each split."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 4), dpi=110)
    for split, scores in report["splits"].items():
        words = scores["corpus_words"]
        rows = words["thresholds"]
        left.plot([r["recall"] for r in rows], [r["precision"] for r in rows], marker=".", label=split)
        for row in rows[::5]:
            left.annotate(f"{row['threshold']:.2f}", (row["recall"], row["precision"]), fontsize=7)
        bins = words["calibration"]["bins"]
        right.plot([b["score"] for b in bins], [b["precision"] for b in bins], marker="o", label=split)
    left.set(xlabel="recall", ylabel="precision", title="by threshold")
    right.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    right.set(xlabel="score", ylabel="share of right entities", title="what a score means")
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, metadata={"Software": None})


if __name__ == "__main__":
    typer.run(main)
