"""Reads YAML as plain data. A key that is written twice is a problem.

PyYAML keeps the last of two equal keys without a message. It also builds a tree of nodes first,
which takes four times the CPU and the memory of this loader: a configuration of 100,000 clusters
would need 400 MB. And it has no limits: nested merge keys of 800 bytes unfold until the memory is
used up, and a number such as 1:1:1:... takes a time that grows with the square of its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from acr_refresher.config.strict import InvalidInput, Location, Problem, path_of
from acr_refresher.settings import SETTINGS

if TYPE_CHECKING:
    from yaml import SafeLoader as _SafeLoader
else:  # the C loader has the same methods and is ten times as fast
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({f"{_TAG}str", f"{_TAG}value"})  # the second is that of a plain =
_SCALAR_TAGS = frozenset(
    f"{_TAG}{name}" for name in ("bool", "int", "float", "null", "timestamp", "binary")
)
_SET = f"{_TAG}set"
_COLLECTION_TAGS = {
    yaml.SequenceStartEvent: (f"{_TAG}seq", "!"),
    yaml.MappingStartEvent: (f"{_TAG}map", "!", _SET),
}
# What PyYAML raises beside its own errors if a scalar does not fit its tag, such as 2026-99-99.
_CONSTRUCTION_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

_NOT_YAML = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters and halves of surrogate pairs. https://yaml.org/spec/1.1/#id868524"""
_MAX_DIRECTIVES = 10
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A document: its data, the line in which it begins, and its repeated keys."""

    data: object
    line: int
    repeated_keys: tuple[Problem, ...]


def read_yaml(text: str, root: str, most_values: int = 0) -> tuple[object, tuple[Problem, ...]]:
    """The document, and a problem for each key that is written twice.

    Raises InvalidInput if the text is not one YAML document, or has more than `most_values` values
    where that is given. Problems call the document `root`; none shows a value.
    """
    documents = read_yaml_documents(text, root, most_values)
    if len(documents) > 1:
        where = f"in line {documents[1].line}, column 1"
        raise _invalid(root, f"is not valid YAML {where}: found a second document", _CORRECT)
    return (documents[0].data, documents[0].repeated_keys) if documents else (None, ())


def read_yaml_documents(text: str, root: str, most_values: int = 0) -> tuple[YamlDocument, ...]:
    """The documents of a text, which lines with --- separate. Raises InvalidInput as above."""
    text = text.removeprefix(_BOM)
    if found := _NOT_YAML.search(text):
        problem = f"has the control character U+{ord(found[0]):04X} in line {_line(text, found)}"
        raise _invalid(root, problem, "remove it")
    if text.count("\n%") > _MAX_DIRECTIVES:  # they take time that grows with the square
        raise _invalid(root, f"has more than {_MAX_DIRECTIVES} directives (%)", "remove them")
    loader = _Loader(text, root, most_values)
    try:
        return tuple(loader.documents())
    except yaml.MarkedYAMLError as error:
        raise _invalid(root, _syntax_error(error), error.note or _CORRECT) from None
    except yaml.YAMLError:
        raise _invalid(root, "is not valid YAML", _CORRECT) from None
    finally:
        loader.dispose()


def _invalid(root: str, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput([Problem(root, problem, remedy)])


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What an alias stands for, and its size: that of values, and of their text."""

    value: object
    size: int


