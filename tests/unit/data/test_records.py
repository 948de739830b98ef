"""Records: what readers and writers of all formats share."""

import pytest
from format_files import read_record

from craftner_spacy.data import records
from craftner_spacy.data.records import BadRecord, Passage, Record, check_entities, or_bad_record, shorten
from craftner_spacy.types import Entity


def test_entities_of_the_input_may_stay_unread() -> None:
    wrong = b"1|t|b\n1\t0\t9\tb\tX\t-\n"
    record = read_record("pubtator", wrong, entities=False)
    assert record == Record("1", "b", {}, (Passage(0, 1, {"type": "title"}),))
    record = read_record("jsonl", b'{"id": 1, "text": "b", "entities": "X"}', entities=False)
    assert record == Record("1", "b", {})


@pytest.mark.parametrize(
    ("entity", "reason"),
    [
        (Entity(0, 4, "Cell"), "an entity at 0 to 4 is not in the text, which ends at 3"),
        (Entity(2, 2, "Cell"), "an entity at 2 to 2 is not in the text"),
        (Entity(-1, 2, "Cell"), "an entity at -1 to 2 is not in the text"),
        (Entity(1.0, 2, "Cell"), "an entity at 1.0 to 2 is not in the text"),  # type: ignore[arg-type]
        (Entity(0, 1, None), "an entity at 0 has a label None"),  # type: ignore[arg-type]
        (Entity(0, 1, "Cell", "high"), "and a score 'high'"),  # type: ignore[arg-type]
        (Entity(0, 1, "Cell", float("nan")), "and a score nan"),
    ],
)
def test_wrong_entities_are_refused(entity: Entity, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_entities([Entity(0, 3, "Cell"), entity], 3)


def test_entities_cannot_make_a_record_large(monkeypatch: pytest.MonkeyPatch) -> None:
    # A line of JSON holds the text of each entity.
    monkeypatch.setattr(records, "MAX_MENTIONS", 100)
    assert len(check_entities([Entity(0, 10, "X")] * 10, 10)) == 10
    with pytest.raises(ValueError, match="its entities have more than 100 characters: no record's may"):
        check_entities([Entity(0, 10, "X")] * 11, 10)


def fail() -> Record:
    """Raise what a damaged disk raises."""
    raise OSError(5, "disk")


def test_what_damaged_data_makes_a_library_raise_makes_a_bad_record() -> None:
    assert or_bad_record(lambda: Record(str(int("7")), "", {})) == Record("7", "", {})
    bad = or_bad_record(lambda: Record(str(int("x")), "", {}))
    assert bad == BadRecord("invalid literal for int() with base 10: 'x'")
    assert or_bad_record(lambda: Record({}["x"], "", {})) == BadRecord("KeyError: 'x'")  # type: ignore[index]
    with pytest.raises(OSError, match="disk"):
        or_bad_record(fail)


def test_a_long_value_is_shortened() -> None:
    assert shorten("x" * 58) == repr("x" * 58)
    assert shorten("x" * 59) == f"'{'x' * 56}..."
