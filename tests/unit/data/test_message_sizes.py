"""Values of messages in msgpack."""

from typing import Any

import pytest
import srsly
from srsly.msgpack import ExtType

from craftner_spacy.data.message_sizes import check_message, count_values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a" * 40, 1),
        ("a" * 70_000, 1),
        (b"a" * 300, 1),
        (0.5, 1),
        (-(2**40), 1),
        (ExtType(1, b"abcd"), 1),
        (ExtType(1, b"a" * 300), 1),
        (list(range(20)), 21),
        ({str(number): [number] for number in range(20)}, 61),
    ],
    ids=lambda value: str(value)[:20],
)
def test_all_values_are_counted(value: Any, expected: int) -> None:
    message = srsly.msgpack_dumps([value, "end"])
    assert count_values(message, 1000) == expected + 2
    check_message(message, expected + 2)


def test_a_list_longer_than_its_message_is_refused() -> None:
    with pytest.raises(IndexError, match="a list is longer than the message"):
        count_values(b"\xdd\xff\xff\xff\xff\xc0", 1000)
