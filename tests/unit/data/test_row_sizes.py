"""Memory of rows."""

import pyarrow as pa

from craftner_spacy.data.row_sizes import OBJECT_BYTES, row_sizes


def test_fixed_lists_and_structs_count_what_is_in_them() -> None:
    lists = pa.array([["a", "bb"], ["", "cccc"], ["d", "e"]], pa.list_(pa.string(), 2))
    expected = [3 * OBJECT_BYTES + n for n in (3, 4, 2)]
    assert row_sizes(lists).tolist() == expected
    assert row_sizes(lists.slice(1, 2)).tolist() == expected[1:]
    structs = pa.array([{"a": "xyz", "b": 1}])
    assert row_sizes(structs).tolist() == [3 * OBJECT_BYTES + 3]


def test_equal_texts_count_in_each_row_and_nulls_hold_none() -> None:
    texts = pa.array(["abc", None, "abc"]).dictionary_encode()
    assert row_sizes(texts).tolist() == [OBJECT_BYTES + 3, OBJECT_BYTES, OBJECT_BYTES + 3]
