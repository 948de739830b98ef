"""A Sphinx extension that reads the docstrings of this project, and links what they name in backticks.

spaCy's dialect has ``name (type): ...`` lines, and ``RETURNS:``, ``YIELDS:`` and ``RAISES:``, without the
section titles that Sphinx's own extensions look for. `to_fields` turns them into a field list.
"""

import dataclasses
import inspect
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from docutils.nodes import Element, TextElement
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PACKAGE = "craftner_spacy"
# In the order in which the page has them.
TITLES = {"": "Arguments", "RETURNS": "Returns", "YIELDS": "Yields", "RAISES": "Raises"}
ARRAYS = {"int64": "Ints", "bool": "Bools", "floating": "Floats"}
"""The names of array types in `craftner_spacy.types`, by what numpy writes in their place."""

_TYPE = r"(?: \((?P<type>.+?)\))?"
_FIELD = re.compile(rf"(?P<names>\*{{0,2}}\w+(?:, \w+)*){_TYPE}:(?: (?P<text>.*))?")


def to_fields(lines: Iterable[str], arguments: Collection[str], title: str = "Arguments") -> list[str]:
    """A docstring with its lines for arguments, results and errors as a field list.

    An indented block after a line that ends with a colon is shown as it is.

    lines: of the docstring, its indentation taken off.
    arguments: names that may stand without a type; a name with a type is always taken for an argument.
    title (str): of the part with the arguments.
    RETURNS: lines of reStructuredText. Lines that continue a field are indented, as in the docstring.

    >>> for line in to_fields(["Add.", "", "a, b (int): numbers.", "RETURNS (int): their sum."], ["a", "b"]):
    ...     print(line)
    Add.
    <BLANKLINE>
    :Arguments:
        * **a, b** (``int``): numbers.
    <BLANKLINE>
    :Returns:
        (``int``) their sum.
    <BLANKLINE>
    """
    result: list[str] = []
    section = None
    is_in_field = False
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field and (field["names"] in TITLES or field["type"] or field["names"] in arguments):
            key = field["names"] if field["names"] in TITLES else ""
            if section != key:
                result += _new_section(result, title if key == "" else TITLES[key])
            section, is_in_field = key, True
            result.append("    " + _first_line(field, key))
        elif is_in_field and line.startswith("    "):
            result.append("      " + line.strip() if section == "" else line)
        else:
            if is_in_field and line.strip():
                result.append("")
            elif line.startswith("    ") and result[-1:] == [""] and re.search("[^:]:$", result[-2]):
                result[-2] += ":"
            section = section if not line.strip() else None
            is_in_field = False
            result.append(line)
    return [*result, ""] if section is not None else result


def _new_section(before: list[str], title: str) -> Iterator[str]:
    if before and before[-1].strip():
        yield ""
    yield f":{title}:"


def _first_line(field: re.Match[str], key: str) -> str:
    type_ = f"(``{field['type']}``)" if field["type"] else ""
    text = field["text"] or ""
    if key:
        return f"{type_} {text}".strip()
    names = field["names"].replace("*", r"\*")
    return f"* **{names}**{' ' if type_ else ''}{type_}: {text}"


def _process_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """The event `autodoc-process-docstring`: changes the lines in place."""
    try:
        arguments = set(inspect.signature(obj).parameters)
    except (TypeError, ValueError):
        # A module, a constant, or a class that hides its arguments.
        arguments = set()
    is_record = isinstance(obj, type) and (issubclass(obj, tuple) or dataclasses.is_dataclass(obj))
    # What Python itself says of a NamedTuple's making.
    own = [line for line in lines if not line.startswith("Create new instance of ")]
    lines[:] = to_fields(own, arguments, "Fields" if is_record else "Arguments")


def _skip_member(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """The event `autodoc-skip-member`: the fields of a NamedTuple stand in its docstring."""
    return True if str(obj.__doc__).startswith("Alias for field number ") else None


def short_arrays(signature: str) -> str:
    """A signature with the package's names for array types.

    >>> short_arrays("(ids: ndarray[tuple[Any, ...], dtype[int64]]) -> int")
    '(ids: Ints) -> int'
    """
    arrays = r"ndarray\[(?:tuple\[Any, \.\.\.\]|Any), dtype\[(\w+)(?:\[Any\])?\]\]"
    return re.sub(arrays, lambda array: ARRAYS.get(array[1], array[0]), signature)


def _process_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, arguments: str | None, result: str | None
) -> tuple[str, str | None] | None:
    """The event `autodoc-process-signature`."""
    return None if arguments is None else (short_arrays(arguments), result and short_arrays(result))


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: TextElement) -> Element | None:
    """The event `missing-reference`: `sources.find_folder` is the package's, from any module."""
    if node.get("refdomain") != "py":
        return None
    target = f"{PACKAGE}.{node['reftarget'].removesuffix('()')}"
    python = env.domains.python_domain
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, content)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", _process_docstring)
    app.connect("autodoc-process-signature", _process_signature)
    app.connect("autodoc-skip-member", _skip_member)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True}
