"""Strict models of what people write, and messages that say where, what is wrong, what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

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
"""The keys and list indexes that lead to a value in a document."""

_PLAIN_KEY = re.compile(r"[\w.-]+", re.ASCII)
_MAX_QUOTED = 80
_MAX_NAMES = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong at `path`, and what to do about it."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


class InvalidInput(Exception):
    """The input cannot be used because of `problems`. The text has one line per problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def path_of(location: Location, root: str) -> str:
    """A location as text, such as `clusters[2].serviceAccount`; `root` for the document itself."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if _PLAIN_KEY.fullmatch(part) else f".{quoted(part)}"
    return path.lstrip(".") or root


def quoted(value: str) -> str:
    """A value as messages show it: in quotes, on one line, cut if long, with secrets masked."""
    masked = mask_text(value)
    if len(masked) > _MAX_QUOTED:
        masked = f"{masked[:_MAX_QUOTED]}…"
    return json.dumps(masked, ensure_ascii=not masked.isprintable())


def join_names(names: Iterable[str]) -> str:
    """Names as messages list them: each once, at most the first twelve."""
    distinct = list(dict.fromkeys(names))
    rest = len(distinct) - _MAX_NAMES
    return ", ".join(distinct[:_MAX_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the most similar known name, or all of them."""
    from difflib import get_close_matches  # noqa: PLC0415  # only for messages, not a cold start

    names = list(known)
    by_folded_name = {each.casefold(): each for each in names}
    close = get_close_matches(name.casefold(), by_folded_name, n=1)
    return (
        f"did you mean {by_folded_name[close[0]]}?" if close else f"use one of: {join_names(names)}"
    )


class StrictModel(BaseModel):
    """A mapping with camelCase keys. Unknown keys, empty values and wrong types are errors."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_empty_value(cls, value: object) -> object:
        if value is None:
            raise field_error("is empty", "give it a value or leave the key out")
        return value

    def contradictions(self) -> Iterator[Problem]:
        """What contradicts something else within this section. Paths begin at the section.

        The section may be read partly.
        """
        yield from ()

    @classmethod
    def key_of(cls, name: str) -> str:
        """The key of a field, as people write it."""
        return str(cls.model_fields[name].alias)

    def is_unreadable(self, name: str) -> bool:
        """Whether this field was given a wrong value. Never true of a validated section."""
        return name in self.model_fields_set and getattr(self, name) is None


_Section = TypeVar("_Section", bound=StrictModel)


def read_partly(model: type[_Section], data: object, context: dict[str, object]) -> _Section:
    """The valid part of refused data, so that contradictions are found beside the mistakes.

    A field with a wrong value is None, and counts as given. A required field that is left out is
    None too, but does not count as given.
    """
    names = {field.alias: name for name, field in model.model_fields.items()}
    given = (
        {names[key]: data[key] for key in names if key in data} if isinstance(data, dict) else {}
    )
    values = {name: _read_field(model, name, value, context) for name, value in given.items()}
    required = (name for name, field in model.model_fields.items() if field.is_required())
    construct: Callable[..., Any] = model.model_construct
    section: _Section = construct(set(values), **{**dict.fromkeys(required), **values})
    return section


def _read_field(
    model: type[StrictModel], name: str, value: object, context: dict[str, object]
) -> object:
    """The value of a field, or None if it is wrong. Sections are read partly too."""
    is_list, section = _section_in(model.model_fields[name].annotation)
    if section is None:
        try:
            return _adapter(model, name).validate_python(value, context=context)
        except ValidationError:
            return None
    if is_list:
        items = value if isinstance(value, list) else []
        return [read_partly(section, item, context) for item in items]
    return read_partly(section, value, context)


@cache
def _adapter(model: type[StrictModel], name: str) -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415  # only for refused documents

    annotation = model.model_fields[name].rebuild_annotation()
    return TypeAdapter(annotation, config=ConfigDict(strict=True))


def _section_in(annotation: Any) -> tuple[bool, Any]:
    """Whether a field is a list, and the model of its sections if it has any."""
    for kind in (annotation, *get_args(annotation)):
        is_list = get_origin(kind) is list
        item = get_args(kind)[0] if is_list else kind
        if hasattr(item, "model_fields"):
            return is_list, item
    return False, None


@dataclass(frozen=True, slots=True)
class Pattern:
    """An annotation for text that must match a regular expression; `what` names such a text."""

    pattern: str
    what: str
    remedy: str

    def check(self, value: str) -> str:
        """The value, if it matches. Raises PydanticCustomError otherwise."""
        if re.fullmatch(self.pattern, value, re.ASCII) is None:
            raise field_error(f"{quoted(value)} is not {self.what}", self.remedy)
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """A schema that checks the pattern after the type."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """A JSON schema with the pattern, so that editors check it."""
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


def field_error(problem: str, remedy: str) -> PydanticCustomError:
    """An error for a validator to raise, with what is wrong and what to do."""
    return PydanticCustomError("problem", "{problem}", {"problem": problem, "remedy": remedy})


def problems_from(
    error: ValidationError, model: type[BaseModel], root: str, at: Location = ()
) -> Iterator[Problem]:
    """A problem per error, in order. `at` is the location of the validated data in `root`."""
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
    "int_type": ("is {found}, not an integer", "write a number without quotes"),
    "float_type": ("is {found}, not a number", "write a number without quotes"),
    "bool_type": ("is {found}, not true or false", "write true or false without quotes"),
    "list_type": ("is {found}, not a list", "write a list"),
    "dict_type": ("is {found}, not a mapping", "write keys and values"),
    "model_type": ("is {found}, not a mapping", "write keys and values"),
    "too_short": ("is empty", "name at least one, or leave the key out"),
    "greater_than_equal": ("is {input}, less than {ge}", "use {ge} or more"),
    "less_than_equal": ("is {input}, more than {le}", "use {le} or less"),
    "literal_error": ("{shown} is unknown", "use {expected}"),
    "invalid_key": ("is a key that is not text", "put it in quotes"),
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
    if details["type"] == "problem":
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
    """What to do about an unknown key: move it to its place, or write a known key."""
    if location and name in _keys_at(model, []):
        return "put it at the top level, beside " + str(location[0])
    sections = [str(key) for key in _keys_at(model, []) if name in _keys_at(model, [key])]
    if not location and sections:
        return f"put it under {join_names(sections)}"
    return did_you_mean(name, _keys_at(model, location))


def _keys_at(model: type[BaseModel], location: list[str | int]) -> list[str]:
    """The keys that are known at a location; none if there is no mapping."""
    for key in location:
        if isinstance(key, str):
            fields = {field.alias: field for field in model.model_fields.values()}
            inner = next(_models_in(fields[key].annotation), None)
            if inner is None:
                return []
            model = inner
    return [str(field.alias) for field in model.model_fields.values()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a field's type, such as `Model` or `list[Model] | None`."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