class _Loader(_SafeLoader):
    """A loader that makes values directly from the parser's events.

    Anchors, aliases and merge keys (`<<`) mean the same as in PyYAML, but what aliases repeat is
    limited, and a value cannot contain itself. Only tags of scalars are known.
    """

    get_event: Any  # types-PyYAML has no types for these
    resolve: Any

    def __init__(self, text: str, root: str, most_values: int) -> None:
        super().__init__(text)
        self._root = root
        self._most_values = most_values
        self._repeated_keys: list[tuple[Location, int, int]] = []
        """The place of each repeated key, and the lines of its first and of its other use."""
        self._anchored: dict[str, _Anchored | None] = {}  # None while it is being read
        self._plain_keys: dict[str, object] = {}
        self._location: list[str | int] = []
        self._size = self._repeated = 0
        """The size of what was read, and of that what aliases repeat. A value counts as 1, and 1
        more for each hundred characters."""

    def documents(self) -> Iterator[YamlDocument]:
        """The documents in order."""
        self.get_event()  # the start of the stream
        while type(start := self.get_event()) is not yaml.StreamEndEvent:
            self._anchored.clear()
            self._repeated_keys.clear()
            data = self._value(self.get_event())
            repeated = tuple(self._problems())
            yield YamlDocument(data, start.start_mark.line + 1, repeated)
            self.get_event()  # the end of the document

    def _problems(self) -> Iterator[Problem]:
        for location, first, second in self._repeated_keys:
            problem = f"is in line {first} and again in line {second}"
            yield Problem(path_of(location, self._root), problem, "keep one of them")

    def _value(self, event: Any) -> object:
        """The value that begins with this event."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if kind is yaml.AliasEvent:
            return self._alias(event)
        if len(self._location) == SETTINGS.yaml_depth:
            problem = f"is nested deeper than {SETTINGS.yaml_depth} levels"
            raise _invalid(self._root, problem, "flatten it")
        if event.tag and event.tag not in _COLLECTION_TAGS.get(kind, ()):
            raise _error("found an unknown tag", event, _QUOTE)
        collection: Any = [] if kind is yaml.SequenceStartEvent else {}
        before = self._count(1, event)
        if event.anchor:
            self._anchored[event.anchor] = None
        if kind is yaml.SequenceStartEvent:
            self._fill_list(collection)
        else:
            self._fill_mapping(collection)
        if event.tag == _SET:
            collection = set(collection)
        if event.anchor:
            self._anchored[event.anchor] = _Anchored(collection, self._size - before)
        return collection

    def _count(self, size: int, event: Any) -> int:
        """Count what was read, and return the size before. Raises MarkedYAMLError at the limit."""
        before = self._size
        self._size += size
        if 0 < self._most_values < self._size:
            problem = f"found more than {self._most_values} values"
            raise _error(problem, event, "leave out what is not needed")
        return before

    def _alias(self, event: Any) -> object:
        if event.anchor not in self._anchored:
            raise _error("found an undefined alias", event)
        anchored = self._anchored[event.anchor]
        if anchored is None:
            raise _error("found an alias within what it stands for", event)
        self._count(anchored.size, event)
        self._repeated += anchored.size
        written = self._size - self._repeated
        if self._repeated > SETTINGS.yaml_repeated_min + SETTINGS.yaml_repeated_share * written:
            raise _error("found aliases that repeat too much", event, "write the values out")
        return anchored.value

    def _fill_list(self, items: list[object]) -> None:
        while type(event := self.get_event()) is not yaml.SequenceEndEvent:
            self._location.append(len(items))
            items.append(self._value(event))
            self._location.pop()

    def _fill_mapping(self, mapping: dict[object, object]) -> None:
        merged: list[object] = []
        first_uses: dict[str, Any] = {}
        while type(key_event := self.get_event()) is not yaml.MappingEndEvent:
            key = self._key(key_event, first_uses)
            event = self.get_event()
            if type(event) is yaml.ScalarEvent:
                value = self._scalar(event)
            else:
                self._location.append(key_event.value)
                value = self._value(event)
                self._location.pop()
            if key is not _MERGE_KEY:
                mapping[key] = value
            elif isinstance(value, list):
                merged += value
            else:
                merged.append(value)
        for inherited in merged:
            if not isinstance(inherited, dict):
                raise _error("found << without a mapping before this", key_event)
            mapping.update({**inherited, **mapping})

    def _key(self, event: Any, first_uses: dict[str, Any]) -> object:
        if type(event) is not yaml.ScalarEvent:
            raise _error("found a key that is not text", event)
        name = event.value
        first = first_uses.setdefault(name, event)
        if first is not event:
            marks: Any = first.start_mark, event.start_mark
            self._repeated_keys.append(
                ((*self._location, name), marks[0].line + 1, marks[1].line + 1)
            )
        if event.tag or event.anchor or not event.implicit[0]:
            return self._scalar(event)
        self._count(1, event)
        if name not in self._plain_keys:  # the same few keys in a hundred thousand clusters
            self._plain_keys[name] = _MERGE_KEY if name == "<<" else self._scalar(event)
        return self._plain_keys[name]

    def _scalar(self, event: Any) -> object:
        """The value of a scalar, as PyYAML resolves and constructs it."""
        size = 1 + len(event.value) // 100
        self._count(size, event)
        tag = event.tag
        if tag is None or tag == "!":
            tag = self.resolve(yaml.ScalarNode, event.value, event.implicit)
        value: object = event.value
        if tag in _SCALAR_TAGS:
            value = self._constructed(tag, event)
        elif tag not in _TEXT_TAGS:
            raise _error("found an unknown tag", event, _QUOTE)
        if event.anchor:
            self._anchored[event.anchor] = _Anchored(value, size)
        return value

    def _constructed(self, tag: str, event: Any) -> object:
        """A number, date or other scalar that is no text."""
        kind = tag.removeprefix(_TAG)
        if len(event.value) > SETTINGS.yaml_number and kind != "binary":
            problem = f"found a value of type {kind} with over {SETTINGS.yaml_number} characters"
            raise _error(problem, event, _QUOTE)
        node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        try:
            value: object = self.yaml_constructors[tag](self, node)
        except _CONSTRUCTION_ERRORS:
            raise _error(f"found a value that is not a valid {kind}", event, _QUOTE) from None
        return value


_CORRECT = "correct its syntax"
_QUOTE = "put it in quotes if it is text"
_MERGE_KEY = object()


def _error(problem: str, event: Any, remedy: str = "") -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, event.start_mark, remedy)


def _syntax_error(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"is not valid YAML{where}: {error.problem or error.context}"
