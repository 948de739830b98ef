"""Concepts of ontologies: read from OBO, OWL (RDF/XML) and tables of names, plain, gzipped or zipped."""

import gzip
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import IO, Any, cast

from .schema import SCOPES, Concept

MAX_LINE = 4000
"""Characters of an OBO line that is read; a longer one holds no name that anybody writes."""

_SYNONYM = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*(EXACT|NARROW|RELATED|BROAD)?')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED_SPACE = {"n": " ", "t": " ", "W": " "}
_TAGS = (
    "id:", "name:", "namespace:", "synonym:", "alt_id:", "xref:", "is_obsolete:", "replaced_by:",
    "relationship: only_in_taxon ",
)  # fmt: skip
_DAMAGED = (ValueError, KeyError, EOFError, SyntaxError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)
_EXTRA = "pip install '.[ontologies]' in a checkout of craftner_spacy"


def read_ontology(
    path: str | Path, *, prefix: str | None = None, namespace: str | None = None
) -> Iterator[Concept]:
    """Read the concepts of a file.

    An obsolete term is no concept: its id becomes one that its replacement has, if it has one. OBO and tables
    are read as a stream; OWL is read whole first.

    path (str | Path): .obo, .owl or .tsv, which may be followed by .gz, or a .zip with one such file in it.
        A table has a header with the columns id and name, and may have scope (see `schema.SCOPES`) and taxon;
        without scope, the first line of an id is its name and the others are exact synonyms.
    prefix (str | None): take the ids that begin with it and a colon alone, e.g. "CL".
    namespace (str | None): take the terms of this namespace alone, e.g. "cellular_component".
    YIELDS (Concept): the concepts in the file's order, and at the end nameless ones with replaced ids.
    RAISES: FileNotFoundError if there is no such file; ValueError if it has another suffix, is damaged or
        has no concept; ImportError if obonet (OBO) or pronto (OWL) is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"ontology = {str(path)!r}: there is no such file")
    read = _READERS[_suffix(path)]
    n_found = 0
    replaced: dict[str, str] = {}
    try:
        with _open(path) as file:
            for concept in read(file, namespace, replaced):
                if prefix is None or concept.id.startswith(f"{prefix}:"):
                    n_found += 1
                    yield concept
    except _DAMAGED as err:
        raise ValueError(f"ontology = {str(path)!r} is damaged ({_first_line(err)})") from err
    if not n_found:
        which = "".join(
            f", {setting} = {value!r}"
            for setting, value in (("prefix", prefix), ("namespace", namespace))
            if value is not None
        )
        raise ValueError(f"ontology = {str(path)!r}{which}: there is no concept with a name in it")
    for old in replaced:
        new = end_of_chain(old, replaced)
        if new is not None:
            yield Concept(new, "", other_ids=((old, "replaced"),))


def end_of_chain(id: str, replaced: dict[str, str]) -> str | None:
    """What an id was replaced by in the end.

    replaced (dict[str, str]): replacement by obsolete id.
    RETURNS (str | None): an id that was not replaced; None if the replacements go round in a circle.

    >>> end_of_chain("A:1", {"A:1": "A:2", "A:2": "A:3"})
    'A:3'
    >>> end_of_chain("A:1", {"A:1": "A:2", "A:2": "A:1"}) is None
    True
    """
    seen = set()
    while id in replaced:
        if id in seen:
            return None
        seen.add(id)
        id = replaced[id]
    return id


def _suffix(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(".zip"):
        with _as_damaged(path), zipfile.ZipFile(path) as archive:
            name = _only_member(archive).lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    if suffix not in _READERS:
        allowed = ", ".join(_READERS)
        raise ValueError(
            f"ontology = {str(path)!r}: allowed are files that end with {allowed}, with .gz after it, or a "
            ".zip with one such file in it"
        )
    return suffix


@contextmanager
def _as_damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as err:
        raise ValueError(f"ontology = {str(path)!r} is damaged ({_first_line(err)})") from err


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    name = path.name.lower()
    if name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive, archive.open(_only_member(archive)) as file:
            yield file
    elif name.endswith(".gz"):
        with gzip.open(path) as file:
            yield cast(IO[bytes], file)
    else:
        with path.open("rb") as file:
            yield file


def _only_member(archive: zipfile.ZipFile) -> str:
    members = [name for name in archive.namelist() if Path(name).suffix.lower() in _READERS]
    if len(members) != 1:
        raise ValueError(f"{len(members)} files that end with {', '.join(_READERS)} in it; has to be one")
    return members[0]


def _read_obo(file: IO[bytes], namespace: str | None, replaced: dict[str, str]) -> Iterator[Concept]:
    try:
        from obonet.read import parse_stanza, term_tag_singularity
    except ImportError as err:
        raise ImportError(f"reading OBO needs obonet: {_EXTRA}") from err
    default_namespace = None
    for kind, lines in _stanzas(_text_lines(file)):
        if kind == "":
            header = parse_stanza([line for line in lines if line.startswith("default-namespace:")], {})
            default_namespace = header.get("default-namespace", [None])[0]
        elif kind == "[Term]":
            wanted = [line for line in lines if line.startswith(_TAGS) and len(line) <= MAX_LINE]
            term = parse_stanza(wanted, term_tag_singularity)
            if "id" not in term:
                raise ValueError(f"a [Term] without id: {''.join(lines[:3])!r}")
            if namespace is not None and term.get("namespace", default_namespace) != namespace:
                continue
            if term.get("is_obsolete") == "true":
                _note_replacement(term["id"], term.get("replaced_by", []), replaced)
            elif term.get("name"):
                yield _obo_concept(term)


def _stanzas(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Name and lines of each stanza; the header's name is ""."""
    kind, stanza = "", list[str]()
    for line in lines:
        if line.startswith("["):
            yield kind, stanza
            kind, stanza = line.strip(), []
        elif not line.isspace():
            stanza.append(line)
    yield kind, stanza


