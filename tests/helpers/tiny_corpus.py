"""A made-up article and its sentences as CRAFT-IOB would have them; nothing of CRAFT's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from craftner_spacy.training.corpus import Sentence, iob_doc

TITLE = "Tiny\u00a0β-globin tales"
# Greek, spaces that do not break or are thin, a line break in a sentence, micro, minus, prime, arrow, dashes,
# accents (composed and combining), a repeated sentence, plus-minus, and a line that the corpus does not have.
TEXT = (
    f"{TITLE}\n\n"
    "Mice ate 5\u2009± 2 µg of\nzinc.\n"
    "They slept.\n\n"
    "Copyright line, not in the corpus\n"
    "α2−/− mice → 5′ ends—naïve cafe\u0301.\n"
    "They slept. "
)
SENTENCES = [
    Sentence(
        ("Tiny", "beta", "-", "globin", "tales"), ("O", "B-Protein", "I-Protein", "I-Protein", "B-Sequence")
    ),
    Sentence(
        ("Mice", "ate", "5", "+", "/", "-", "2", "microg", "of", "zinc", "."),
        ("B-Taxon", "O", "O", "O", "B-Sequence", "O", "O", "O", "O", "B-Chemical", "O"),
    ),
    Sentence(("They", "slept", "."), ("B-Taxon", "O", "O")),
    Sentence(("This", "is", "nowhere", "."), ("O", "O", "B-Cell", "O")),
    Sentence(
        ("alpha2-/-", "mice", "-->", "5'", "ends", "--", "naive", "cafe", "."),
        ("B-Protein", "B-Taxon", "O", "B-Sequence", "I-Sequence", "O", "O", "B-Cell", "O"),
    ),
    Sentence(("They", "slept", "."), ("B-Taxon", "O", "O")),
]

CRAFT = [
    Sentence(("mouse", "Pax6", "in", "the", "retina"), ("B-Taxon", "B-Protein", "O", "O", "O")),
    Sentence(("calcium", "in", "stem", "cells"), ("B-Chemical", "O", "B-Cell", "I-Cell")),
    Sentence(("the", "membrane", "of", "an", "exon"), ("O", "B-Gene", "O", "O", "B-Sequence")),
]
"""Sentences for the recipes of models: each label once."""


def write_recipe_corpus(folder: Path, others: Mapping[str, Sequence[Sentence]]) -> Path:
    """Write the folder that the recipes read: CRAFT, raw and as CRAFT-IOB, and other corpora by name."""
    for name, sentences in {"train": CRAFT, "iob/train": CRAFT, **others}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        DocBin(docs=[iob_doc(Vocab(), sentences, "1")] * 3).to_disk(folder / f"{name}.spacy")
    return folder


def write_docs(path: Path, *docs: Doc) -> Path:
    """Write Docs to a ``.spacy`` file."""
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def iob(doc: Doc) -> list[tuple[str, str]]:
    """Each token with its tag, such as ``B-Cell`` or ``O``; empty where the tag is missing."""
    return [(token.text, f"{token.ent_iob_}-{token.ent_type_}".strip("-")) for token in doc]
