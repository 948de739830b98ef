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


def test_views_and_types_with_a_meaning_count_what_is_in_them() -> None:
    lists = [["a", "bb"], [], ["cccc"]]
    expected = row_sizes(pa.array(lists, pa.list_(pa.string()))).tolist()
    for kind in (pa.list_view(pa.string()), pa.large_list_view(pa.string())):
        assert row_sizes(pa.array(lists, kind)).tolist() == expected
        assert row_sizes(pa.array(lists, kind).slice(1)).tolist() == expected[1:]
    texts = pa.array(["abc", "d"])
    extension = pa.ExtensionArray.from_storage(pa.json_(), texts)
    assert row_sizes(extension).tolist() == row_sizes(texts).tolist() == [OBJECT_BYTES + 3, OBJECT_BYTES + 1]
