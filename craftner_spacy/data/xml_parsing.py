"""XML of others, parsed by lxml without harm.

lxml has its default limits: 256 levels, 10 million bytes of text in a node, and a bound on what entities may
grow to. No DTD is loaded, and nothing is asked of the network or of other files.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from html.entities import html5
from io import BufferedIOBase
from typing import Any

from .records import import_extra

CHUNK_BYTES = 65_536
MAX_ROOT_BYTES = 1_000_000
"""Bytes in which elements are looked for at the beginning of a file."""


def root_element(file: BufferedIOBase) -> str | None:
    """The name of a file's root element, without its namespace; None if the file is no XML.

    >>> from io import BytesIO
    >>> root_element(BytesIO(b'<?xml version="1.0"?><article xmlns="x"><front/></article>'))
    'article'
    """
    try:
        return next(element_names(iter(partial(file.read, CHUNK_BYTES), b"")), None)
    except ValueError:
        return None


def element_names(chunks: Iterable[bytes]) -> Iterator[str]:
    """The names of the elements at the beginning of a file, in order.

    chunks (Iterable[bytes]): of the file; not all of them are read if it is long.
    RAISES: ValueError where it is not valid XML.
    """
    etree = import_extra("lxml.etree")
    parser = etree.XMLPullParser(events=("start",), resolve_entities=False, load_dtd=False, no_network=True)
    n_bytes = 0
    for chunk in chunks:
        error = None
        try:
            parser.feed(chunk)
        except etree.XMLSyntaxError as err:
            error = err
        for _, element in parser.read_events():
            yield etree.QName(element).localname
        if error is not None:
            raise ValueError(f"not valid XML: {error}") from error
        n_bytes += len(chunk)
        if n_bytes >= MAX_ROOT_BYTES:
            return
    try:
        parser.close()
    except etree.XMLSyntaxError as err:
        raise ValueError(f"not valid XML: {err}") from err


def parse_element(head: bytes, content: bytes, name: str, encoding: str | None = None) -> Any:
    """An element of a file, with text in place of entities.

    head (bytes): the file up to the element, or to another one at its place: encoding, entities, namespaces.
    content (bytes): the element.
    name (str): its name, without namespace.
    encoding (str | None): of both; None: as the head says.
    RAISES: ValueError if it is not valid XML, or has an entity that is no text.
    """
    etree = import_extra("lxml.etree")
    parser = etree.XMLPullParser(
        events=("end",),
        tag=f"{{*}}{name}",
        remove_comments=True,
        remove_pis=True,
        # Resolved below: lxml would leave out what it does not know, and read other files of this machine.
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        encoding=encoding,
    )
    try:
        parser.feed(head)
        parser.feed(content)
        elements = [element for _, element in parser.read_events()]
    except etree.XMLSyntaxError as err:
        raise ValueError(f"not valid XML: {err}") from err
    if len(elements) != 1:
        raise ValueError(f"not valid XML: the <{name}> is not complete")
    _resolve_entities(elements[0])
    return elements[0]


def _resolve_entities(element: Any) -> None:
    """Put text in place of entities: what the file declares, else what HTML does, as publishers use it.

    RAISES: ValueError for an entity that is none of these, or more than text: the record would lack it.
    """
    etree = import_extra("lxml.etree")
    entities = list(element.iter(etree.Entity))
    if not entities:
        return
    declarations = element.getroottree().docinfo.internalDTD
    declared = {row.name: row.content for row in declarations.entities()} if declarations is not None else {}
    for entity in entities:
        text = _entity_text(entity.name, declared)
        if text is None:
            raise ValueError(
                f"the entity {entity.text} is neither one of HTML nor declared as text in the file: the text "
                "would lack it"
            )
        entity.tail = text + (entity.tail or "")
    etree.strip_tags(element, etree.Entity)


def _entity_text(name: str, declared: Mapping[str, str | None]) -> str | None:
    """The text that an entity stands for; None if it is not known, or more than text."""
    if name not in declared:
        return html5.get(f"{name};")
    content = declared[name]
    return None if content is None or "&" in content or "<" in content else content
