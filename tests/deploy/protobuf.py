"""The part of the protobuf wire format that Terraform's plugin protocol needs here.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

_VARINT, _LENGTH_DELIMITED = 0, 2


def encode(*fields: tuple[int, bytes | int]) -> bytes:
    """A message of these fields: number and text, message or number."""
    return b"".join(
        _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(value)) + value
        if isinstance(value, bytes)
        else _varint(number << 3 | _VARINT) + _varint(value)
        for number, value in fields
    )


def decode(message: bytes) -> dict[int, bytes]:
    """The last value of each length-delimited field; others are left out."""
    fields, at = {}, 0
    while at < len(message):
        key, at = _read_varint(message, at)
        value, at = _read_varint(message, at)
        if key & 7 == _LENGTH_DELIMITED:
            fields[key >> 3] = message[at : at + value]
            at += value
    return fields


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
