"""Write the small model's MODEL_CARD.md from its measured figures and the label glossary."""

from pathlib import Path
from typing import Any

import srsly
import typer

from craftner_spacy.labels import GLOSSARY

HEAD = """# The small model of craftner_spacy

A token classifier (6 layers, 384 wide, uncased) for the six entity types of the CRAFT corpus, in English.

## Recipe

`configs/small.cfg`: fine-tuned from all-MiniLM-L6-v2 on the training split of CRAFT, its labels projected on
the true text of the articles; windows of consecutive sentences of up to 100 tokens, 8 in a batch, {epochs}
epochs, Adam (0.9, 0.999, 1e-8), peak learning rate 3e-4 with a linear warm-up and decay, each tensor's
gradient clipped at 1.0, seed 42, bf16 autocast. The weights of the last step are shipped, in
fp16; no figure below chose them.
"""

TAIL = """
## What it was not made for

Text other than English scientific prose; clinical use; normalization to database identifiers; labels in
another sense than the corpus's: `Gene` holds cellular components, `Protein` genes and gene products.

## Licences and credits

Weights: made by this project, MIT. Encoder: all-MiniLM-L6-v2 by the sentence-transformers authors, from
MiniLM-L6-H384-uncased (Apache-2.0). Corpus: CRAFT, Colorado Richly Annotated Full Text (annotations
CC BY 3.0, articles CC BY), in the IOB version of MTL-Bioinformatics-2016 (CC BY 4.0).
"""


def main(metrics: Path, out: Path, epochs: int) -> None:
    """Read METRICS, the evaluate.json of the shipped weights, and write the card to OUT."""
    report = srsly.read_json(metrics)
    out.write_text(HEAD.format(epochs=epochs) + measured(report) + glossary() + TAIL, encoding="utf8")


def measured(report: dict[str, Any]) -> str:
    """The figures of each split in percent, over corpus words and on raw articles."""
    lines = [
        "\n## Measured\n",
        "| split | loss | precision | recall | F1 | accuracy | F1 on raw articles |",
        "|---" * 7 + "|",
    ]
    versions = report["versions"]
    for split, scores in report["splits"].items():
        words, raw = scores["corpus_words"], scores["raw_articles"]
        cells = [f"{100 * words[key]:.2f}" for key in ("precision", "recall", "f1", "accuracy")]
        lines.append(f"| {split} | {words['loss']:.4f} | {' | '.join(cells)} | {100 * raw['f1']:.2f} |")
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


if __name__ == "__main__":
    typer.run(main)
