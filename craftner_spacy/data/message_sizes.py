"""How many values a message in msgpack would make, found without making them."""

_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
"""Bytes of the length of bytes, text and extensions."""
_EXTENSIONS = (0xC7, 0xC8, 0xC9)
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8} | {
    0xD4 + power: 1 + 2**power for power in range(5)
}
"""Bytes of numbers and of extensions of a fixed length."""
_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""For lists and maps: bytes of their length, and values for each of it."""


def check_message(message: bytes | bytearray, limit: int) -> None:
    """Refuse a message that would make too many values.

    message (bytes | bytearray): in msgpack.
    limit (int): values, at most.
    RAISES: ValueError if there are more; IndexError if the message is not complete.
    """
    if len(message) > limit and count_values(message, limit) > limit:
        raise ValueError(f"it holds more than {limit:,} values")


def count_values(message: bytes | bytearray, limit: int) -> int:
    r"""The number of values in a message, nested ones included; counting ends soon after the limit.

    message (bytes | bytearray): in msgpack.
    limit (int): of values.
    RAISES: IndexError if the message is not complete.

    >>> count_values(b"\x93\x01\xa1a\x81\xc0\xc3", 100)
    6
    """
    position, total, left = 0, 0, 1
    while left and total <= limit:
        sign = message[position]
        position, left, total = position + 1, left - 1, total + 1
        n_values = 0
        if 0x80 <= sign <= 0x8F:
            n_values = 2 * (sign & 0x0F)
        elif 0x90 <= sign <= 0x9F:
            n_values = sign & 0x0F
        elif 0xA0 <= sign <= 0xBF:
            position += sign & 0x1F
        elif sign in _LENGTHS:
            n_bytes = _LENGTHS[sign]
            position += n_bytes + _number(message, position, n_bytes) + (sign in _EXTENSIONS)
        elif sign in _FIXED:
            position += _FIXED[sign]
        elif sign in _CONTAINERS:
            n_bytes, each = _CONTAINERS[sign]
            n_values = each * _number(message, position, n_bytes)
            position += n_bytes
        left += n_values
        if left > len(message):
            raise IndexError("a list is longer than the message")
    return total


def _number(message: bytes | bytearray, position: int, n_bytes: int) -> int:
    """The number that stands at a place."""
    return int.from_bytes(message[position : position + n_bytes], "big")
