"""A tiny knowledge base of two ontologies of our own, and a pipeline that finds their entities."""

from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.candidates import NameFinder
from craftner_spacy.linking.knowledge_base import KnowledgeBase
from craftner_spacy.linking.schema import Concept, SeenMention

CONCEPTS = (
    ("Cell", Concept("X:1", "neuron", (("nerve cell", "exact"), ("brain cell", "broad")))),
    ("Cell", Concept("X:2", "giant cell of trophoblast", (("trophoblast giant cell", "exact"),))),
    ("Cell", Concept("X:3", "muscle fibre type II", (), (("X:30", "alternative"), ("Y:3", "xref")))),
    ("Taxon", Concept("T:1", "house mouse")),
    ("Taxon", Concept("T:2", "brown rat", (("Rattus norvegicus", "exact"),))),
    ("Protein", Concept("P:1", "Pax6", (), (), "T:1")),
    ("Protein", Concept("P:2", "Pax6", (), (), "T:2")),
)
MENTIONS = (
    ("Cell", SeenMention("neurones", "X:1", 4)),
    ("Cell", SeenMention("fibres", "X:3", 3)),
    ("Cell", SeenMention("fibres", "X:1", 1)),
    ("Cell", SeenMention("NCs", "X:1", 1)),
)
PATTERNS = (
    ("Cell", "neurons"),
    ("Cell", "trophoblast giant cells"),
    ("Cell", "giant cells"),
    ("Cell", "fibres"),
    ("Taxon", "brown rat"),
    ("Taxon", "house mouse"),
    ("Protein", "Pax6"),
    ("Planet", "Mars"),
)


@pytest.fixture(scope="session")
def kb_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny knowledge base. Shared: do not write into it."""
    path = tmp_path_factory.mktemp("kb") / "tiny.sqlite"
    build(path, CONCEPTS, MENTIONS, meta={"sources": ["our own"]})
    return path


@pytest.fixture
def kb(kb_path: Path) -> KnowledgeBase:
    return KnowledgeBase(kb_path)


@pytest.fixture
def finder(kb: KnowledgeBase) -> NameFinder:
    return NameFinder(kb)


@pytest.fixture
def nlp(kb_path: Path) -> Language:
    """A pipeline that finds entities by their words, and links them by the tiny knowledge base."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": text} for label, text in PATTERNS])
    nlp.add_pipe("craft_linker", config={"kb": str(kb_path), "spans_key": "found"})
    return nlp
