"""Fuzzing: odd documents that are made from sound ones, and the steps that a function takes.

`make test` tries the same few examples in each run. `make fuzz` tries many, other ones each time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st

F = TypeVar("F", bound=Callable[..., None])

MANY = "fuzz"
"""The profile of `make fuzz`. tests/conftest.py registers it."""


def fuzzed(examples: int) -> Callable[[F], F]:
    """Try this many examples, always the same; `make fuzz` tries thirty times as many others."""
    if settings.get_current_profile_name() == MANY:
        return settings(max_examples=30 * examples)
    return settings(max_examples=examples, derandomize=True)


# ---- documents -----------------------------------------------------------------------------------

SPECIAL_TEXTS = (
    "", " ", "\n", "a\n", "a\r\nX: y", "\0", "\x1b[2J", "\x7f", "\u202e", "\ufeff", "\ud800", "ö",
    "😀", "*", "**", "[", "[!]", "[]", "a,b", "~", "null", "true", "1", "1e999", "0x10", "1:30",
    "2026-99-99", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "<<", "!x", "&a", "*a", "- ",
    "{", "}", "{}", "%s", "{0}", "{permission}", "../../etc/passwd", "a" * 300, "a." * 150,
    "https://", "https://[", "https://host:99999", "https://u:p@host", "http://proxy:0", "::1",
    "-----BEGIN ", "a" * 64, "=", "====", "LS0tLS1CRUdJTiA=", "acs:ram::1:role/r", "cri-a",
    "15m", "0s", "-1h", "99999999h", "every-5m", "@every 0m", "* * * * *", "system:anonymous",
)  # fmt: skip

texts = st.one_of(
    st.sampled_from(SPECIAL_TEXTS),
    st.text(max_size=20),
    st.text(alphabet="a-z0.:/@[]*!?{}\"'\\ \n", max_size=40),
)
numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**63, 2**64, 10**30, -(10**30), 10**400]),
    st.floats(allow_nan=True, allow_infinity=True),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
"""What JSON and YAML can hold, odd more often than not."""

Path = tuple[Any, ...]


@st.composite
def altered(draw: st.DrawFn, sound: Any, most: int = 3) -> Any:
    """A sound document of which a few parts are something else, missing, repeated or nested."""
    document = sound
    for _ in range(draw(st.integers(1, most))):
        path = draw(st.sampled_from(_paths(document)))
        changed = _changed(document, path, lambda part: draw(_alteration(part)))
        document = None if changed is _MISSING else changed
    return document


_MISSING: Any = object()


def _alteration(part: Any) -> st.SearchStrategy[Any]:
    ways: list[st.SearchStrategy[Any]] = [values, st.just(_MISSING)]
    if isinstance(part, str):
        special = st.sampled_from(SPECIAL_TEXTS)
        cut = st.integers(0, len(part))
        ways += [
            st.builds(lambda at, odd: part[:at] + odd + part[at:], cut, special),
            cut.map(lambda at: part[:at]),
        ]
    if isinstance(part, list):
        ways += [values.map(lambda each: [*part, each]), st.just(part + part)]
    if isinstance(part, dict):
        ways.append(st.builds(lambda key, each: {**part, key: each}, texts, values))
    return st.one_of(*ways, st.just([part]), st.just({"a": part}))


def _paths(document: Any, above: Path = ()) -> list[Path]:
    """The paths of all parts of a document; the document's own is the shortest."""
    parts = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    return [above, *(path for key, part in parts for path in _paths(part, (*above, key)))]


def _changed(document: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(document)
    key, *rest = path
    part = _changed(document[key], tuple(rest), change)
    if isinstance(document, dict):
        return {name: part if name == key else each for name, each in document.items()
                if name != key or part is not _MISSING}  # fmt: skip
    return [part if at == key else each for at, each in enumerate(document)
            if at != key or part is not _MISSING]  # fmt: skip


def garbled(text: str) -> st.SearchStrategy[str]:
    """A sound text with odd pieces in it, or without a part."""
    pieces = st.sampled_from([*SPECIAL_TEXTS, "&x ", "*x", "<<: *x", "---\n", "!!int ", "  ", "\t"])
    place = st.integers(0, len(text))
    inserted = st.builds(lambda at, piece: text[:at] + piece + text[at:], place, pieces)
    removed = st.builds(lambda at, size: text[:at] + text[at + size :], place, st.integers(1, 30))
    return inserted | removed


# ---- steps ---------------------------------------------------------------------------------------


def steps(act: Callable[[], object]) -> int:
    """The calls and returns of all functions in Python and C while `act` runs.

    It is a measure of time that does not depend on the machine.
    """
    counted = 0

    def count(*_: object) -> None:
        nonlocal counted
        counted += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(before)
    return counted


def assert_linear(act: Callable[[int], object], size: int) -> None:
    """Twice the size takes at most little more than twice the steps."""
    act(size)  # what is read and cached once
    once, twice = steps(lambda: act(size)), steps(lambda: act(2 * size))
    assert twice <= 2.2 * once + 500, f"{size}: {once} steps, {2 * size}: {twice} steps"
