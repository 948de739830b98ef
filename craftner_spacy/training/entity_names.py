"""The names that entity replacement draws from: mentions of a training split, and terms of ontologies."""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from ..linking.ontologies import read_ontology
from .corpus import find_docbins


def read_mentions(path: str | Path) -> dict[str, list[str]]:
    """Read the distinct mentions of each label from spaCy's training data.

    path (str | Path): a ``.spacy`` file, or a folder with such files at any depth.
    RETURNS (dict[str, list[str]]): mentions by label, both sorted; each run of white space is one space.
    RAISES: ValueError if a file is not a DocBin; FileNotFoundError if there is no such file, or no ``.spacy``
        file in the folder.
    """
    mentions: defaultdict[str, set[str]] = defaultdict(set)
    for file in find_docbins(path):
        try:
            docs = DocBin().from_disk(file)
        except (zlib.error, ValueError, KeyError) as error:
            raise ValueError(f"path: {str(file)!r} has to be a DocBin ({error!r})") from error
        for doc in docs.get_docs(Vocab()):
            for entity in doc.ents:
                mentions[entity.label_].add(one_line(entity.text))
    return {label: sorted(texts - {""}) for label, texts in sorted(mentions.items())}


def read_ontology_names(path: str | Path) -> list[str]:
    """Read the names and exact synonyms of an ontology's terms, obsolete terms left out.

    Underscores are replaced by spaces: ontologies that avoid spaces in names use them instead (most names of
    the Sequence Ontology), and authors write spaces. Upper and lower case stay.

    path (str | Path): OBO, OWL or a table; see `linking.ontologies.read_ontology`.
    RETURNS (list[str]): distinct names, sorted; each run of white space is one space.
    RAISES: what `linking.ontologies.read_ontology` raises.
    """
    names: set[str] = set()
    for concept in read_ontology(path):
        names.add(concept.name)
        names.update(text for text, scope in concept.synonyms if scope == "exact")
    return sorted({one_line(name.replace("_", " ")) for name in names} - {""})


def one_line(text: str) -> str:
    """A text with each run of white space replaced by one space, and none at either end.

    >>> one_line(" mast\\n  cell")
    'mast cell'
    """
    return " ".join(text.split())


def names_by_label(
    path: str | Path | None, ontologies: Mapping[str, str | Path], labels: list[str] | None
) -> dict[str, Sequence[str]]:
    """The names of each label: from its ontology, or else from the mentions of the training split.

    path (str | Path | None): the training split; None: no mentions are read.
    ontologies (Mapping[str, str | Path]): by label the file of its ontology.
    labels (list[str] | None): the labels that names are needed for; None: all that have names.
    RETURNS (dict[str, Sequence[str]]): names by label.
    RAISES: ValueError if `ontologies` or `labels` has a wrong value, or a label has no names; what
        `read_mentions` and `read_ontology_names` raise.
    """
    if not isinstance(ontologies, Mapping):
        raise ValueError(f"ontologies = {ontologies!r}: allowed is a mapping from labels to files")
    for label, file in ontologies.items():
        if not isinstance(label, str) or not label or not isinstance(file, (str, Path)):
            raise ValueError(
                f"ontologies: {label!r} = {file!r}: allowed are a label and the path of its file"
            )
    if labels is not None and (
        not isinstance(labels, (list, tuple))
        or not labels
        or not all(isinstance(label, str) for label in labels)
    ):
        raise ValueError(f"labels = {labels!r}: allowed are a list of one or more labels, or null for all")
    mentions = {} if path is None else read_mentions(path)
    wanted = sorted({*mentions, *ontologies} if labels is None else labels)
    lacking = [label for label in wanted if label not in ontologies and not mentions.get(label)]
    if lacking or not wanted:
        raise ValueError(
            f"labels = {labels!r}: no names to draw from for {', '.join(lacking) or 'any label'}; allowed "
            f"are labels with a file in ontologies (has: {', '.join(ontologies) or 'none'}) or with mentions "
            f"in path = {path} (has: {', '.join(mentions) or 'none'})"
        )
    return {
        label: read_ontology_names(ontologies[label]) if label in ontologies else mentions[label]
        for label in wanted
    }
