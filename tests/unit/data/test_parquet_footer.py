"""Footers of Parquet files, as others may write them."""

from io import BytesIO

import pytest

from craftner_spacy.data.parquet_footer import GroupSizes, read_group_sizes

GROUPS = b"\x49\x1c\x19\x0c\x26\x04\x00"
"""Field 4, a list of one struct: field 1, a list of no columns; field 3, two rows."""


def footer(fields: bytes) -> BytesIO:
    """A file that is a footer with these fields."""
    content = fields + b"\x00"
    return BytesIO(content + len(content).to_bytes(4, "little") + b"PAR1")


def test_values_of_other_fields_are_passed_over() -> None:
    assert read_group_sizes(footer(GROUPS)) == [GroupSizes(2, [])]
    # Field 5: a truth value, a byte, a number with a fraction, text, a list of truth values.
    for other in (b"\x11", b"\x13\x07", b"\x17" + bytes(8), b"\x18\x02ab", b"\x19\x21\x01\x02"):
        assert read_group_sizes(footer(GROUPS + other)) == [GroupSizes(2, [])]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"\x1c" * 60, "the footer is nested too deep"),
        (b"\x16" + b"\xff" * 12, "the footer has a number of more than 64 bits"),
        (b"\x1b\x00", "the footer has a value of kind 11"),
    ],
)
def test_what_cannot_be_read_is_an_error(fields: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_group_sizes(footer(fields))
