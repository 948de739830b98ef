"""The six CRAFT labels: the corpus's own tags, colours and glossary.

A *label* is an entity type (``Protein``); a *tag* carries its position too (``B-Protein``).
"""

import re
from typing import NamedTuple


class Label(NamedTuple):
    """One entity type of the corpus.

    name (str): the label, as `doc.ents` shows it.
    corpus_tag (str): the label in CRAFT-IOB, after ``B-`` and ``I-``.
    color (str): background in displaCy; black text on it has a contrast of at least 7 to 1.
    meaning (str): what the corpus marks with it.
    examples (tuple[str, ...]): frequent mentions of the training split.
    """

    name: str
    corpus_tag: str
    color: str
    meaning: str
    examples: tuple[str, ...]


GLOSSARY: tuple[Label, ...] = (
    Label(
        "Sequence",
        "SO",
        "#ffd166",
        "sequence features and their variants (Sequence Ontology)",
        ("gene", "mutant", "wild-type", "allele", "exon", "+"),
    ),
    Label(
        "Cell",
        "CL",
        "#9bd5ff",
        "cell types (Cell Ontology)",
        ("cells", "neurons", "spermatocytes", "hair cells"),
    ),
    Label(
        "Protein",
        "GGP",
        "#ff9f9f",
        "genes and gene products, by their names",
        ("PGC-1α", "Sam68", "RanBP2", "Annexin A7"),
    ),
    Label(
        "Gene",
        "GO",
        "#d0b3ff",
        "cellular components (Gene Ontology)",
        ("antibody", "mitochondrial", "nuclear", "chromosome"),
    ),
    Label(
        "Taxon",
        "Taxon",
        "#a8e6a1",
        "organisms and groups of them (NCBI Taxonomy)",
        ("mice", "human", "yeast", "Drosophila"),
    ),
    Label(
        "Chemical",
        "CHEBI",
        "#ffc2e2",
        "chemicals and their roles (ChEBI)",
        ("protein", "mRNA", "glucose", "cholesterol", "Ca2+"),
    ),
)

LABELS: tuple[str, ...] = tuple(label.name for label in GLOSSARY)
LABEL_OF_CORPUS_TAG: dict[str, str] = {label.corpus_tag: label.name for label in GLOSSARY}
DISPLACY_COLORS: dict[str, str] = {label.name: label.color for label in GLOSSARY}

_VALID_LABEL = re.compile(r"[\w .+/-]+")


def is_valid_label(name: str) -> bool:
    """Whether a label or tag has only allowed characters: displaCy writes labels into HTML unescaped.

    >>> is_valid_label("B-Cell"), is_valid_label("<b>Cell")
    (True, False)
    """
    return _VALID_LABEL.fullmatch(name) is not None
