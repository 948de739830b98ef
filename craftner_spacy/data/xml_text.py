"""XML that others wrote: its elements one by one, and their text.

lxml reads it with its default limits: 256 levels, 10 million bytes of text in a node, and a bound on what
entities may grow to. No entity is replaced, no DTD is loaded, and nothing is asked of the network or of other
files.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from html.entities import html5
from io import BufferedIOBase
from typing import Any

from . import limits
from .records import BadRecord, Passage, Record, import_extra, or_bad_record

ROOT_BYTES = 1_000_000
"""The most bytes before a file's root element."""
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")


class _BoundedFile:
    """A binary file of which a limited number of bytes can be read before the count begins anew."""

    def __init__(self, file: BufferedIOBase, limit: int) -> None:
        """Begin to count.

        file (BufferedIOBase): the file.
        limit (int): in bytes.
        """
        self._file = file
        self._limit = limit
        self.n_read = 0

    def read(self, size: int = -1) -> bytes:
        """Read as the file does.

        RAISES: ValueError if the limit is exceeded.
        """
        if self.n_read > self._limit:
            raise ValueError(f"more than {self._limit:,} bytes without the end of a record")
        data = self._file.read(size)
        self.n_read += len(data)
        return data


def root_element(file: BufferedIOBase) -> str | None:
    """The name of a file's root element, without its namespace; None if the file is no XML.

    >>> from io import BytesIO
    >>> root_element(BytesIO(b'<?xml version="1.0"?><article xmlns="x"><front/></article>'))
    'article'
    """
    etree = import_extra("lxml.etree")
    try:
        for _, element in _iterparse(_BoundedFile(file, ROOT_BYTES), events=("start",)):
            return local_name(element)
    except (etree.XMLSyntaxError, ValueError):
        pass
    return None


def read_elements(
    file: BufferedIOBase, tags: Collection[str], parse: Callable[[Any], Record]
) -> Iterator[Record | BadRecord]:
    """The record of each element of some names, which is forgotten afterwards.

    file (BufferedIOBase): the XML.
    tags (Collection[str]): names of elements without namespace; an element inside another one of them is part
        of that one's record.
    parse (Callable): gives the record of an element; it raises a ValueError for a bad one.
    """
    etree = import_extra("lxml.etree")
    bounded = _BoundedFile(file, limits.MAX_RECORD_BYTES)
    elements = _iterparse(bounded, tag=[f"{{*}}{tag}" for tag in tags])
    found = False
    try:
        for _, element in elements:
            parent = element.getparent()
            if parent is not None and local_name(parent) in tags:
                continue
            found, bounded.n_read = True, 0
            yield or_bad_record(partial(parse, element))
            _forget(element)
    except etree.XMLSyntaxError as err:
        last = elements.error_log.last_error
        yield BadRecord(f"not valid XML from here to the end of the file: {last.message if last else err}")
    except ValueError as err:
        yield BadRecord(f"not read from here to the end of the file: {err}")
    else:
        if not found:
            root = local_name(elements.root) if elements.root is not None else "?"
            yield BadRecord(f"it has the root element <{root}>, and no <{'> or <'.join(tags)}> in it")


def local_name(element: Any) -> str:
    """The name of an element without its namespace; empty for what is no element."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def text_pieces(element: Any, skip: Collection[str] = (), breaks: Collection[str] = ()) -> Iterator[str]:
    """The text inside an element, piece by piece.

    skip (Collection[str]): names of elements whose content is left out.
    breaks (Collection[str]): names of elements that stand for themselves: a space surrounds them.
    RAISES: ValueError for an entity that is not one of HTML's.
    """
    if element.text:
        yield element.text
    for child in element:
        name = local_name(child)
        if not name:
            yield resolve_entity(child)
        elif name not in skip:
            space = " " if name in breaks else ""
            yield space
            yield from text_pieces(child, skip, breaks)
            yield space
        if child.tail:
            yield child.tail


def resolve_entity(node: Any) -> str:
    """The characters of an entity that the XML does not spell out: publishers use the names of HTML.

    RAISES: ValueError for another name, or one that the file itself declares.
    """
    dtd = node.getroottree().docinfo.internalDTD
    declared = {entity.name for entity in dtd.entities()} if dtd is not None else set()
    if node.name in declared or f"{node.name};" not in html5:
        raise ValueError(f"the entity &{node.name}; is not known: entities that a file declares are not read")
    return html5[f"{node.name};"]


def clean(pieces: Iterable[str]) -> str:
    r"""Pieces of text as one line: XML's white space in any number counts as one space.

    >>> clean(["Loss of ", "Sox9", "\n   in mice "])
    'Loss of Sox9 in mice'
    """
    return _WHITE_SPACE.sub(" ", "".join(pieces)).strip(" ")


def element_text(element: Any, skip: Collection[str] = ()) -> str:
    """All text inside an element, as one line; empty for None.

    RAISES: ValueError for an entity that is not one of HTML's.
    """
    return "" if element is None else clean(text_pieces(element, skip))


def join_passages(parts: Iterable[tuple[str, dict[str, str]]]) -> tuple[str, tuple[Passage, ...]]:
    r"""The text of parts with a line break between them, and their passages; empty parts are left out.

    parts (Iterable): the text and the infons of each part.

    >>> join_passages([("A title", {"type": "title"}), ("", {}), ("More", {})])
    ('A title\nMore',
     (Passage(start=0, end=7, infons={'type': 'title'}), Passage(start=8, end=12, infons={})))
    """
    texts: list[str] = []
    passages: list[Passage] = []
    start = 0
    for text, infons in parts:
        if text:
            texts.append(text)
            passages.append(Passage(start, start + len(text), infons))
            start += len(text) + 1
    return "\n".join(texts), tuple(passages)


def without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields that have a value: no empty text, no empty list."""
    return {name: value for name, value in fields.items() if value}


def _iterparse(file: _BoundedFile, **options: Any) -> Any:
    """An iterator over events and elements, without comments and processing instructions."""
    return import_extra("lxml.etree").iterparse(
        file,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        **options,
    )


def _forget(element: Any) -> None:
    """Free the memory of an element and of those before it: iterparse keeps what it has read."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]
