"""The other corpora of MTL-Bioinformatics-2016 → DocBins to learn from, without CRAFT's own sentences."""

import json
import re
from pathlib import Path

import typer
from spacy.tokens import DocBin
from spacy.training.converters import conll_ner_to_docs
from tqdm import tqdm
from wasabi import msg

from craftner_spacy.corpus import read_iob

HEADER = ("corpus", "sentences", "held_out", "without_entities", "entities")
SENTENCES_PER_DOC = 50


def main(folder: Path, craft_dir: Path, out_dir: Path, metrics: Path | None = None) -> None:
    """Write OUT_DIR/{corpus}.spacy for each folder FOLDER/{corpus}-IOB or -IOBES: all of its splits.

    Dropped are sentences that stand in CRAFT's development or test split too, letters and digits compared
    (`held_out`), and those without entities, which are half of the text and teach least.
    """
    held_out = {
        squeeze("".join(sentence.words))
        for split in ("devel", "test")
        for sentence in read_iob(craft_dir / f"{split}.tsv")
    }
    corpora = sorted(path for path in folder.iterdir() if path.name.endswith(("-IOB", "-IOBES")))
    if not corpora:
        msg.fail(f"{folder} holds no corpus: expected are folders NAME-IOB or NAME-IOBES", exits=1)
    out_dir.mkdir(parents=True, exist_ok=True)
    rows = []
    for corpus in tqdm(corpora, unit="corpus"):
        sentences = [s for path in sorted(corpus.glob("*.tsv")) for s in read_sentences(path)]
        free = [s for s in sentences if squeeze("".join(row.split("\t")[0] for row in s)) not in held_out]
        kept = [s for s in free if any(not row.endswith("\tO") for row in s)]
        text = "\n\n".join("\n".join(rows) for rows in kept)
        docs = DocBin(docs=conll_ner_to_docs(text, n_sents=SENTENCES_PER_DOC, no_print=True))
        name = corpus.name.rpartition("-")[0]
        docs.to_disk(out_dir / f"{name}.spacy")
        entities = sum("\tB-" in row for s in kept for row in s)
        rows.append((name, len(kept), len(sentences) - len(free), len(free) - len(kept), entities))
    msg.table(rows, header=HEADER, divider=True)
    if metrics is not None:
        content = {row[0]: dict(zip(HEADER[1:], row[1:], strict=True)) for row in rows}
        metrics.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_sentences(path: Path) -> list[list[str]]:
    """The lines of each sentence, a word and an IOB tag on each; IOBES is rewritten."""
    blocks = re.split(r"\n\s*\n", path.read_text(encoding="utf-8").strip())
    return [[re.sub(r"\t([SE])-", _as_iob, line) for line in block.split("\n")] for block in blocks]


def _as_iob(match: re.Match[str]) -> str:
    return "\tB-" if match[1] == "S" else "\tI-"


def squeeze(text: str) -> str:
    """Letters and digits alone, in lower case: what is the same whatever the cut into words."""
    return re.sub(r"[\W_]", "", text).lower()


if __name__ == "__main__":
    typer.run(main)
