"""Markdown of reports: pages, tables and figures."""

from collections.abc import Iterable, Sequence

from wasabi import MarkdownRenderer


def page(*parts: str) -> str:
    """A page of some parts, with an empty line between them.

    >>> page("# Title", "Text.")
    '# Title\\n\\nText.\\n'
    """
    markdown = MarkdownRenderer()
    for part in parts:
        markdown.add(part)
    return markdown.text + "\n"


def table(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table, without a line break at its end.

    >>> print(table(["split", "F1"], [["devel", 84.9]]))
    | split | F1 |
    | --- | --- |
    | devel | 84.9 |
    """
    return MarkdownRenderer().table([[str(cell) for cell in row] for row in rows], header)


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, without the sign; empty for None.

    >>> percent(0.8486), percent(0.8486, 2), percent(None)
    ('84.9', '84.86', '')
    """
    return "" if share is None else f"{100 * share:.{digits}f}"
