"""Field and label selectors of list requests: equality, as the function needs it."""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from localkube.wire import Json

Predicate: TypeAlias = Callable[[Json], bool]

_REQUIREMENT = re.compile(r"(?P<key>[^=!]+)(?P<operator>==?|!=)(?P<value>[^=!]*)")

# The fields that each resource can be selected by.
_FIELDS: Mapping[str, Mapping[str, Callable[[Json], str]]] = {
    "namespaces": {"status.phase": lambda content: content["status"]["phase"]},
    "secrets": {
        "metadata.namespace": lambda content: content["metadata"]["namespace"],
        "type": lambda content: content["type"],
    },
    "serviceaccounts": {"metadata.namespace": lambda content: content["metadata"]["namespace"]},
}


class SelectorError(Exception):
    """A selector that the API does not take; the message is the API's."""


def selected_name(selector: str) -> str:
    """The one name that a field selector asks for, or nothing."""
    for text in selector.split(","):
        match = _REQUIREMENT.fullmatch(text)
        if match and match["key"] == "metadata.name" and match["operator"] != "!=":
            return match["value"]
    return ""


def field_predicate(plural: str, selector: str) -> Predicate:
    """What a field selector lets through.

    Raises:
        SelectorError: objects of this resource cannot be selected by such a field.
    """
    fields = {**_FIELDS.get(plural, {}), "metadata.name": lambda c: c["metadata"]["name"]}
    predicates = []
    for text in filter(None, selector.split(",")):
        match = _REQUIREMENT.fullmatch(text)
        if match is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{text}'")
        if match["key"] not in fields:
            raise SelectorError(f"field label not supported: {match['key']}")
        predicates.append(_equality(fields[match["key"]], match["value"], match["operator"]))
    return lambda content: all(predicate(content) for predicate in predicates)


def label_predicate(selector: str) -> Predicate:
    """What a label selector lets through: ``a=b``, ``a!=b``, ``a``, ``!a``, joined by commas.

    Raises:
        SelectorError: the double does not know such a requirement.
    """
    predicates: list[Predicate] = []
    for text in filter(None, (part.strip() for part in selector.split(","))):
        match = _REQUIREMENT.fullmatch(text)
        if match is not None:
            value_of = _label(match["key"])
            predicates.append(_equality(value_of, match["value"], match["operator"]))
        elif re.fullmatch(r"!?[\w./-]+", text):
            predicates.append(_existence(text.lstrip("!"), wanted=not text.startswith("!")))
        else:
            raise SelectorError(f"unable to parse requirement: {text}")
    return lambda content: all(predicate(content) for predicate in predicates)


def _label(key: str) -> Callable[[Json], str | None]:
    return lambda content: content["metadata"].get("labels", {}).get(key)


def _existence(key: str, *, wanted: bool) -> Predicate:
    return lambda content: (key in content["metadata"].get("labels", {})) is wanted


def _equality(value_of: Callable[[Json], str | None], value: str, operator: str) -> Predicate:
    if operator == "!=":
        return lambda content: value_of(content) != value
    return lambda content: value_of(content) == value
