"""Make a pipeline of a model, with its meta.json, ready for `python -m spacy package`."""

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import spacy
import typer
from wasabi import msg

from craftner_spacy.sources import BIOBERT

CORPUS: list[dict[str, str]] = [
    {
        "name": "CRAFT: annotated full-text articles",
        "url": "https://github.com/UCDenver-ccp/CRAFT",
        "license": "CC BY 3.0 (annotations), CC BY (articles)",
        "author": "Center for Computational Pharmacology, University of Colorado Denver",
    },
    {
        "name": "CRAFT-IOB of MTL-Bioinformatics-2016",
        "url": "https://github.com/cambridgeltl/MTL-Bioinformatics-2016",
        "license": "CC BY 4.0",
        "author": "Language Technology Lab, University of Cambridge",
    },
]
CONCEPTS: list[dict[str, str]] = [
    {
        "name": "The bundled names of concepts: CRAFT, and six ontologies",
        "url": "https://obofoundry.org",
        "license": "CC BY 4.0, and public domain (NCBI Taxonomy)",
        "author": "see craftner_spacy/linking/CREDITS.md",
    }
]
"""Of the knowledge base that goes with the pipeline."""
MPNET = "sentence-transformers/all-mpnet-base-v2"


class Package(NamedTuple):
    """What a package is made of: the name of the model, a description, and the sources of the weights."""

    model: str
    description: str
    sources: list[dict[str, str]]


PACKAGES: dict[str, Package] = {
    "craft_ner_sm": Package(
        "small",
        "Six biomedical entity types of the CRAFT corpus, by a small model (MiniLM, 6 layers).",
        [
            {
                "name": "all-MiniLM-L6-v2",
                "url": "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
                "license": "Apache-2.0",
                "author": "sentence-transformers",
            }
        ],
    ),
    "craft_ner_md": Package(
        MPNET,
        "Six biomedical entity types of the CRAFT corpus, by the base model (MPNet, 12 layers).",
        [
            {
                "name": MPNET.partition("/")[2],
                "url": f"https://huggingface.co/{MPNET}",
                "license": "Apache-2.0",
                "author": MPNET.partition("/")[0],
            }
        ],
    ),
    "craft_ner_trf": Package(
        "biobert",
        "Six biomedical entity types of the CRAFT corpus, by BioBERT (12 layers).",
        [
            {
                "name": BIOBERT.partition("/")[2],
                "url": f"https://huggingface.co/{BIOBERT}",
                "license": "see the model's page",
                "author": BIOBERT.partition("/")[0],
            },
            {
                "name": "biobert-base-cased-v1.2",
                "url": "https://huggingface.co/dmis-lab/biobert-base-cased-v1.2",
                "license": "see the model's page",
                "author": "DMIS Lab, Korea University",
            },
        ],
    ),
}


def main(
    name: str,
    out_dir: Path,
    package_name: Annotated[str, typer.Option()],
    version: Annotated[str, typer.Option()],
    metrics: Path | None = None,
) -> None:
    """Write the pipeline of the model NAME ('small', 'biobert' or a folder) to OUT_DIR.

    METRICS is the JSON file that `evaluate` wrote for this model. It may be missing.
    """
    if package_name not in PACKAGES:
        msg.fail(f"--package-name {package_name!r}: allowed are {', '.join(PACKAGES)}", exits=1)
    package = PACKAGES[package_name]
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "craftner_spacy.tokenizer.v1"}}})
    nlp.add_pipe("craft_ner", config={"model": {"name": name}})
    # The package has the weights: a local path would be useless on another machine.
    component: dict[str, Any] = nlp.get_pipe_config("craft_ner")
    nlp.add_pipe("craft_linker")
    nlp.initialize(lambda: [])
    component["model"]["name"] = package.model
    nlp.meta.update(
        name=package_name,
        version=version,
        description=package.description,
        author="the craftner_spacy authors",
        license="MIT",
        sources=[*CORPUS, *CONCEPTS, *package.sources],
    )
    if metrics is not None and metrics.is_file():
        nlp.meta["performance"] = json.loads(metrics.read_text(encoding="utf-8"))
    nlp.to_disk(out_dir)
    msg.good(f"{out_dir}: en_{package_name} {version}")


if __name__ == "__main__":
    typer.run(main)
