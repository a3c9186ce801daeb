"""YAML read as data only, where a key written twice is a problem and not silently the last one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import yaml

from acr_refresher.config.strict import InvalidInput, Location, Problem, path_of

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast
_MAX_DEPTH = 32
# What PyYAML lets escape beside its own errors when a scalar does not fit its tag.
_CONSTRUCTION_ERRORS = (ValueError, LookupError, AttributeError, TypeError, OverflowError)


def read_yaml(text: str, root: str) -> tuple[object, tuple[Problem, ...]]:
    """The document, and a problem for each key that is written twice.

    Raises InvalidInput where there is no document to speak of. `root` is what problems call it.
    A plain document is read in one pass, which takes a third of the time and of the memory.
    """
    try:
        return _plain(text), ()
    except (_NotPlainError, yaml.YAMLError, *_CONSTRUCTION_ERRORS):
        return _in_full(text, root)


def _in_full(text: str, root: str) -> tuple[object, tuple[Problem, ...]]:
    """Whatever is in it, with all that is wrong with it."""
    try:
        if _depth(text) > _MAX_DEPTH:
            raise _unreadable(root, f"is nested deeper than {_MAX_DEPTH} levels", "flatten it")
        node = yaml.compose(text, Loader=_Loader)
        repeated = tuple(_repeated_keys(node, (), root, set())) if node else ()
        return yaml.load(text, Loader=_Loader), repeated  # noqa: S506  # a SafeLoader, see above
    except yaml.MarkedYAMLError as error:
        raise _unreadable(root, _syntax_error(error), "correct its syntax") from None
    except (yaml.YAMLError, *_CONSTRUCTION_ERRORS):
        remedy = "quote what looks like a date or a number; leave out control characters and tags"
        raise _unreadable(root, "is not valid YAML", remedy) from None


class _NotPlainError(Exception):
    """There is something in the document that takes a closer look."""


def _plain(text: str) -> object:
    """A document of plain scalars, lists and mappings with text for keys, each key once.

    Raises what PyYAML does, or _NotPlainError: for anchors, tags, merges, and all that is refused.
    """
    loader: Any = _Loader(text)
    try:
        loader.get_event()  # the stream's start
        if not isinstance(loader.get_event(), yaml.DocumentStartEvent):
            raise _NotPlainError
        document = _plain_value(loader, loader.get_event(), 0)
        loader.get_event()  # the document's end
        if not isinstance(loader.get_event(), yaml.StreamEndEvent):
            raise _NotPlainError
        return document
    finally:
        loader.dispose()


def _plain_value(loader: Any, event: Any, depth: int) -> object:
    """What begins with an event. No nodes are made: those of a large document fill 400 MB."""
    kind = type(event)
    if kind is yaml.AliasEvent or event.anchor or event.tag:
        raise _NotPlainError
    if kind is yaml.ScalarEvent:
        return _plain_scalar(loader, event)
    if depth == _MAX_DEPTH:
        raise _NotPlainError
    if kind is yaml.SequenceStartEvent:
        items = []
        while type(event := loader.get_event()) is not yaml.SequenceEndEvent:
            items.append(_plain_value(loader, event, depth + 1))
        return items
    mapping: dict[str, object] = {}
    while type(event := loader.get_event()) is not yaml.MappingEndEvent:
        key = _plain_value(loader, event, depth + 1)
        if not isinstance(key, str) or key in mapping:
            raise _NotPlainError
        mapping[sys.intern(key)] = _plain_value(loader, loader.get_event(), depth + 1)
    return mapping


def _plain_scalar(loader: Any, event: Any) -> object:
    """As PyYAML resolves and constructs it."""
    tag = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
    if tag == loader.DEFAULT_SCALAR_TAG:
        return event.value
    node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
    return loader.yaml_constructors.get(tag, loader.yaml_constructors[None])(loader, node)


def _unreadable(root: str, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput([Problem(root, problem, remedy)])


def _depth(text: str) -> int:
    """How deep it is nested: the C loader would overflow its stack on what is too deep."""
    depth = deepest = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return deepest


def _repeated_keys(node: yaml.Node, at: Location, root: str, seen: set[int]) -> Iterator[Problem]:
    """Every node once, wherever aliases refer to it: they may go round in circles."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated_keys(item, (*at, index), root, seen)
    elif isinstance(node, yaml.MappingNode):
        first_lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first_lines:
                problem = f"stands in line {first_lines[name]} and again in line {line}"
                yield Problem(path_of((*at, name), root), problem, "keep one")
            first_lines.setdefault(name, line)
            yield from _repeated_keys(value, (*at, name), root, seen)


def _syntax_error(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"is not valid YAML{where}: {error.problem or error.context}"
