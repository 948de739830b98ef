"""The recipe of the small model, step by step.

transfer       train on the auxiliary corpora and CRAFT together: one encoder, a classifier for each corpus
finetune       train on CRAFT alone, from a model of `transfer`; with several seeds
average        the mean of the weights of models that were trained from the same start
pseudo-label   soft labels for the words of the auxiliary corpora: the mean of what several models predict
distil         train on CRAFT and on the soft labels, from an average; with several seeds

The average of the last models is the small model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import torch
import typer
from multitask import Network, new_classifier, train, training_record
from passages import MAIN_TASK, Passage, Settings, bio_scheme, read_labels, read_passages
from spacy.tokens import Doc, DocBin
from spacy.util import minibatch
from spacy.vocab import Vocab
from transformers import PreTrainedTokenizerFast
from wasabi import msg

from craftner_spacy.decoding import log_softmax
from craftner_spacy.folders import load_folder, save_folder
from craftner_spacy.labels import LABELS
from craftner_spacy.sources import find_folder
from craftner_spacy.tags import TagScheme
from craftner_spacy.types import Floats

SCHEME = bio_scheme(LABELS)
# The corpus's own text is folded to ASCII, real articles are not: both are used.
CRAFT_FILES = ("train.spacy", "iob/train.spacy")
SOFT_LABELS_TASK = "soft_labels"

app = typer.Typer(pretty_exceptions_enable=False)
Model = Annotated[Path, typer.Argument(help="a folder in Hugging Face's layout", exists=True)]
Models = Annotated[list[Path], typer.Argument(help="such folders", exists=True, file_okay=False)]
Corpus = Annotated[
    Path, typer.Argument(help="the folder that convert and auxiliary-corpora wrote", exists=True)
]
SoftLabels = Annotated[Path, typer.Argument(help="the folder that pseudo-label wrote", exists=True)]
Masked = Annotated[float, typer.Option(help="share of the wordpieces that are masked in training")]
Seed = Annotated[int, typer.Option(help="of windows, their order, dropout and new classifiers")]


@app.command()
def transfer(encoder: str, corpus: Corpus, out: Path, seed: Seed = 1) -> None:
    """Train ENCODER, a hub id or a folder, on the auxiliary corpora and on CRAFT together."""
    start = find_folder(encoder, "main")
    tokenizer = load_folder(start, LABELS).tokenizer
    files = auxiliary_files(corpus)
    schemes = {file.stem: bio_scheme(read_labels(file)) for file in files}
    passages = {file.stem: read_passages(file, tokenizer, schemes[file.stem]) for file in files}
    passages[MAIN_TASK] = craft_passages(corpus, tokenizer)
    passes = {**dict.fromkeys(schemes, 2), MAIN_TASK: 3}
    settings = Settings(passes, seed, learning_rate=3e-4)
    train_model(start, tokenizer, passages, schemes, settings, out)


@app.command()
def finetune(start: Model, corpus: Corpus, out: Path, seed: Seed = 1, masked: Masked = 0.0) -> None:
    """Train the model START on CRAFT alone."""
    tokenizer = load_folder(start, LABELS).tokenizer
    passages = {MAIN_TASK: craft_passages(corpus, tokenizer)}
    settings = Settings({MAIN_TASK: 2}, seed, learning_rate=2e-4, masked=masked)
    train_model(start, tokenizer, passages, {}, settings, out)


@app.command()
def pseudo_label(corpus: Corpus, out: Path, models: Models) -> None:
    """Write soft labels for the words of the auxiliary corpora to OUT, one file for each corpus.

    They are the mean of the probabilities of MODELS.
    """
    components = [spacy.blank("en").add_pipe("craft_ner", config={"model": {"name": str(m)}}) for m in models]
    out.mkdir(parents=True, exist_ok=True)
    for file in auxiliary_files(corpus):
        docs = list(DocBin().from_disk(file).get_docs(Vocab()))
        mean = np.mean([probabilities(component, docs) for component in components], axis=0)
        np.save(out / f"{file.stem}.npy", mean.astype(np.float16))
        msg.good(f"{file.stem}: {len(mean)} words")


@app.command()
def distil(start: Model, corpus: Corpus, soft_labels: SoftLabels, out: Path, seed: Seed = 1) -> None:
    """Train the model START on CRAFT, and on the auxiliary corpora with the soft labels of `pseudo-label`.

    The models that gave the soft labels saw the whole text. This one is trained on text with masked
    wordpieces ("noisy student": Xie et al. 2020, arXiv 1911.04252).
    """
    tokenizer = load_folder(start, LABELS).tokenizer
    passages = {
        MAIN_TASK: craft_passages(corpus, tokenizer),
        SOFT_LABELS_TASK: [
            passage
            for file in auxiliary_files(corpus)
            for passage in read_soft_labels(file, soft_labels / f"{file.stem}.npy", tokenizer)
        ],
    }
    settings = Settings({MAIN_TASK: 1, SOFT_LABELS_TASK: 1}, seed, learning_rate=2e-4, masked=0.1)
    train_model(start, tokenizer, passages, {}, settings, out)


@app.command()
def average(out: Path, models: Models) -> None:
    """Write the mean of the weights of MODELS, all trained from the same start, to OUT.

    Prediction costs as much as with one model, and is nearly as good as with all of them together ("model
    soups": Wortsman et al. 2022, arXiv 2203.05482).
    """
    loaded = [load_folder(model) for model in models]
    weights = [hf_model.transformer.state_dict() for hf_model in loaded]
    mean = {name: torch.stack([w[name] for w in weights]).mean(dim=0) for name in weights[0]}
    loaded[0].transformer.load_state_dict(mean)
    save_folder(loaded[0], out, torch.float32)


def auxiliary_files(corpus: Path) -> list[Path]:
    """The files of the auxiliary corpora. Exits if there are none."""
    folder = corpus / "auxiliary"
    files = sorted(folder.glob("*.spacy"))
    if not files:
        msg.fail(f"{folder} has no corpus: run `spacy project run auxiliary-corpora`", exits=1)
    return files


def craft_passages(corpus: Path, tokenizer: PreTrainedTokenizerFast) -> list[Passage]:
    """The training split of CRAFT, with both of its texts."""
    return [p for name in CRAFT_FILES for p in read_passages(corpus / name, tokenizer, SCHEME)]


def read_soft_labels(path: Path, soft_labels: Path, tokenizer: PreTrainedTokenizerFast) -> list[Passage]:
    """The passages of a ``.spacy`` file, with soft labels in place of the tags.

    RAISES: ValueError if the soft labels are of another number of words.
    """
    passages = read_passages(path, tokenizer, bio_scheme(read_labels(path)))
    word_probabilities = np.load(soft_labels)
    ends = np.cumsum([len(p.tags) for p in passages])
    if len(word_probabilities) != ends[-1]:
        raise ValueError(
            f"{soft_labels} is of {len(word_probabilities)} words, {path} has {ends[-1]}: "
            "run `pseudo-label` again"
        )
    by_passage = np.split(word_probabilities, ends[:-1])
    return [p._replace(tags=tags) for p, tags in zip(passages, by_passage, strict=True)]


def probabilities(component: Any, docs: list[Doc]) -> Floats:
    """Probability of each tag of `SCHEME` for the words of all documents, concatenated: (n_words, n_tags)."""
    order = [component.scheme.index[tag] for tag in SCHEME.tags]
    scores = [words for batch in minibatch(docs, 16) for words in component.model.predict(batch)]
    return np.exp(log_softmax(np.concatenate([words.logits for words in scores])))[:, order]


def train_model(
    start: Path,
    tokenizer: PreTrainedTokenizerFast,
    passages: Mapping[str, list[Passage]],
    schemes: Mapping[str, TagScheme],
    settings: Settings,
    out: Path,
    every: int = 500,
) -> None:
    """Train and save a model, unless the same training is done already.

    start (Path): the folder with the encoder.
    schemes: tags of the auxiliary tasks.
    every (int): steps between two checkpoints.
    RAISES: ValueError if windows are too long for the encoder, or the checkpoint is of another training.
    """
    record = training_record(start, passages, settings)
    done = out / "training.json"
    if done.is_file() and srsly.read_json(done) == record:
        msg.info(f"{out} is already trained")
        return
    torch.manual_seed(settings.seed)
    model = new_classifier(start, SCHEME)
    train(Network(model, schemes), tokenizer, passages, settings, out / "checkpoint.pt", record, every)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    srsly.write_json(done, record)


if __name__ == "__main__":
    app()