def _text_lines(file: IO[bytes]) -> Iterator[str]:
    with io.TextIOWrapper(file, encoding="utf-8-sig") as lines:
        yield from lines


def _obo_concept(term: dict[str, Any]) -> Concept:
    synonyms = []
    for synonym in term.get("synonym", ()):
        match = _SYNONYM.match(synonym)
        if match is None:
            raise ValueError(f"a synonym of {term['id']} that is no quoted text: {synonym[:80]!r}")
        synonyms.append((_unescape(match[1]), (match[2] or "RELATED").lower()))
    other_ids = [(other, "alternative") for other in term.get("alt_id", ())]
    other_ids += [(xref.split()[0], "xref") for xref in term.get("xref", ()) if xref.split()]
    taxa = [relation.split()[1] for relation in term.get("relationship", ())]
    return Concept(
        term["id"],
        _unescape(term["name"]),
        tuple(synonyms),
        tuple(other_ids),
        taxa[0] if len(taxa) == 1 else None,
    )


def _note_replacement(old: str, new: list[str], replaced: dict[str, str]) -> None:
    # Of several replacements none is the right one for every mention.
    if len(new) == 1:
        replaced[old] = new[0]


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED_SPACE.get(match[1], match[1]), text)


def _read_owl(file: IO[bytes], namespace: str | None, replaced: dict[str, str]) -> Iterator[Concept]:
    try:
        import pronto
    except ImportError as err:
        raise ImportError(f"reading OWL needs pronto: {_EXTRA}") from err
    with warnings.catch_warnings():
        # It warns of each property that it does not know; none of them is a name.
        warnings.simplefilter("ignore")
        # Depth 0: it must not fetch what the ontology imports.
        ontology = pronto.Ontology(io.BytesIO(file.read()), import_depth=0)
    for term in ontology.terms():
        if namespace is not None and term.namespace != namespace:
            continue
        if term.obsolete:
            _note_replacement(term.id, [new.id for new in term.replaced_by], replaced)
        elif term.name:
            other_ids = [(other, "alternative") for other in sorted(term.alternate_ids)]
            other_ids += [(xref.id, "xref") for xref in sorted(term.xrefs)]
            synonyms = sorted(
                (synonym.description, (synonym.scope or "RELATED").lower()) for synonym in term.synonyms
            )
            yield Concept(term.id, term.name, tuple(synonyms), tuple(other_ids))


def _read_tsv(file: IO[bytes], namespace: str | None, replaced: dict[str, str]) -> Iterator[Concept]:
    if namespace is not None:
        raise ValueError(f"namespace = {namespace!r}: a table has none; has to be null")
    rows = read_table(file, required=("id", "name"), optional=("scope", "taxon"))
    for id_, group in groupby(rows, key=lambda row: row["id"]):
        names: list[tuple[str, str]] = []
        taxon = None
        for row in group:
            scope = row["scope"] or ("exact" if names else "name")
            if scope not in SCOPES[1:]:
                raise ValueError(f"scope = {scope!r} of {id_}: allowed are {', '.join(SCOPES[1:])}")
            names.append((row["name"], scope))
            taxon = taxon or row["taxon"] or None
        own = next((name for name, scope in names if scope == "name"), "")
        synonyms = tuple((name, scope) for name, scope in names if name != own)
        yield Concept(id_, own, synonyms, (), taxon)


def read_table(
    file: IO[bytes], required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[dict[str, str]]:
    """Read a table with a header, its columns parted by tabs.

    file: in UTF-8.
    required, optional (tuple[str, ...]): names of columns; others are not read.
    YIELDS (dict[str, str]): the columns of each line; "" for an optional one that the table lacks.
    RAISES: ValueError if the header lacks a required column, or a line has another number of columns.

    >>> list(read_table(io.BytesIO(b"id\\tname\\nX:1\\tneuron\\n"), ("id", "name"), ("taxon",)))
    [{'id': 'X:1', 'name': 'neuron', 'taxon': ''}]
    """
    lines = _text_lines(file)
    header = next(lines, "").rstrip("\r\n").split("\t")
    missing = [column for column in required if column not in header]
    if missing:
        raise ValueError(f"the header {header!r} lacks the column {', '.join(missing)}")
    for number, line in enumerate(lines, start=2):
        if line.isspace():
            continue
        values = line.rstrip("\r\n").split("\t")
        if len(values) != len(header):
            raise ValueError(f"line {number} has {len(values)} columns; has to have {len(header)}")
        row = dict(zip(header, values, strict=True))
        yield {column: row.get(column, "").strip() for column in (*required, *optional)}


_READERS: dict[str, Callable[[IO[bytes], str | None, dict[str, str]], Iterator[Concept]]] = {
    ".obo": _read_obo,
    ".owl": _read_owl,
    ".tsv": _read_tsv,
}


def _first_line(err: Exception) -> str:
    return f"{type(err).__name__}: {err}".splitlines()[0][:300]
