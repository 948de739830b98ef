"""Figures that others published: for the same labels and splits, and for corpora of other guidelines."""

from typing import NamedTuple

HUB = "https://huggingface.co/StivenLancheros"


class Published(NamedTuple):
    """What the authors of a model published.

    name, url (str): of the model.
    figures (dict[str, float]): some of loss, precision, recall, f1 and accuracy.
    """

    name: str
    url: str
    figures: dict[str, float]


class PublishedOutside(NamedTuple):
    """What the authors of a model published for a corpus of other guidelines than CRAFT's.

    name, url (str): of the model, and where the figure is from.
    corpus, entities (str): what was measured.
    f1 (float): in [0, 1].
    """

    name: str
    url: str
    corpus: str
    entities: str
    f1: float


PUBLISHED: dict[str, list[Published]] = {
    "devel": [
        Published(
            "BioBERT v1.2, AugmentedTransfer_EN (`biobert`)",
            f"{HUB}/biobert-base-cased-v1.2-finetuned-ner-CRAFT_AugmentedTransfer_EN",
            {"loss": 0.2213, "precision": 0.8528, "recall": 0.8617, "f1": 0.8572, "accuracy": 0.9709},
        ),
        Published(
            "BioBERT v1.2, CRAFT_English",
            f"{HUB}/biobert-base-cased-v1.2-finetuned-ner-CRAFT_English",
            {"f1": 0.8604, "accuracy": 0.9724},
        ),
        Published("scispaCy 0.5.3, en_ner_craft_md", "https://github.com/allenai/scispacy", {"f1": 0.797}),
    ],
    "test": [
        Published("scispaCy 0.5.4, en_ner_craft_md", "https://allenai.github.io/scispacy", {"f1": 0.780}),
    ],
}

AIONER = ("AIONER, Luo et al. 2023, table 2", "https://doi.org/10.1093/bioinformatics/btad310")
PUBLISHED_OUTSIDE = (
    PublishedOutside(*AIONER, "BioRED test", "genes", 0.9240),
    PublishedOutside(*AIONER, "BioRED test", "species", 0.9750),
    PublishedOutside(*AIONER, "BioRED test", "chemicals", 0.9098),
)
