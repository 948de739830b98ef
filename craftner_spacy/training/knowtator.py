"""CRAFT's concept annotations: spans of an article's text and ids of ontologies, in Knowtator's XML."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LABEL_OF_ONTOLOGY = {
    "SO": "Sequence",
    "CL": "Cell",
    "PR": "Protein",
    "GO_CC": "Gene",
    "NCBITaxon": "Taxon",
    "CHEBI": "Chemical",
}
"""The label of the entities that CRAFT-IOB has for each folder of concept annotations."""


class ConceptAnnotation(NamedTuple):
    """One annotated mention.

    label (str): the entity's label.
    spans (tuple[tuple[int, int], ...]): start and end of each of its parts, in characters of the article.
    id (str): the concept's id.
    name (str): the concept's name.
    """

    label: str
    spans: tuple[tuple[int, int], ...]
    id: str
    name: str

    def text(self, article: str) -> str:
        """The words of the mention; its parts with a blank between them.

        >>> ConceptAnnotation("Cell", ((0, 5), (10, 14)), "X:1", "").text("basal and stem cells")
        'basal stem'
        """
        return " ".join(article[start:end] for start, end in self.spans)


def read_concept_annotations(folder: str | Path, pmid: str, article: str) -> Iterator[ConceptAnnotation]:
    """Read the concept annotations of an article.

    folder (str | Path): CRAFT's folder concept-annotation.
    pmid (str): the article's number in PubMed.
    article (str): its text.
    YIELDS (ConceptAnnotation): those of each ontology of `LABEL_OF_ONTOLOGY`, in the order of their places.
    RAISES: FileNotFoundError if an ontology's file is missing, ValueError if it is no such XML, or its spans
        are not in the article; ImportError if lxml is not installed.
    """
    for ontology, label in LABEL_OF_ONTOLOGY.items():
        path = Path(folder) / ontology / ontology / "knowtator" / f"{pmid}.txt.knowtator.xml"
        if not path.is_file():
            raise FileNotFoundError(f"concept annotations: there is no file {str(path)!r}")
        yield from sorted(_read(path, label, article), key=lambda annotation: annotation.spans)


def _read(path: Path, label: str, article: str) -> Iterator[ConceptAnnotation]:
    try:
        from lxml import etree
    except ImportError as err:
        raise ImportError(
            "reading Knowtator's XML needs lxml: pip install '.[formats]' in a checkout of craftner_spacy"
        ) from err
    # A file from elsewhere must not make us read others, and a document type is what such a file needs.
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True)
    try:
        tree = etree.parse(str(path), parser)
    except etree.XMLSyntaxError as err:
        raise ValueError(f"{str(path)!r} is no valid XML ({err})") from err
    if tree.docinfo.doctype or tree.getroot().tag != "annotations":
        raise ValueError(f"{str(path)!r}: has to be <annotations> of Knowtator, without a document type")
    classes = {}
    for mention in tree.iterfind("classMention"):
        concept = mention.find("mentionClass")
        if concept is not None:
            classes[mention.get("id")] = (concept.get("id", ""), concept.text or "")
    for annotation in tree.iterfind("annotation"):
        mention = annotation.find("mention")
        spans = tuple((int(span.get("start")), int(span.get("end"))) for span in annotation.iterfind("span"))
        if mention is None or mention.get("id") not in classes:
            raise ValueError(f"{str(path)!r}: the annotation at {spans} has no concept")
        if not spans or not all(0 <= start < end <= len(article) for start, end in spans):
            raise ValueError(f"{str(path)!r}: the spans {spans} are not in the article's text")
        yield ConceptAnnotation(label, spans, *classes[mention.get("id")])
