"""The recipe of the small model, step by step: transfer, teachers, their labels, the student.

transfer   one pass over neighbouring corpora together with CRAFT, a classifier for each over one encoder
teach      CRAFT alone, from there: a teacher; several, with different seeds
label      what a teacher says of each word of all corpora
distill    a student learns what the teachers say together, and CRAFT's own tags: the small model
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import srsly
import torch
import typer
from multitask import (
    MAIN_TASK,
    Network,
    Passage,
    Settings,
    Targets,
    bio_scheme,
    new_classifier,
    predict,
    read_labels,
    read_passages,
    train,
)
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast
from wasabi import msg

from craftner_spacy.labels import LABELS
from craftner_spacy.sources import find_folder, load_folder

SCHEME = bio_scheme(LABELS)
# The corpus's own text is folded to ASCII, real articles are not: both are read.
CRAFT_FILES = ("train.spacy", "iob/train.spacy")
# Of the target of a word that CRAFT has a tag for, the share that the teachers have.
TEACHERS_SHARE = 0.5

app = typer.Typer(pretty_exceptions_enable=False)
Model = Annotated[Path, typer.Argument(help="a folder in Hugging Face's layout", exists=True)]
Corpus = Annotated[Path, typer.Argument(help="the folder that convert and neighbours wrote", exists=True)]
Seed = Annotated[int, typer.Option(help="of windows, their order, dropout and new classifiers")]


@app.command()
def transfer(encoder: str, corpus: Corpus, out: Path, seed: Seed = 1) -> None:
    """Train ENCODER, a hub id or a folder, on the neighbouring corpora and on CRAFT together."""
    start = find_folder(encoder, "main")
    tokenizer = load_folder(start, LABELS).tokenizer
    passages = {
        path.stem: read_passages(path, tokenizer, bio_scheme(read_labels(path)))
        for path in neighbours(corpus)
    }
    passages[MAIN_TASK] = craft(corpus, tokenizer)
    _fit(
        encoder, tokenizer, passages, Settings({task: 1 for task in passages}, seed, learning_rate=3e-4), out
    )


@app.command()
def teach(start: Model, corpus: Corpus, out: Path, seed: Seed = 1) -> None:
    """Train the model START on CRAFT alone; write the teacher to OUT."""
    tokenizer = load_folder(start, LABELS).tokenizer
    passages = {MAIN_TASK: craft(corpus, tokenizer)}
    _fit(start, tokenizer, passages, Settings({MAIN_TASK: 3}, seed, learning_rate=2e-4), out)


@app.command()
def label(teacher: Model, corpus: Corpus, out: Path) -> None:
    """Write TEACHER's probabilities for each word of each corpus to OUT; files there are left alone."""
    loaded = load_folder(teacher)
    out.mkdir(parents=True, exist_ok=True)
    for file in _files(corpus):
        target = _labels_file(out, corpus, file)
        if not target.exists():
            passages = read_passages(file, loaded.tokenizer, SCHEME, with_tags=False)
            rows = [
                predict(loaded.transformer, loaded.tokenizer, p) for p in tqdm(passages, desc=target.stem)
            ]
            new = target.with_suffix(".new.npy")
            np.save(new, np.concatenate(rows))
            new.replace(target)


@app.command()
def distill(start: Model, corpus: Corpus, out: Path, labels: list[Path], seed: Seed = 1) -> None:
    """Train START on what the teachers of the folders LABELS say, averaged, and on CRAFT's own tags."""
    tokenizer = load_folder(start, LABELS).tokenizer
    passages: dict[str, list[Passage]] = {MAIN_TASK: [], "neighbours": []}
    for file in _files(corpus):
        taught = np.mean([np.load(_labels_file(folder, corpus, file)) for folder in labels], axis=0)
        of_craft = file in _craft_files(corpus)
        task = MAIN_TASK if of_craft else "neighbours"
        passages[task] += list(_taught(read_passages(file, tokenizer, SCHEME, with_tags=of_craft), taught))
    settings = Settings({MAIN_TASK: 4, "neighbours": 2}, seed, learning_rate=3e-4)
    _fit(start, tokenizer, passages, settings, out)


def neighbours(corpus: Path) -> list[Path]:
    """The files of the neighbouring corpora."""
    files = sorted((corpus / "neighbours").glob("*.spacy"))
    if not files:
        msg.fail(f"{corpus / 'neighbours'} holds no corpus: run `spacy project run neighbours`", exits=1)
    return files


def craft(corpus: Path, tokenizer: PreTrainedTokenizerFast) -> list[Passage]:
    """The training split of CRAFT, in both of its texts."""
    return [p for file in _craft_files(corpus) for p in read_passages(file, tokenizer, SCHEME)]


def _craft_files(corpus: Path) -> list[Path]:
    return [corpus / name for name in CRAFT_FILES]


def _files(corpus: Path) -> list[Path]:
    return [*_craft_files(corpus), *neighbours(corpus)]


def _labels_file(folder: Path, corpus: Path, file: Path) -> Path:
    return folder / ("-".join(file.relative_to(corpus).with_suffix("").parts) + ".npy")


def _taught(passages: list[Passage], taught: Targets) -> Iterator[Passage]:
    """Passages whose targets are the teachers', and, where there is a tag, the tag's and the teachers'."""
    firsts = np.cumsum([0, *(len(passage.word_pieces) for passage in passages)])
    if firsts[-1] != len(taught):
        raise ValueError(f"the labels are of {len(taught)} words, the corpus has {firsts[-1]}: label it anew")
    for passage, first in zip(passages, firsts[:-1], strict=True):
        theirs = taught[first : first + len(passage.word_pieces)]
        known = passage.targets.any(axis=1, keepdims=True)
        both = TEACHERS_SHARE * theirs + (1 - TEACHERS_SHARE) * passage.targets
        yield passage._replace(targets=np.where(known, both, theirs).astype(np.float16))


def _fit(
    start: Path,
    tokenizer: PreTrainedTokenizerFast,
    passages: Mapping[str, list[Passage]],
    settings: Settings,
    out: Path,
) -> None:
    record = {**settings._asdict(), "start": start.name}
    done = out / "training.json"
    if done.is_file() and srsly.read_json(done) == record:
        msg.info(f"{out} is trained already")
        return
    torch.manual_seed(settings.seed)
    model = new_classifier(start, SCHEME)
    n_tags = {task: of_task[0].targets.shape[1] for task, of_task in passages.items()}
    train(Network(model, n_tags), tokenizer, passages, settings, out / "checkpoint.pt")
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    srsly.write_json(done, record)


if __name__ == "__main__":
    app()
