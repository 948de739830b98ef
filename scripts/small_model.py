"""The recipe of the small model, step by step: teachers, students of theirs, the students' average.

transfer   neighbouring corpora together with CRAFT, a classifier for each over one encoder
finetune   CRAFT alone, from there; with several seeds
average    the mean of the weights of models that were trained from one start
teach      what several models together take the words of the neighbouring corpora for
distil     CRAFT, and the neighbouring corpora as taught, from an average; with several seeds

The average of the last is the small model.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import torch
import typer
from multitask import (
    MAIN_TASK,
    Network,
    Passage,
    Settings,
    bio_scheme,
    digest,
    new_classifier,
    read_labels,
    read_passages,
    train,
)
from numpy.typing import NDArray
from spacy.tokens import Doc, DocBin
from spacy.util import minibatch
from spacy.vocab import Vocab
from transformers import PreTrainedTokenizerFast
from wasabi import msg

from craftner_spacy.decoding import TagScheme, log_softmax
from craftner_spacy.labels import LABELS
from craftner_spacy.sources import find_folder, load_folder, save_folder

SCHEME = bio_scheme(LABELS)
# The corpus's own text is folded to ASCII, real articles are not: both are read.
CRAFT_FILES = ("train.spacy", "iob/train.spacy")

app = typer.Typer(pretty_exceptions_enable=False)
Model = Annotated[Path, typer.Argument(help="a folder in Hugging Face's layout", exists=True)]
Models = Annotated[list[Path], typer.Argument(help="such folders", exists=True, file_okay=False)]
Corpus = Annotated[Path, typer.Argument(help="the folder that convert and neighbours wrote", exists=True)]
Taught = Annotated[Path, typer.Argument(help="the folder that teach wrote", exists=True)]
Masked = Annotated[float, typer.Option(help="share of the wordpieces that are hidden while training")]
Seed = Annotated[int, typer.Option(help="of windows, their order, dropout and new classifiers")]


@app.command()
def transfer(encoder: str, corpus: Corpus, out: Path, seed: Seed = 1) -> None:
    """Train ENCODER, a hub id or a folder, on the neighbouring corpora and on CRAFT together."""
    start = find_folder(encoder, "main")
    tokenizer = load_folder(start, LABELS).tokenizer
    files = neighbours(corpus)
    schemes = {file.stem: bio_scheme(read_labels(file)) for file in files}
    passages = {file.stem: read_passages(file, tokenizer, schemes[file.stem]) for file in files}
    passages[MAIN_TASK] = craft(corpus, tokenizer)
    passes = {**dict.fromkeys(schemes, 2), MAIN_TASK: 3}
    settings = Settings(passes, seed, learning_rate=3e-4)
    _fit(start, tokenizer, passages, schemes, settings, out)


@app.command()
def finetune(start: Model, corpus: Corpus, out: Path, seed: Seed = 1, masked: Masked = 0.0) -> None:
    """Train the model START on CRAFT alone."""
    tokenizer = load_folder(start, LABELS).tokenizer
    passages = {MAIN_TASK: craft(corpus, tokenizer)}
    settings = Settings({MAIN_TASK: 2}, seed, learning_rate=2e-4, masked=masked)
    _fit(start, tokenizer, passages, {}, settings, out)


@app.command()
def teach(corpus: Corpus, out: Path, models: Models) -> None:
    """Write to OUT what MODELS together take the words of the neighbouring corpora for: the mean of their
    probabilities, a file for each corpus."""
    components = [spacy.blank("en").add_pipe("craft_ner", config={"model": {"name": str(m)}}) for m in models]
    out.mkdir(parents=True, exist_ok=True)
    for file in neighbours(corpus):
        docs = list(DocBin().from_disk(file).get_docs(Vocab()))
        mean = np.mean([probabilities(component, docs) for component in components], axis=0)
        np.save(out / f"{file.stem}.npy", mean.astype(np.float16))
        msg.good(f"{file.stem}: {len(mean)} words")


@app.command()
def distil(start: Model, corpus: Corpus, taught: Taught, out: Path, seed: Seed = 1) -> None:
    """Train the model START on CRAFT, and on the neighbouring corpora by what `teach` wrote of them.

    The teachers read the whole text and the student one with gaps ("noisy student": Xie et al. 2020,
    arXiv 1911.04252).
    """
    tokenizer = load_folder(start, LABELS).tokenizer
    passages = {
        MAIN_TASK: craft(corpus, tokenizer),
        "taught": [
            passage
            for file in neighbours(corpus)
            for passage in read_taught(file, taught / f"{file.stem}.npy", tokenizer)
        ],
    }
    settings = Settings({MAIN_TASK: 1, "taught": 1}, seed, learning_rate=2e-4, masked=0.1)
    _fit(start, tokenizer, passages, {}, settings, out)


@app.command()
def average(out: Path, models: Models) -> None:
    """Write the mean of the weights of MODELS, all fine-tuned from one start, to OUT.

    One model for the computation of one, and nearly as good as all of them together ("model soups":
    Wortsman et al. 2022, arXiv 2203.05482).
    """
    loaded = [load_folder(model) for model in models]
    weights = [hf_model.transformer.state_dict() for hf_model in loaded]
    mean = {name: torch.stack([w[name] for w in weights]).mean(dim=0) for name in weights[0]}
    loaded[0].transformer.load_state_dict(mean)
    save_folder(loaded[0], out, torch.float32)


def neighbours(corpus: Path) -> list[Path]:
    """The files of the neighbouring corpora."""
    files = sorted((corpus / "neighbours").glob("*.spacy"))
    if not files:
        msg.fail(f"{corpus / 'neighbours'} holds no corpus: run `spacy project run neighbours`", exits=1)
    return files


def craft(corpus: Path, tokenizer: PreTrainedTokenizerFast) -> list[Passage]:
    """The training split of CRAFT, in both of its texts."""
    return [p for name in CRAFT_FILES for p in read_passages(corpus / name, tokenizer, SCHEME)]


def read_taught(path: Path, taught: Path, tokenizer: PreTrainedTokenizerFast) -> list[Passage]:
    """The passages of a ``.spacy`` file, with what was taught of their words in place of the tags.

    RAISES: ValueError if it was taught of other words.
    """
    passages = read_passages(path, tokenizer, bio_scheme(read_labels(path)))
    probabilities = np.load(taught)
    ends = np.cumsum([len(p.tags) for p in passages])
    if len(probabilities) != ends[-1]:
        raise ValueError(
            f"{taught} is of {len(probabilities)} words, {path} has {ends[-1]}: run `teach` again"
        )
    return [
        p._replace(tags=of_p) for p, of_p in zip(passages, np.split(probabilities, ends[:-1]), strict=True)
    ]


def probabilities(component: Any, docs: list[Doc]) -> NDArray[np.float32]:
    """Of each tag of `SCHEME`, for all words of the documents one after the other. (n_words, n_tags)"""
    order = [component.scheme.index[tag] for tag in SCHEME.tags]
    scores = [words for batch in minibatch(docs, 16) for words in component.model.predict(batch)]
    return np.exp(log_softmax(np.concatenate([words.logits for words in scores])))[:, order]


def _fit(
    start: Path,
    tokenizer: PreTrainedTokenizerFast,
    passages: Mapping[str, list[Passage]],
    others: Mapping[str, TagScheme],
    settings: Settings,
    out: Path,
) -> None:
    weights = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(start.glob("*.safetensors"))]
    record = {**settings._asdict(), "start": start.name, "weights": weights, "text": digest(passages)}
    done = out / "training.json"
    if done.is_file() and srsly.read_json(done) == record:
        msg.info(f"{out} is trained already")
        return
    torch.manual_seed(settings.seed)
    model = new_classifier(start, SCHEME)
    train(Network(model, others), tokenizer, passages, settings, out / "checkpoint.pt")
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    srsly.write_json(done, record)


if __name__ == "__main__":
    app()
