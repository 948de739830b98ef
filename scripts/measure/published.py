"""Figures that others published for the same labels and the same splits."""

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
