"""From teachers to a student, with the outside corpora: soft labels, evidence of annotators, distillation.

pseudo-label   soft labels for the words of the outside corpora: the weighted mean of what teachers predict
distil         train a student on CRAFT and on these soft labels
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from ensemble import MAX_DOCS, Ensemble
from evidence import Weights, add_evidence, marked_entities
from label_meanings import (
    COMPLETE,
    MEANINGS,
    SAME_BORDERS,
    excluded_labels,
    normalize_case,
    unannotated_texts,
)
from passages import MAIN_TASK, Passage, Settings
from small_model import SCHEME, SOFT_LABELS_TASK, craft_passages, train_model
from spacy.tokens import Doc, DocBin
from spacy.util import minibatch
from spacy.vocab import Vocab
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast
from wasabi import msg

from craftner_spacy.folders import load_folder
from craftner_spacy.labels import LABELS
from craftner_spacy.sources import find_folder
from craftner_spacy.wordpieces import split_texts

CORPORA = (
    "BC2GM",
    "BC5CDR",
    "BioRED_TrainDev",
    "GNormPlus_Train",
    "NLMchem_Test",
    "NLMgene_Train",
    "SPECIES_Train",
    "linnaeus",
)
"""The outside corpora that the student reads, unless others are named."""

app = typer.Typer(pretty_exceptions_enable=False)
Corpus = Annotated[
    Path, typer.Argument(help="the folder that convert and outside-corpora wrote", exists=True)
]
SoftLabels = Annotated[Path, typer.Argument(help="the folder that pseudo-label wrote", exists=True)]


@app.command()
def pseudo_label(
    corpus: Corpus,
    out: Path,
    models: Annotated[list[str], typer.Argument(help="the teachers: MODEL or MODEL=WEIGHT")],
) -> None:
    """Write soft labels for the words of the outside corpora to OUT, one file for each corpus.

    They are the mean of the probabilities of MODELS. A corpus that has a file already is skipped.
    """
    ensemble = Ensemble(models)
    out.mkdir(parents=True, exist_ok=True)
    for file in outside_files(corpus):
        target = out / f"{file.stem}.npy"
        if target.exists():
            msg.info(f"{file.stem} has soft labels already")
            continue
        rows = [
            probabilities.astype(np.float16)
            for batch in minibatch(tqdm(read_docs(file), desc=file.stem, mininterval=10), MAX_DOCS)
            for _, probabilities in ensemble.probabilities(batch, SCHEME.tags)
        ]
        new = out / f"{file.stem}.new.npy"
        np.save(new, np.concatenate(rows))
        new.replace(target)
        msg.good(f"{file.stem}: {sum(map(len, rows))} words")


@app.command()
def distil(
    start: str,
    corpus: Corpus,
    soft_labels: SoftLabels,
    out: Path,
    seed: Annotated[int, typer.Option(help="of windows, their order and dropout")] = 1,
    marked: Annotated[float, typer.Option(help="weight of entities that the teachers do not predict")] = 0.0,
    unmarked: Annotated[float, typer.Option(help="weight against entities that annotators left out")] = 0.0,
    borders: Annotated[float, typer.Option(help="weight of their borders where the teachers' differ")] = 0.0,
    craft_passes: Annotated[int, typer.Option(help="epochs of CRAFT, with both of its texts")] = 1,
    corpora: Annotated[str, typer.Option(help="the outside corpora, comma-separated")] = ",".join(CORPORA),
    corpora_passes: Annotated[int, typer.Option(help="epochs of the outside corpora")] = 1,
    learning_rate: Annotated[float, typer.Option(help="its maximum")] = 1.5e-4,
    masked: Annotated[float, typer.Option(help="share of the wordpieces that are masked in training")] = 0.1,
) -> None:
    """Train the model START on CRAFT, and on the outside corpora with the soft labels of `pseudo-label`.

    START is 'small', a hub id or a folder.

    The teachers saw the whole text. The student is trained on text with masked wordpieces ("noisy student":
    Xie et al. 2020, arXiv 1911.04252).
    """
    folder = find_folder(start, "main")
    tokenizer = load_folder(folder, LABELS).tokenizer
    weights = Weights(marked, unmarked, borders)
    passages = {
        MAIN_TASK: craft_passages(corpus, tokenizer),
        SOFT_LABELS_TASK: list(soft_passages(corpus, soft_labels, tokenizer, weights, corpora.split(","))),
    }
    passes = {MAIN_TASK: craft_passes, SOFT_LABELS_TASK: corpora_passes}
    settings = Settings(passes, seed, learning_rate, masked=masked)
    train_model(folder, tokenizer, passages, {}, settings, out)


def outside_files(corpus: Path, names: Sequence[str] = CORPORA) -> list[Path]:
    """The files of those of some outside corpora that are there. Exits if there is none, or no such name."""
    if unknown := sorted(set(names) - set(MEANINGS)):
        msg.fail(f"--corpora {','.join(unknown)}: allowed are {', '.join(sorted(MEANINGS))}", exits=1)
    folder = corpus / "outside"
    files = [path for name in names if (path := folder / f"{name}.spacy").exists()]
    if not files:
        msg.fail(f"{folder} has no corpus: run `spacy project run outside-corpora`", exits=1)
    return files


def read_docs(path: Path) -> list[Doc]:
    """All Docs of a ``.spacy`` file."""
    return list(DocBin().from_disk(path).get_docs(Vocab()))


def soft_passages(
    corpus: Path,
    soft_labels: Path,
    tokenizer: PreTrainedTokenizerFast,
    weights: Weights,
    names: Sequence[str] = CORPORA,
) -> Iterator[Passage]:
    """The passages of the outside corpora, with soft labels in place of the tags.

    The evidence of the annotators is in the soft labels. Corpora without soft labels are skipped, with a
    warning.

    RAISES: ValueError if the soft labels are of another number of words.
    """
    craft_docs = read_docs(corpus / "train.spacy")
    for file in outside_files(corpus, names):
        path = soft_labels / f"{file.stem}.npy"
        if not path.exists():
            msg.warn(f"{path} is missing: {file.stem} is skipped")
            continue
        docs, probabilities = read_docs(file), np.load(path)
        texts = split_texts(tokenizer, [doc.text for doc in docs])
        ends = np.cumsum([len(text.word_pieces) for text in texts])
        if len(probabilities) != ends[-1]:
            raise ValueError(
                f"{path} is of {len(probabilities)} words, {file} has {ends[-1]}: run `pseudo-label` again"
            )
        meanings = MEANINGS.get(file.stem, {})
        wanted = {normalize_case(ent.text) for doc in docs for ent in doc.ents if ent.label_ in meanings}
        unannotated = unannotated_texts(wanted, craft_docs) if weights.marked else set()
        excluded, complete = excluded_labels(meanings), COMPLETE.get(file.stem, ())
        of_file = weights if file.stem in SAME_BORDERS else weights._replace(borders=0.0)
        for doc, text, of_doc in zip(docs, texts, np.split(probabilities, ends[:-1]), strict=True):
            entities = marked_entities(doc, text.word_chars, meanings, unannotated)
            tags = add_evidence(of_doc.astype(np.float32), entities, SCHEME, excluded, complete, of_file)
            yield Passage(text.ids, text.word_pieces, tags.astype(np.float16))


if __name__ == "__main__":
    app()
