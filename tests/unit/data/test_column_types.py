"""Types of columns."""

from typing import Any

import pytest

from craftner_spacy.data.column_types import MAX_LEVELS, common_kind, kind_of

DEEP: Any = "a"
for _ in range(MAX_LEVELS + 1):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2**60], "big"),
        ([1, 0.5], "float"),
        ([2**60, 0.5], "json"),
        ([DEEP], "json"),
        ([[1], [0.5]], ("list", "float")),
        ([[1], ["a"]], "json"),
        ([{"a": 1, "b": "x"}, {"a": 0.5, "b": None}], ("struct", (("a", "float"), ("b", "str")))),
        ([{"a": 1}, {"a": "x"}], "json"),
        ([{"a": 1}, {"b": 1}], "json"),
        ([{"a": 1}, [1]], "json"),
    ],
)
def test_values_have_a_kind_in_common_or_are_json(values: list[Any], kind: Any) -> None:
    assert common_kind(map(kind_of, values)) == kind
