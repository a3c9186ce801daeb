"""What is wrong with an input, in plain words: where, what, and what would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from acr_refresher.log import mask_text

Location = tuple[str | int, ...]
"""The keys and list indexes that lead to a value of a document."""

_PLAIN_KEY = re.compile(r"[\w.-]+", re.ASCII)
_MAX_QUOTED = 80
_MAX_NAMES = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at `path`, and its remedy."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


class InvalidInput(Exception):
    """An input was refused, for every one of `problems`. Its text has one line a problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def path_of(location: Location, root: str) -> str:
    """`clusters[2].serviceAccount`, or `root` for the document as a whole."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if _PLAIN_KEY.fullmatch(part) else f".{quoted(part)}"
    return path.lstrip(".") or root


def quoted(value: str) -> str:
    """A value as a message may show it: quoted, on one line, short, anything secret masked."""
    masked = mask_text(value)
    if len(masked) > _MAX_QUOTED:
        masked = f"{masked[:_MAX_QUOTED]}…"
    return json.dumps(masked, ensure_ascii=not masked.isprintable())


def join_names(names: Iterable[str]) -> str:
    """Names as a message lists them, the first few of many."""
    known = list(dict.fromkeys(names))
    rest = len(known) - _MAX_NAMES
    return ", ".join(known[:_MAX_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown name: the closest known one, or any of them."""
    names = list(known)
    by_folded_name = {each.casefold(): each for each in names}
    close = get_close_matches(name.casefold(), by_folded_name, n=1)
    return (
        f"did you mean {by_folded_name[close[0]]}?" if close else f"use one of: {join_names(names)}"
    )


class StrictModel(BaseModel):
    """A mapping with camelCase keys: an unknown key, an empty value or a wrong type is refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _not_left_empty(cls, value: object) -> object:
        if value is None:
            raise field_error("is empty", "give it a value or leave the key out")
        return value


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text of a certain form, as an annotation: a regular expression and what it stands for."""

    pattern: str
    what: str
    remedy: str

    def check(self, value: str) -> str:
        """The value, where it has the form. Raises a fault otherwise."""
        if re.fullmatch(self.pattern, value, re.ASCII) is None:
            raise field_error(f"{quoted(value)} is not {self.what}", self.remedy)
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Checked after the type was."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Editors check it too."""
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


def field_error(problem: str, remedy: str) -> PydanticCustomError:
    """An error for a validator to raise, that says what is wrong and what would be right."""
    return PydanticCustomError("fault", "{problem}", {"problem": problem, "remedy": remedy})


def problems_from(
    error: ValidationError, model: type[BaseModel], root: str, at: Location = ()
) -> Iterator[Problem]:
    """A problem for each error, in the order found. The document stands at `at` of `root`."""
    for details in error.errors(include_url=False):
        problem, remedy = _message(details, model)
        yield Problem(path_of((*at, *details["loc"]), root), problem, remedy)


_MESSAGES = {
    "missing": ("is missing", "add it"),
    "string_type": (
        "is {found}, not text",
        "write text, in quotes where it looks like another type",
    ),
    "string_too_long": ("is longer than {max_length} characters", "shorten it"),
    "int_type": ("is {found}, not a whole number", "write a number without quotes"),
    "float_type": ("is {found}, not a number", "write a number without quotes"),
    "bool_type": ("is {found}, not true or false", "write true or false without quotes"),
    "list_type": ("is {found}, not a list", "write a list"),
    "dict_type": ("is {found}, not a mapping", "write keys and values"),
    "model_type": ("is {found}, not a mapping", "write keys and values"),
    "too_short": ("is empty", "name at least one, or leave the key out"),
    "greater_than_equal": ("is {input}, less than {ge}", "use {ge} or more"),
    "less_than_equal": ("is {input}, more than {le}", "use {le} or less"),
    "literal_error": ("{shown} is unknown", "use {expected}"),
    "invalid_key": ("is a key, but not text", "put it in quotes"),
}

_TYPES = {
    type(None): "empty",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}


def _message(details: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    context = details.get("ctx", {})
    if details["type"] == "fault":
        return context["problem"], context["remedy"]
    if details["type"] == "extra_forbidden":
        *parents, name = details["loc"]
        return "is not a known key", _right_key(str(name), model, parents)
    given = details["input"]
    found = _TYPES.get(type(given), "of another type")
    problem, remedy = _MESSAGES.get(details["type"], ("is not valid", "correct it"))
    words = {"found": found, "input": given, **context}
    words["shown"] = quoted(given) if isinstance(given, str) else found
    return problem.format(**words), remedy.format(**words)


def _right_key(name: str, model: type[BaseModel], location: list[str | int]) -> str:
    """What to do about an unknown key: put it where it belongs, or write a known one."""
    if location and name in _keys_at(model, []):
        return "put it at the top, beside " + str(location[0])
    sections = [str(key) for key in _keys_at(model, []) if name in _keys_at(model, [key])]
    if not location and sections:
        return f"put it under {join_names(sections)}"
    return did_you_mean(name, _keys_at(model, location))


def _keys_at(model: type[BaseModel], location: list[str | int]) -> list[str]:
    """The keys that the mapping at a location of such a document may have; none where none is."""
    for key in location:
        if isinstance(key, str):
            fields = {field.alias: field for field in model.model_fields.values()}
            inner = next(_models_in(fields[key].annotation), None)
            if inner is None:
                return []
            model = inner
    return [str(field.alias) for field in model.model_fields.values()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's type speaks of: `Model`, `list[Model] | None` and the like."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
