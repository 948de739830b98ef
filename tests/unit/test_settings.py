"""What settings of components may be, and what a refusal says."""

import pytest

from craftner_spacy.settings import check_ids, check_kb, check_label_map


@pytest.mark.parametrize("value", ["", None, 7])
def test_kb_is_a_name(value: object) -> None:
    with pytest.raises(ValueError, match="allowed are 'bundled' or the path of a file"):
        check_kb(value)
    assert check_kb("bundled") == "bundled"


@pytest.mark.parametrize("value", ["T:1", [""], [7], None, {"T:1"}])
def test_ids_are_a_list(value: object) -> None:
    with pytest.raises(ValueError, match="allowed are a list of ids"):
        check_ids(value)


def test_ids_are_copied() -> None:
    given = ["T:1"]
    kept = check_ids(given)
    given.append("T:2")
    assert kept == ["T:1"]
    assert check_ids(("T:1",)) == kept


def test_no_map_of_labels_is_an_empty_one() -> None:
    assert check_label_map(None) == {}
