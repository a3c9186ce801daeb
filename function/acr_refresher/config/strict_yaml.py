"""Reads YAML as plain data. A key that is written twice is a problem.

PyYAML keeps the last of two equal keys without a message. It also builds a tree of nodes first,
which takes four times the CPU and the memory of this loader: a configuration of 100,000 clusters
would need 400 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from acr_refresher.config.strict import InvalidInput, Location, Problem, path_of

if TYPE_CHECKING:
    from yaml import SafeLoader as _SafeLoader
else:  # the C loader has the same methods and is ten times as fast
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 32
_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({f"{_TAG}str", f"{_TAG}value"})  # the second is that of a plain =
_SCALAR_TAGS = frozenset(
    f"{_TAG}{name}" for name in ("bool", "int", "float", "null", "timestamp", "binary")
)
# What PyYAML raises beside its own errors if a scalar does not fit its tag, such as 2026-99-99.
_CONSTRUCTION_ERRORS = (ValueError, LookupError, AttributeError, TypeError, OverflowError)


def read_yaml(text: str, root: str) -> tuple[object, tuple[Problem, ...]]:
    """The document, and a problem for each key that is written twice.

    Raises InvalidInput if the text is not one YAML document. Problems call the document `root`.
    """
    try:
        loader = _Loader(text)
        try:
            document = loader.get_single_data()
        finally:
            loader.dispose()
    except _TooDeepError:
        problem, remedy = f"is nested deeper than {MAX_DEPTH} levels", "flatten it"
    except yaml.MarkedYAMLError as error:
        problem, remedy = _syntax_error(error), "correct its syntax"
    except (yaml.YAMLError, *_CONSTRUCTION_ERRORS):
        problem = "is not valid YAML"
        remedy = "quote what looks like a date or a number; leave out control characters and tags"
    else:
        return document, tuple(
            Problem(
                path_of(location, root),
                f"is in line {first} and again in line {second}",
                "keep one of them",
            )
            for location, first, second in loader.repeated_keys
        )
    raise InvalidInput([Problem(root, problem, remedy)])


class _TooDeepError(Exception):
    """The document is nested deeper than MAX_DEPTH levels."""


class _Loader(_SafeLoader):
    """A loader that makes values directly from the parser's events.

    Anchors, aliases and merge keys (`<<`) mean the same as in PyYAML. Only tags of scalars are
    known.
    """

    get_event: Any  # types-PyYAML has no types for these
    resolve: Any

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.repeated_keys: list[tuple[Location, int, int]] = []
        """The place of each repeated key, and the lines of its first and of its other use."""
        self._anchored: dict[str, object] = {}
        self._plain_keys: dict[str, object] = {}
        self._location: list[str | int] = []

    def get_single_data(self) -> object:
        """The value of the only document; None if there is none."""
        self.get_event()  # the start of the stream
        if type(self.get_event()) is yaml.StreamEndEvent:
            return None
        document = self._value(self.get_event())
        self.get_event()  # the end of the document
        if type(event := self.get_event()) is not yaml.StreamEndEvent:
            raise _error("found a second document", event)
        return document

    def _value(self, event: Any) -> object:
        """The value that begins with this event."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if kind is yaml.AliasEvent:
            if event.anchor not in self._anchored:
                raise _error("found an undefined alias", event)
            return self._anchored[event.anchor]
        if len(self._location) == MAX_DEPTH:
            raise _TooDeepError
        if event.tag:
            raise _error(f"found the unknown tag {event.tag}", event)
        collection: Any = [] if kind is yaml.SequenceStartEvent else {}
        if event.anchor:
            self._anchored[event.anchor] = collection
        if kind is yaml.SequenceStartEvent:
            self._fill_list(collection)
        else:
            self._fill_mapping(collection)
        return collection

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
            self.repeated_keys.append(
                ((*self._location, name), marks[0].line + 1, marks[1].line + 1)
            )
        if event.tag or event.anchor or not event.implicit[0]:
            return self._scalar(event)
        if name not in self._plain_keys:  # the same few keys in a hundred thousand clusters
            self._plain_keys[name] = _MERGE_KEY if name == "<<" else self._scalar(event)
        return self._plain_keys[name]

    def _scalar(self, event: Any) -> object:
        """The value of a scalar, as PyYAML resolves and constructs it."""
        tag = event.tag
        if tag is None or tag == "!":
            tag = self.resolve(yaml.ScalarNode, event.value, event.implicit)
        value: object = event.value
        if tag in _SCALAR_TAGS:
            node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
            value = self.yaml_constructors[tag](self, node)
        elif tag not in _TEXT_TAGS:
            raise _error(f"found the unknown tag {tag}", event)
        if event.anchor:
            self._anchored[event.anchor] = value
        return value


_MERGE_KEY = object()


def _error(problem: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, event.start_mark)


def _syntax_error(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"is not valid YAML{where}: {error.problem or error.context}"
