"""A knowledge base of what another one holds, ontologies, and annotated documents."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from spacy.tokens import Doc

from .builder import build
from .knowledge_base import KnowledgeBase
from .mentions import doc_mentions
from .ontologies import read_ontology
from .schema import Concept, SeenMention


def fill(
    path: Path, own: KnowledgeBase | None, ontologies: Mapping[str, str | list[str]], docs: Iterable[Doc]
) -> None:
    """Write a knowledge base; a file that is there is replaced.

    path (Path): the file.
    own (KnowledgeBase | None): one whose content is taken too.
    ontologies (Mapping): by label the file, or files, of its ontology.
    docs: entities of them that have an id are mentions of that concept.
    RAISES: what `ontologies.read_ontology` and `builder.build` raise.
    """

    def concepts() -> Iterator[tuple[str, Concept]]:
        if own is not None:
            yield from own.all_concepts()
        for label, files in ontologies.items():
            for file in [files] if isinstance(files, str) else files:
                for concept in read_ontology(file):
                    yield label, concept

    def mentions() -> Iterator[tuple[str, SeenMention]]:
        if own is not None:
            yield from own.all_mentions()
        yield from doc_mentions(docs)

    build(path, concepts(), mentions(), meta={} if own is None else own.meta(), overwrite=True)
