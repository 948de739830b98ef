"""The text of XML elements as lines and passages."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from .records import Passage

_WHITE_SPACE = re.compile(r"[ \t\r\n]+")


def local_name(element: Any) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def text_pieces(element: Any, skip: Collection[str] = (), breaks: Collection[str] = ()) -> Iterator[str]:
    """The text inside an element, piece by piece.

    skip (Collection[str]): names of elements whose content is left out.
    breaks (Collection[str]): names of elements that stand for themselves: a space surrounds them.
    """
    if element.text:
        yield element.text
    for child in element:
        name = local_name(child)
        if name not in skip:
            space = " " if name in breaks else ""
            yield space
            yield from text_pieces(child, skip, breaks)
            yield space
        if child.tail:
            yield child.tail


def clean(pieces: Iterable[str]) -> str:
    r"""Pieces of text as one line: XML's white space in any number counts as one space.

    >>> clean(["Loss of ", "Sox9", "\n   in mice "])
    'Loss of Sox9 in mice'
    """
    return _WHITE_SPACE.sub(" ", "".join(pieces)).strip(" ")


def element_text(element: Any, skip: Collection[str] = ()) -> str:
    """All text inside an element, as one line; empty for None."""
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
