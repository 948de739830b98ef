"""A made-up article, and a made-up training split."""

from pathlib import Path

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab
from tiny_corpus import SENTENCES, TEXT, write_docs

from craftner_spacy.training.projection import Article, project


@pytest.fixture
def article() -> Article:
    """All sentences of the made-up article but one have a place in it."""
    [article] = project(SENTENCES, {"11": TEXT, "12": "Other title\nOther text."})
    return article


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """A folder with a training split: mentions of Taxon and Cell, in two files."""
    (tmp_path / "split" / "sub").mkdir(parents=True)
    mentions = Doc(Vocab(), words=["mice", "rats", "mice"], ents=["B-Taxon"] * 3)
    write_docs(tmp_path / "split" / "a.spacy", mentions)
    words, tags = ["mast", "\n", "cell", "mice"], ["B-Cell", "I-Cell", "I-Cell", "B-Taxon"]
    write_docs(tmp_path / "split" / "sub" / "b.spacy", Doc(Vocab(), words=words, ents=tags))
    return tmp_path / "split"
