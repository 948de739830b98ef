"""The other corpora of MTL-Bioinformatics-2016 → DocBins for training, without CRAFT's own sentences."""

import re
import sys
from pathlib import Path

import typer
from spacy.tokens import DocBin
from spacy.training.converters import conll_ner_to_docs
from tqdm import tqdm
from wasabi import msg

from craftner_spacy.training.corpus import read_iob

sys.path.insert(1, str(Path(__file__).parents[1] / "measure"))
import measured

HEADER = ("corpus", "sentences", "held_out", "without_entities", "entities")
SENTENCES_PER_DOC = 50


def main(folder: Path, craft_dir: Path, out_dir: Path, metrics: Path | None = None) -> None:
    """Write OUT_DIR/{corpus}.spacy with all splits of each folder FOLDER/{corpus}-IOB or -IOBES.

    Two kinds of sentences are left out: those that CRAFT's development or test split has too, where only
    letters and digits are compared (`held_out`), and those without entities, which are half of the text and
    contribute least to training.
    """
    held_out = {
        letters_and_digits("".join(sentence.words))
        for split in ("devel", "test")
        for sentence in read_iob(craft_dir / f"{split}.tsv")
    }
    corpora = sorted(path for path in folder.iterdir() if path.name.endswith(("-IOB", "-IOBES")))
    if not corpora:
        msg.fail(f"{folder} has no corpus: expected are folders NAME-IOB or NAME-IOBES", exits=1)
    out_dir.mkdir(parents=True, exist_ok=True)
    rows = []
    for corpus in tqdm(corpora, unit="corpus"):
        sentences = [s for path in sorted(corpus.glob("*.tsv")) for s in read_sentences(path)]
        allowed = [s for s in sentences if letters_and_digits("".join(words_of(s))) not in held_out]
        kept = [s for s in allowed if any(not line.endswith("\tO") for line in s)]
        text = "\n\n".join("\n".join(lines) for lines in kept)
        docs = DocBin(docs=conll_ner_to_docs(text, n_sents=SENTENCES_PER_DOC, no_print=True))
        name = corpus.name.rpartition("-")[0]
        docs.to_disk(out_dir / f"{name}.spacy")
        entities = sum("\tB-" in line for s in kept for line in s)
        rows.append((name, len(kept), len(sentences) - len(allowed), len(allowed) - len(kept), entities))
    msg.table(rows, header=HEADER, divider=True)
    if metrics is not None:
        counts = {row[0]: dict(zip(HEADER[1:], row[1:], strict=True)) for row in rows}
        measured.write_json(metrics, {"corpora": counts}, model=None)


def read_sentences(path: Path) -> list[list[str]]:
    """The lines of each sentence, each a word, a tab and an IOB tag. Tags of IOBES are converted."""
    blocks = re.split(r"\n\s*\n", path.read_text(encoding="utf-8").strip())
    return [[re.sub(r"\t([SE])-", _as_iob, line) for line in block.split("\n")] for block in blocks]


def _as_iob(match: re.Match[str]) -> str:
    return "\tB-" if match[1] == "S" else "\tI-"


def words_of(sentence: list[str]) -> list[str]:
    """The words of a sentence's lines."""
    return [line.split("\t")[0] for line in sentence]


def letters_and_digits(text: str) -> str:
    """The letters and digits of a text, in lower case: independent of how it is split into words.

    >>> letters_and_digits("Pax-6 (+/-) mice")
    'pax6mice'
    """
    return re.sub(r"[\W_]", "", text).lower()


if __name__ == "__main__":
    typer.run(main)
