"""Examples with made-up gold and predicted entities."""

import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

WORDS = ["Fox9", "-", "/", "-", "mice", "lack", "B", "cells", "."]
GOLD = [(0, 1, "Protein"), (1, 4, "Sequence"), (4, 5, "Taxon"), (6, 8, "Cell")]


def make_example(predicted: list[tuple[int, int, str]], gold: list[tuple[int, int, str]] = GOLD) -> Example:
    """An Example of `WORDS`; entities as first token, end and label."""
    vocab = spacy.blank("en").vocab
    docs = []
    for spans in (predicted, gold):
        doc = Doc(vocab, words=WORDS)
        doc.ents = [Span(doc, start, end, label=label) for start, end, label in spans]
        docs.append(doc)
    return Example(*docs)
