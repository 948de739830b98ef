"""The recipe of the small model, step by step: transfer, fine-tuning with several seeds, their average.

transfer   neighbouring corpora together with CRAFT, a classifier for each over one encoder
finetune   CRAFT alone, from there; with several seeds
average    the mean of their weights: the small model
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

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
from transformers import PreTrainedTokenizerFast
from wasabi import msg

from craftner_spacy.decoding import TagScheme
from craftner_spacy.labels import LABELS
from craftner_spacy.sources import find_folder, load_folder, save_folder

SCHEME = bio_scheme(LABELS)
# The corpus's own text is folded to ASCII, real articles are not: both are read.
CRAFT_FILES = ("train.spacy", "iob/train.spacy")

app = typer.Typer(pretty_exceptions_enable=False)
Model = Annotated[Path, typer.Argument(help="a folder in Hugging Face's layout", exists=True)]
Models = Annotated[list[Path], typer.Argument(help="such folders", exists=True, file_okay=False)]
Corpus = Annotated[Path, typer.Argument(help="the folder that convert and neighbours wrote", exists=True)]
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
def finetune(start: Model, corpus: Corpus, out: Path, seed: Seed = 1) -> None:
    """Train the model START on CRAFT alone."""
    tokenizer = load_folder(start, LABELS).tokenizer
    passages = {MAIN_TASK: craft(corpus, tokenizer)}
    _fit(start, tokenizer, passages, {}, Settings({MAIN_TASK: 2}, seed, learning_rate=2e-4), out)


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
