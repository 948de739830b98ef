"""Corpora of others → DocBins for training, without any text that is reserved for measurements.

Reserved are CRAFT's development and test splits, the documents of `reserved`, and those of ``held-out.txt``.
A document is dropped by its id and by its text, whatever file it is in; a sentence is dropped by its text.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import spacy
import typer
from annotated_texts import AnnotatedText, read_pubtator, read_standoff, without_overlap
from auxiliary_corpora import SENTENCES_PER_DOC, letters_and_digits, read_sentences, words_of
from known_text import KnownText
from reserved import TEST_FILES, read_held_out, reserved
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training.converters import conll_ner_to_docs
from tqdm import tqdm
from wasabi import msg

from craftner_spacy.splitting import split_tokens
from craftner_spacy.training.corpus import read_articles, read_iob

sys.path.insert(1, str(Path(__file__).parents[1] / "measure"))
import measured

HEADER = ("corpus", "kept", "dropped", "without_entities", "entities", "misplaced")
SAME_TEXT = 0.2
"""The share of a text's shingles from which on it counts as a reserved one."""
# MTL-Bioinformatics-2016 has these two, with more documents.
DUPLICATES = ("BC5CDR_TrainDev", "Linnaeus_Train")
# Too rare to be learned, or no entities.
LEFT_OUT_LABELS = ("ChromosomeLocation", "NonStandardRef", "OTHER")


class ReservedText:
    """All text that no training may read.

    Documents are compared by their shingles; sentences also by their letters and digits, for those that are
    too short to have a shingle.
    """

    def __init__(self, craft_dir: Path, articles_dir: Path) -> None:
        self._known = KnownText(craft_texts(craft_dir, articles_dir))
        self._sentences = {letters_and_digits(sentence) for sentence in craft_sentences(craft_dir)}

    def add(self, text: str) -> None:
        """Add a document."""
        self._known.add(text)
        self._sentences.update(letters_and_digits(s) for s in re.split(r"(?<=[.?!])\s+", text))

    def has_document(self, text: str) -> bool:
        """Whether a text is, or has a part of, a reserved document."""
        return self._known.share(text) >= SAME_TEXT

    def has_sentence(self, sentence: str) -> bool:
        """Whether a sentence is in a reserved document."""
        return letters_and_digits(sentence) in self._sentences or self.has_document(sentence)


def main(
    mtl_dir: Path,
    aioner_dir: Path,
    jnlpba_dir: Path,
    craft_dir: Path,
    articles_dir: Path,
    out_dir: Path,
    metrics: Path | None = None,
) -> None:
    """Write OUT_DIR/{corpus}.spacy for each corpus of MTL_DIR, AIONER_DIR and JNLPBA_DIR.

    MTL_DIR has folders NAME-IOB, with all splits; AIONER_DIR files NAME.PubTator; JNLPBA_DIR BRAT standoff.
    Sentences without entities, half of the text of MTL_DIR, are left out there. Documents stay whole.
    """
    files = {path.stem: list(read_pubtator(path)) for path in sorted(aioner_dir.glob("*.PubTator"))}
    if not files:
        msg.fail(f"{aioner_dir} has no corpus: expected are files NAME.PubTator", exits=1)
    held_out = read_held_out(aioner_dir)
    reserved_ids = held_out | {t.id for name, texts in files.items() for t in reserved(name, texts, held_out)}
    excluded = ReservedText(craft_dir, articles_dir)
    for texts in files.values():
        for text in texts:
            if text.id in reserved_ids:
                excluded.add(text.text)

    out_dir.mkdir(parents=True, exist_ok=True)
    rows = {}
    folders = sorted(path for path in mtl_dir.iterdir() if path.name.endswith(("-IOB", "-IOBES")))
    for folder in tqdm(folders, unit="corpus"):
        name = folder.name.rpartition("-")[0]
        rows[name] = write_sentences(folder, excluded, out_dir / f"{name}.spacy")
    documents = {name: texts for name, texts in files.items() if name not in (*TEST_FILES, *DUPLICATES)}
    documents["JNLPBA_Train"] = list(read_standoff(jnlpba_dir))
    for name, texts in tqdm(documents.items(), unit="corpus"):
        allowed = [t for t in texts if t.id not in reserved_ids]
        rows[name] = write_documents(allowed, len(texts), excluded, out_dir / f"{name}.spacy")
    msg.table([(name, *row) for name, row in rows.items()], header=HEADER, divider=True)
    if metrics is not None:
        counts = {name: dict(zip(HEADER[1:], row, strict=True)) for name, row in rows.items()}
        measured.write_json(metrics, {"corpora": counts}, model=None)


def write_sentences(folder: Path, excluded: ReservedText, out: Path) -> tuple[int, ...]:
    """Write the sentences of a folder with entities, without reserved ones.

    RETURNS: the counts of `HEADER`.
    """
    sentences = [s for path in sorted(folder.glob("*.tsv")) for s in read_sentences(path)]
    allowed = [s for s in sentences if not excluded.has_sentence(" ".join(words_of(s)))]
    kept = [s for s in allowed if any(not line.endswith("\tO") for line in s)]
    text = "\n\n".join("\n".join(lines) for lines in kept)
    docs = list(conll_ner_to_docs(text, n_sents=SENTENCES_PER_DOC, no_print=True))
    DocBin(docs=docs).to_disk(out)
    n_dropped, n_without = len(sentences) - len(allowed), len(allowed) - len(kept)
    return len(kept), n_dropped, n_without, count_entities(docs), 0


def write_documents(
    texts: Iterable[AnnotatedText], total: int, excluded: ReservedText, out: Path
) -> tuple[int, ...]:
    """Write documents, without those that have reserved text.

    total (int): number of documents of the corpus, with those that were dropped before.
    RETURNS: the counts of `HEADER`.
    """
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
    kept = [text for text in texts if not excluded.has_document(text.text)]
    docs = [make_doc(nlp, text) for text in kept]
    DocBin(docs=docs).to_disk(out)
    return len(kept), total - len(kept), 0, count_entities(docs), sum(text.n_misplaced for text in kept)


def count_entities(docs: Iterable[Doc]) -> int:
    """The number of entities of all Docs."""
    return sum(len(doc.ents) for doc in docs)


def make_doc(nlp: Language, text: AnnotatedText) -> Doc:
    """A Doc with the entities of a text.

    Its tokens are split where these begin and end; of entities that overlap the longest is kept.
    """
    doc = nlp.make_doc(text.text)
    entities = [e for e in without_overlap(text.entities) if e.label not in LEFT_OUT_LABELS]
    split_tokens(doc, [edge for e in entities for edge in (e.start, e.end)])
    spans = [doc.char_span(e.start, e.end, label=e.label) for e in entities]
    doc.set_ents([span for span in spans if span is not None])
    doc.user_data["id"] = text.id
    return doc


def craft_sentences(craft_dir: Path) -> list[str]:
    """The sentences of CRAFT's development and test splits, with a space between words."""
    return [" ".join(s.words) for split in ("devel", "test") for s in read_iob(craft_dir / f"{split}.tsv")]


def craft_texts(craft_dir: Path, articles_dir: Path) -> Iterator[str]:
    """The text of CRAFT's development and test splits: their sentences, and the articles that they are of."""
    articles = read_articles(articles_dir)
    titles = {letters_and_digits(text.partition("\n")[0]): text for text in articles.values()}
    sentences = craft_sentences(craft_dir)
    yield " ".join(sentences)
    for sentence in sentences:
        if article := titles.get(letters_and_digits(sentence)):
            yield article


if __name__ == "__main__":
    typer.run(main)
