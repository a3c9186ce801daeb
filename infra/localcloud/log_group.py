"""LogGroup, the protobuf message in which SLS takes logs: read without a library.

Rests on the "Data encoding methods" page of the SLS documentation: a LogGroup holds Logs (1), a
topic (3) and a source (4), a Log holds its time (1) and contents (2), a content a key (1) and a
value (2).
https://www.alibabacloud.com/help/en/sls/developer-reference/data-encoding
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Log:
    """A log and when it is of, in seconds since the epoch."""

    time: int
    contents: dict[str, str]


@dataclass(frozen=True)
class LogGroup:
    logs: tuple[Log, ...]
    topic: str
    source: str


def parse_log_group(message: bytes) -> LogGroup:
    """The message's content; ValueError if it is not a LogGroup."""
    fields = list(_fields(message))
    return LogGroup(
        logs=tuple(_log(_data(value)) for number, value in fields if number == 1),
        topic=_text(fields, 3),
        source=_text(fields, 4),
    )


def _log(message: bytes) -> Log:
    fields = list(_fields(message))
    times = [value for number, value in fields if number == 1 and isinstance(value, int)]
    if len(times) != 1:
        raise ValueError("a Log has one time")
    return Log(times[0], dict(_content(_data(value)) for number, value in fields if number == 2))


@functools.lru_cache(4096)  # most contents of thousands of logs are the same
def _content(message: bytes) -> tuple[str, str]:
    fields = list(_fields(message))
    return _text(fields, 1), _text(fields, 2)


def _text(fields: list[tuple[int, int | bytes]], wanted: int) -> str:
    """The last value of a field, as protobuf has it; empty without one."""
    values = [_data(value) for number, value in fields if number == wanted]
    return values[-1].decode() if values else ""


def _data(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message or text belongs")  # noqa: TRY004  # bad data
    return value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field, in order."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        if tag & 7 == _VARINT:
            number, position = _varint(message, position)
            yield tag >> 3, number
            continue
        if tag & 7 == _LENGTH_DELIMITED:
            length, position = _varint(message, position)
        elif tag & 7 in {_FIXED32, _FIXED64}:
            length = 4 if tag & 7 == _FIXED32 else 8
        else:
            raise ValueError("an unknown wire type")
        if position + length > len(message):
            raise ValueError("cut off")
        yield tag >> 3, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    if position < len(message) and (byte := message[position]) < 0x80:
        return byte, position + 1  # most are: tags, and the lengths of short texts
    value = shift = 0
    while position < len(message) and shift < 70:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a number is cut off")
