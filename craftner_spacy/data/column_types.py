"""The types of a table's columns: what all values of a field have in common, so that each of them comes back.

A kind is None for no value but nulls, one of the `SCALARS`, ``("list", KIND)``,
``("struct", ((NAME, KIND), ...))``, or "json" for values that have no type in common.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Any

from .structure import MAX_WHOLE

Kind = Any
SCALARS = ("bool", "int", "big", "float", "str")
"""A "big" number is a whole one that no floating-point number may stand for."""
MAX_LEVELS = 8
"""Lists and objects in each other, in a column that is not JSON."""


def kind_of(value: Any, levels: int = 0) -> Kind:
    """The kind of a value in JSON's types.

    levels (int): lists and objects that it is in.

    >>> [kind_of(value) for value in (None, True, 7, 2**60, 2**64, [1, None, 0.5], [1, "a"], {}, {"a": "b"})]
    [None, 'bool', 'int', 'big', 'json', ('list', 'float'), 'json', 'json', ('struct', (('a', 'str'),))]
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if abs(value) <= MAX_WHOLE else "big" if -(2**63) <= value < 2**63 else "json"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "str"
    if levels == MAX_LEVELS:
        return "json"
    if isinstance(value, list):
        kind = common_kind(kind_of(item, levels + 1) for item in value)
        return "json" if kind == "json" else ("list", kind)
    kinds = {name: kind_of(item, levels + 1) for name, item in sorted(value.items())}
    return "json" if not kinds or "json" in kinds.values() else ("struct", tuple(kinds.items()))


def common_kind(kinds: Iterable[Kind]) -> Kind:
    """The kind of values of these kinds.

    >>> common_kind(["int", None, "float"]), common_kind(["big", "float"]), common_kind(["int", "bool"])
    ('float', 'json', 'json')
    """
    return reduce(_common, kinds, None)


def _common(one: Kind, other: Kind) -> Kind:
    """The kind of values of two kinds."""
    if one == other or other is None:
        return one
    if one is None:
        return other
    if {one, other} <= {"int", "big"}:
        return "big"
    if {one, other} == {"int", "float"}:
        return "float"
    if isinstance(one, tuple) and isinstance(other, tuple) and one[0] == other[0]:
        if one[0] == "list":
            kind = _common(one[1], other[1])
            return "json" if kind == "json" else ("list", kind)
        if [name for name, _ in one[1]] == [name for name, _ in other[1]]:
            both = zip(one[1], other[1], strict=True)
            kinds = {name: _common(kind, same) for (name, kind), (_, same) in both}
            return "json" if "json" in kinds.values() else ("struct", tuple(kinds.items()))
    return "json"


def arrow_type(pa: Any, kind: Kind) -> Any:
    """The type of a column in Arrow; text for JSON, and where there are only nulls.

    pa (Any): the module pyarrow.
    kind (Kind): of its values.
    """
    if isinstance(kind, tuple):
        if kind[0] == "list":
            return pa.list_(arrow_type(pa, kind[1]))
        return pa.struct([(name, arrow_type(pa, of_field)) for name, of_field in kind[1]])
    types = {"bool": pa.bool_(), "int": pa.int64(), "big": pa.int64(), "float": pa.float64()}
    return types.get(kind, pa.string())
