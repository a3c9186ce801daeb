"""Documents whose every key is known and of the right type, and plain words for what is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
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

from acr_refresher.inputs.problems import Location, Problem, listed, path_of, shown, suggestion


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
            raise fault("is empty", "give it a value or leave the key out")
        return value


@dataclass(frozen=True, slots=True)
class Form:
    """Text of a certain form, as an annotation: a regular expression and what it stands for."""

    pattern: str
    what: str
    remedy: str

    def check(self, value: str) -> str:
        """The value, where it has the form. Raises a fault otherwise."""
        if re.fullmatch(self.pattern, value, re.ASCII) is None:
            raise fault(f"{shown(value)} is not {self.what}", self.remedy)
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


def fault(problem: str, remedy: str) -> PydanticCustomError:
    """An error for a validator to raise, that says what is wrong and what would be right."""
    return PydanticCustomError("fault", "{problem}", {"problem": problem, "remedy": remedy})


def in_plain_words(
    error: ValidationError, model: type[BaseModel], root: str, at: Location = ()
) -> Iterator[Problem]:
    """A problem for each error, in the order found. The document stands at `at` of `root`."""
    for details in error.errors(include_url=False):
        problem, remedy = _words(details, model)
        yield Problem(path_of((*at, *details["loc"]), root), problem, remedy)


_WORDS = {
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


def _words(details: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    context = details.get("ctx", {})
    if details["type"] == "fault":
        return context["problem"], context["remedy"]
    if details["type"] == "extra_forbidden":
        *parents, name = details["loc"]
        return "is not a known key", _right_key(str(name), model, parents)
    given = details["input"]
    found = _TYPES.get(type(given), "of another type")
    problem, remedy = _WORDS.get(details["type"], ("is not valid", "correct it"))
    words = {"found": found, "input": given, **context}
    words["shown"] = shown(given) if isinstance(given, str) else found
    return problem.format(**words), remedy.format(**words)


def _right_key(name: str, model: type[BaseModel], location: list[str | int]) -> str:
    """What to do about an unknown key: put it where it belongs, or write a known one."""
    if location and name in _keys_at(model, []):
        return "put it at the top, beside " + str(location[0])
    sections = [str(key) for key in _keys_at(model, []) if name in _keys_at(model, [key])]
    if not location and sections:
        return f"put it under {listed(sections)}"
    return suggestion(name, _keys_at(model, location))


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
