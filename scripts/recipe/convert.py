"""CRAFT-IOB and the true text of its articles → DocBins with exact offsets, and counts of what was placed."""

import sys
from pathlib import Path

import typer
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from tqdm import tqdm
from wasabi import msg

from craftner_spacy.training.corpus import entities_of_tags, iob_doc, read_articles, read_iob
from craftner_spacy.training.projection import article_doc, project

sys.path.insert(1, str(Path(__file__).parents[1] / "measure"))
import measured

SPLITS = ("train", "devel", "test")
HEADER = ("split", "documents", "sentences", "sentences_placed", "entities", "entities_placed")


def main(iob_dir: Path, articles_dir: Path, out_dir: Path, metrics: Path | None = None) -> None:
    """Write OUT_DIR/{split}.spacy (true text) and OUT_DIR/iob/{split}.spacy (the corpus's own text)."""
    texts = read_articles(articles_dir)
    (out_dir / "iob").mkdir(parents=True, exist_ok=True)
    rows, problems = [], []
    for split in SPLITS:
        sentences = read_iob(iob_dir / f"{split}.tsv")
        articles = project(sentences, texts)
        vocab = Vocab()
        true_text, corpus_text = DocBin(store_user_data=True), DocBin(store_user_data=True)
        for article in tqdm(articles, desc=split, unit="article"):
            true_text.add(article_doc(vocab, article))
            corpus_text.add(iob_doc(vocab, [placed.sentence for placed in article.sentences], article.pmid))
        true_text.to_disk(out_dir / f"{split}.spacy")
        corpus_text.to_disk(out_dir / "iob" / f"{split}.spacy")
        unplaced = sum(len(article.unplaced) for article in articles)
        entities = sum(len(entities_of_tags(sentence.tags)) for sentence in sentences)
        placed = sum(len(doc.ents) for doc in true_text.get_docs(vocab))
        rows.append((split, len(articles), len(sentences), len(sentences) - unplaced, entities, placed))
        if unplaced or placed < entities:
            problems.append(f"{split}: {unplaced} sentences and {entities - placed} entities are not placed")
    msg.table(rows, header=HEADER, divider=True)
    if metrics is not None:
        counts = {row[0]: dict(zip(HEADER[1:], row[1:], strict=True)) for row in rows}
        measured.write_json(metrics, {"splits": counts}, model=None)
    if problems:
        msg.fail("the corpus is not complete", "\n".join(problems), exits=1)


if __name__ == "__main__":
    typer.run(main)
