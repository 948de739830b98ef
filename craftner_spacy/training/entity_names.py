"""The names that entity replacement draws from: mentions of a training split, and terms of ontologies."""

import gzip
import io
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from .corpus import find_docbins

OBO_SUFFIXES = (".obo", ".obo.gz", ".zip")
# The value of a synonym tag: "text" SCOPE TYPE [xrefs], where TYPE is optional.
EXACT_SYNONYM = re.compile(r'"((?:[^"\\]|\\.)*)"\s+EXACT\b')
ESCAPE = re.compile(r"\\(.)")
ESCAPED_WHITE_SPACE = {"n": "\n", "t": "\t", "W": " "}


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
    """Read the names and EXACT synonyms of an ontology's terms, obsolete terms left out.

    Underscores are replaced by spaces: ontologies that avoid spaces in names use them instead (most names of
    the Sequence Ontology), and authors write spaces. Upper and lower case stay.

    path (str | Path): OBO in UTF-8: ``.obo``, ``.obo.gz``, or a ``.zip`` with one ``.obo`` in it.
    RETURNS (list[str]): distinct names, sorted; each run of white space is one space.
    RAISES: ValueError if the file has another suffix, is not OBO, or has no name; FileNotFoundError if there
        is no such file; ImportError if obonet is not installed.
    """
    try:
        import obonet
    except ImportError as error:
        raise ImportError(
            f"ontologies: {str(path)!r} is read with obonet: pip install '.[augment]' in a checkout of "
            "craftner_spacy"
        ) from error
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"ontologies: {str(path)!r}: there is no such file")
    if not path.name.lower().endswith(OBO_SUFFIXES):
        raise ValueError(f"ontologies: {str(path)!r}: allowed suffixes are {', '.join(OBO_SUFFIXES)}")
    try:
        text = _obo_bytes(path).decode("utf-8-sig")
        graph = obonet.read_obo(io.StringIO(text, newline=None), ignore_obsolete=True)
    except (ValueError, KeyError, EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise ValueError(f"ontologies: {str(path)!r} has to be OBO in UTF-8 ({error!r})") from error
    raw_names: list[str] = []
    for _, term in graph.nodes(data=True):
        # A term that is only referred to, because it is obsolete or of another ontology, has no name.
        raw_names.extend([term["name"]] if "name" in term else [])
        raw_names.extend(match[1] for match in map(EXACT_SYNONYM.match, term.get("synonym", ())) if match)
    names = {one_line(_unescape(name).replace("_", " ")) for name in raw_names} - {""}
    if not names:
        raise ValueError(f"ontologies: {str(path)!r} has to have [Term] stanzas with a name; it has none")
    return sorted(names)


def _obo_bytes(path: Path) -> bytes:
    """The content of an OBO file, decompressed."""
    if path.suffix.lower() == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(".obo")]
            if len(members) != 1:
                raise ValueError(f"the archive has {len(members)} .obo files; it has to have one")
            return archive.read(members[0])
    return path.read_bytes()


def _unescape(text: str) -> str:
    return ESCAPE.sub(lambda match: ESCAPED_WHITE_SPACE.get(match[1], match[1]), text)


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
    ontologies (Mapping[str, str | Path]): OBO file by label.
    labels (list[str] | None): the labels that names are needed for; None: all that have names.
    RETURNS (dict[str, Sequence[str]]): names by label.
    RAISES: ValueError if `ontologies` or `labels` has a wrong value, or a label has no names; what
        `read_mentions` and `read_ontology_names` raise.
    """
    if not isinstance(ontologies, Mapping):
        raise ValueError(f"ontologies = {ontologies!r}: allowed is a mapping from labels to OBO files")
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
