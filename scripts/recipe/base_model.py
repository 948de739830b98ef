"""The recipe of the base model, a 12-layer encoder: a teacher of the small model, and a model of its own.

train      train on outside corpora and CRAFT together: one encoder, a classifier for each corpus
finetune   train on CRAFT alone
unpack     write the model that the checkpoint of a stopped training has
"""

from pathlib import Path
from typing import Annotated

import torch
import typer
from multitask import Network, new_classifier
from passages import MAIN_TASK, Settings, bio_scheme, read_labels, read_passages
from small_model import SCHEME, Model, craft_passages, train_model
from wasabi import msg

from craftner_spacy.folders import load_folder
from craftner_spacy.labels import LABELS
from craftner_spacy.sources import find_folder

PASSES = {
    "BC2GM": 1,
    "BioNLP13CG": 1,
    "BioRED_TrainDev": 2,
    "DrugProt_Test": 1,
    "GNormPlus_Train": 2,
    "JNLPBA": 1,
    "NLMchem_Test": 1,
    "NLMgene_Train": 2,
    "SPECIES_Train": 2,
    "linnaeus": 1,
    MAIN_TASK: 3,
}
"""Epochs for each corpus; CRAFT with both of its texts. Small corpora of genes and species have two. Corpora
without a label that means one of ours are used only in distillation."""
AUXILIARY_UNTIL = 0.8

app = typer.Typer(pretty_exceptions_enable=False)
Seed = Annotated[int, typer.Option(help="of windows, their order, dropout and new classifiers")]
Corpus = Annotated[
    Path, typer.Argument(help="the folder that convert and outside-corpora wrote", exists=True)
]


@app.command("train")
def train_base(
    encoder: str,
    corpus: Corpus,
    out: Path,
    seed: Seed = 1,
    learning_rate: Annotated[float, typer.Option(help="its maximum")] = 8e-5,
    until: Annotated[float, typer.Option(help="share of the steps after which the training ends")] = 1.0,
    every: Annotated[int, typer.Option(help="steps between two checkpoints")] = 100,
) -> None:
    """Train ENCODER, a hub id or a folder, on outside corpora and on CRAFT, or continue from a checkpoint."""
    start = find_folder(encoder, "main")
    tokenizer = load_folder(start, LABELS).tokenizer
    files = [corpus / "outside" / f"{name}.spacy" for name in PASSES if name != MAIN_TASK]
    schemes = {file.stem: bio_scheme(read_labels(file)) for file in files}
    passages = {file.stem: read_passages(file, tokenizer, schemes[file.stem]) for file in files}
    passages[MAIN_TASK] = craft_passages(corpus, tokenizer)
    settings = Settings(PASSES, seed, learning_rate, auxiliary_until=AUXILIARY_UNTIL, until=until)
    train_model(start, tokenizer, passages, schemes, settings, out, every)


@app.command()
def finetune(
    start: Model,
    corpus: Corpus,
    out: Path,
    seed: Seed = 1,
    learning_rate: Annotated[float, typer.Option(help="its maximum")] = 5e-5,
    every: Annotated[int, typer.Option(help="steps between two checkpoints")] = 50,
) -> None:
    """Train the model START on CRAFT alone, with both of its texts, or continue from a checkpoint."""
    tokenizer = load_folder(start, LABELS).tokenizer
    passages = {MAIN_TASK: craft_passages(corpus, tokenizer)}
    settings = Settings({MAIN_TASK: 1}, seed, learning_rate)
    train_model(start, tokenizer, passages, {}, settings, out, every)


@app.command()
def unpack(encoder: str, checkpoint: Path, out: Path) -> None:
    """Write the model of CHECKPOINT, of a training that began with ENCODER, to OUT."""
    start = find_folder(encoder, "main")
    model = new_classifier(start, SCHEME)
    state = torch.load(checkpoint, weights_only=True, mmap=True)
    prefix = "main."
    weights = {n.removeprefix(prefix): w for n, w in state["network"].items() if n.startswith(prefix)}
    Network(model, {}).main.load_state_dict(weights)
    model.save_pretrained(out)
    load_folder(start, LABELS).tokenizer.save_pretrained(out)
    msg.good(f"{out}: step {state['step']}")


if __name__ == "__main__":
    app()
