"""The JSON Schema of config.yaml. Only the operator's commands load it, never the function."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from acr_refresher.config.document import ConfigDocument


class _SchemaForEditors(GenerateJsonSchema):
    """Leaves out null, which a key left empty would be and the loader refuses, and titles."""

    def field_title_should_be_set(self, _schema: object) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of config.yaml, for editors."""
    schema = ConfigDocument.model_json_schema(schema_generator=_SchemaForEditors)
    return {"$schema": _SchemaForEditors.schema_dialect, **schema, "title": "acr-refresher"}
