"""Pipelines of tiny models, and a few texts that such a model learns by heart."""

from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from thinc.api import Adam, fix_random_seed

from craftner_spacy.craft_ner import CraftNER
from craftner_spacy.folders import load_folder
from craftner_spacy.model import TokenClassifier, get_shim, load

Ents = list[tuple[str, str]]
"""Text and label of each entity."""

TRAINING: list[tuple[str, list[tuple[int, int, str]]]] = [
    ("The kinase in mouse brain .", [(4, 10, "Protein"), (14, 19, "Taxon")]),
    ("In mouse kinase was expressed .", [(3, 8, "Taxon"), (9, 15, "Protein")]),
    ("In mouse-kinase cells .", [(3, 8, "Taxon"), (9, 15, "Protein")]),
    ("We were in the blood .", []),
    ("The stem cells of yeast with receptor .", [(18, 23, "Taxon"), (29, 37, "Protein")]),
]
"""Texts with their entities, in characters."""
TEXTS = [text for text, _ in TRAINING]
GOLD: list[Ents] = [[(text[start:end], label) for start, end, label in ents] for text, ents in TRAINING]
"""The entities of each text, as `read_ents` gives them."""


TWO_SENTENCES = "The mouse kinase of stem cells. Sox9-/- mice were in the blood of zebrafish."
CharEnts = list[tuple[int, int, str]]
"""Start, end, in characters, and label of each entity."""


def make_nlp(folder: Path | str, lang: str = "en", **settings: Any) -> Language:
    """A blank pipeline of a language with a `craft_ner`; the other arguments are those of `add_craft_ner`."""
    nlp = spacy.blank(lang)
    add_craft_ner(nlp, folder, **settings)
    return nlp


def add_craft_ner(
    nlp: Language,
    folder: Path | str,
    name: str = "craft_ner",
    *,
    precision: str = "fp32",
    model: dict[str, object] | None = None,
    **settings: object,
) -> CraftNER:
    """Add a `craft_ner` to a pipeline and return it.

    folder (Path | str): of the model, or a model's name.
    name (str): the component's name.
    precision (str): the numeric precision of inference.
    model (dict): other settings of the model.
    settings: of the component.
    """
    config = {"model": {"name": str(folder), "precision": precision, **(model or {})}, **settings}
    pipe = nlp.add_pipe("craft_ner", name=name, config=config)
    assert isinstance(pipe, CraftNER)
    return pipe


def get_craft_ner(nlp: Language, name: str = "craft_ner") -> CraftNER:
    """The pipeline's component of that name."""
    pipe = nlp.get_pipe(name)
    assert isinstance(pipe, CraftNER)
    return pipe


def get_weights(nlp: Language) -> dict[str, np.ndarray]:
    """A copy of the weights of the pipeline's `craft_ner`, by name."""
    network: Any = get_shim(get_craft_ner(nlp).model).network
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


def read_ents(doc: Doc) -> Ents:
    """Text and label of the entities in `doc.ents`."""
    return [(ent.text, ent.label_) for ent in doc.ents]


def read_char_ents(doc: Doc) -> CharEnts:
    """Characters and label of the entities in `doc.ents`."""
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def find_char_ents(folder: Path) -> CharEnts:
    """The entities that a model finds in `TWO_SENTENCES`, in a pipeline without other components."""
    ents = read_char_ents(make_nlp(folder)(TWO_SENTENCES))
    assert len(ents) > 2
    return ents


def make_examples(nlp: Language) -> list[Example]:
    """An example for each text of `TRAINING`."""
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": [tuple(ent) for ent in gold]})
        for text, gold in TRAINING
    ]


def train(encoder: Path, updates: int) -> Language:
    """A pipeline that was trained with so many updates on all texts of `TRAINING`."""
    fix_random_seed(0)
    nlp = make_nlp(encoder)
    batch = make_examples(nlp)
    nlp.initialize(lambda: batch)
    optimizer = Adam(2e-3)
    for _ in range(updates):
        nlp.update(make_examples(nlp), sgd=optimizer)
    return nlp


def make_model(folder: Path, window: int = 128, stride: int = 96, precision: str = "fp32") -> Any:
    """A loaded `TokenClassifier` with strided spans; window and stride are counted in spaCy's tokens."""
    get_spans = registry.get("span_getters", "spacy-transformers.strided_spans.v1")(window, stride)
    model = TokenClassifier(str(folder), get_spans, "main", "first", precision)
    load(model)
    return model


def first_logit(folder: Path) -> float:
    """The first tag's logit of the text "mouse", straight from a folder's network, to three decimals."""
    hf_model = load_folder(folder)
    encoding = hf_model.tokenizer("mouse", return_tensors="pt")
    with torch.inference_mode():
        return round(float(hf_model.transformer.eval()(**encoding).logits[0, 1, 0]), 3)
