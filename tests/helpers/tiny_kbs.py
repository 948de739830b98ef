"""A knowledge base that has an id for each word that the tiny models know, for each of their labels."""

from pathlib import Path

from tiny_models import WORDS

from craftner_spacy.labels import LABELS
from craftner_spacy.linking.builder import build
from craftner_spacy.linking.schema import Concept


def make_tiny_kb(path: Path) -> Path:
    """Write the knowledge base; its path."""
    words = enumerate(dict.fromkeys(word.lower() for word in WORDS))
    names = [(number, word) for number, word in words]
    build(path, [(label, Concept(f"X:{n}", word)) for label in LABELS for n, word in names])
    return path
