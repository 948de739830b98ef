"""PubTator: offsets, blocks of lines, and ids that would break a line."""

from pathlib import Path

import pytest
from format_files import BY_NAME, read_bytes, read_record, reasons, write_records

from craftner_spacy.data import limits
from craftner_spacy.data.records import BadRecord, Record
from craftner_spacy.types import Entity, LinkedConcept

PUBTATOR = (
    "1|t|A mouse \n1|a|With |t| in it: Sox9.\n1\t2\t7\tmouse\tSpecies\t10090\n1\t25\t29\tSox9\tGene\t-\t0.5\n"
    "1\tbind\t10090\t-\n\n2|t|\n2|a|No title\n"
)


def test_offsets_count_spaces_and_one_line_break() -> None:
    first, second = read_bytes("pubtator", PUBTATOR.encode())
    assert isinstance(first, Record)
    assert first.text == "A mouse \nWith |t| in it: Sox9."
    assert [first.text[e.start : e.end] for e in first.entities] == ["mouse", "Sox9"]
    assert [e.score for e in first.entities] == [None, 0.5]
    assert isinstance(second, Record)
    assert second.text == "\nNo title"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1|t|a\n2|t|b\n", "two lines with |t|"),
        ("1|a|b\n", "no line with a title"),
        ("1|t|b\nwhat\n", "'what' is neither a title"),
        ("1|t|b\n1\t0\t9\tb\tX\t-\n", "not in the text, which ends at 1"),
    ],
)
def test_a_wrong_block_is_a_bad_record_and_the_next_is_read(content: str, reason: str) -> None:
    wrong, *_, following = reasons("pubtator", f"{content}\n3|t|good\n".encode())
    assert following is None
    assert reason in str(wrong)


def test_any_number_of_blank_lines_may_stand_between_records() -> None:
    records = read_bytes("pubtator", b"\n\n1|t|One\n1|a|\n\n \n\n2|t|Two\n2|a|\n\n\n")
    assert [isinstance(record, Record) and record.id for record in records] == ["1", "2"]


def test_an_id_that_would_break_a_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"its id 'a\|b' contains '\|'"):
        write_records(BY_NAME["pubtator"], [Record("a|b", "x", {})], tmp_path)


def test_the_sixth_column_is_the_concept(tmp_path: Path) -> None:
    [record, _] = read_bytes("pubtator", PUBTATOR.encode())
    assert isinstance(record, Record)
    assert [e.concept for e in record.entities] == [LinkedConcept("10090"), None]
    lines = write_records(BY_NAME["pubtator"], [record], tmp_path).read_text().splitlines()
    assert [line.split("\t")[5:] for line in lines if "\t" in line] == [["10090", ""], ["-", "0.5"]]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1\t2\t7\tmouse\tSpecies\t10090", [Entity(2, 7, "Species", None, LinkedConcept("10090"))]),
        ("1\t2\t7\tmouse\tSpecies\t", [Entity(2, 7, "Species")]),
        ("1\t2\t7\tmouse\tSpecies", [Entity(2, 7, "Species")]),
        ("1\t2\t7\tmouse\t", [Entity(2, 7, "")]),
        ("1\t2\t7\tmouse", [Entity(2, 7, "")]),
        ("1\t2\t7\tmouse\tSpecies\t\t0.5\tmore", [Entity(2, 7, "Species", 0.5)]),
        # Relations, as corpora of chemicals and diseases have them.
        ("1\tBind\t10090\t9606", []),
        ("1\tAssociation\t10090\t9606\tNovel", []),
    ],
)
def test_columns_that_are_empty_or_not_there_say_nothing(line: str, expected: list[Entity]) -> None:
    record = read_record("pubtator", f"1|t|A mouse\n{line}\n".encode())
    assert list(record.entities) == expected


@pytest.mark.parametrize("line", ["1\t2\tx\tmouse\tSpecies", "1\tx\t7\tmouse\tSpecies\t10090"])
@pytest.mark.parametrize("entities", [True, False])
def test_offsets_that_are_no_numbers_are_a_bad_record(line: str, entities: bool) -> None:
    (reason,) = reasons("pubtator", f"1|t|A mouse\n{line}\n".encode(), entities=entities)
    assert "an annotation's second and third columns have to be numbers" in str(reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1|t|One\n1|a|Two\nthree.\n", "'three.' is neither a title"),
        ("1|t|One\n2|a|Two\n", "lines of different ids"),
        ("1|t|One\n1|a|Two\n2\t0\t3\tOne\tGene\t-\n", "lines of different ids"),
        ("1|t|One\n1|m|Two\n", "parts other than |t| and |a|"),
        ("1|t|One\n1|a|Two\n1\tx\n", "is neither a title"),
        # An abstract whose marks were overwritten by columns.
        ("1|t|One\n1\t-\t0wo mice.\t[1] more\n", "is neither a title"),
        ("1|t|One\n1|a|" + "a" * 16_000_000 + "\n", "larger than 16,000,000 bytes"),
        ("1|t|One\n" + f"1\t0\t1\tO\tX\t{'x' * 1_000_000}\n" * 17, "larger than 16,000,000 bytes"),
        ("1|t|One\n1\t0\t1\tO\tX\t-\t-\n1\tR\tA\tB\n", None),
    ],
    ids=lambda value: str(value)[:24],
)
def test_no_text_is_left_out_or_joined(content: str, reason: str | None) -> None:
    first, second = read_bytes("pubtator", f"{content}\n9|t|good\n".encode(), entities=False)
    assert isinstance(second, Record)
    if reason is None:
        assert isinstance(first, Record)
    else:
        assert isinstance(first, BadRecord), first
        assert reason in first.reason


def test_a_record_may_have_so_many_annotations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_VALUES", 60)
    block = "1|t|One\n" + "1\t0\t1\tO\tX\t-\n" * 9
    assert reasons("pubtator", block.encode()) == [None]
    bad, good = reasons("pubtator", f"{block}1\t0\t1\tO\tX\t-\n\n2|t|good\n".encode())
    assert "more than 60 values" in str(bad)
    assert good is None
