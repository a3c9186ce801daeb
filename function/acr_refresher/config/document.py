"""The form of config.yaml. Its keys are named as the ACK credential helper names them.

Every description goes into config.schema.json, which editors show beside the key.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from acr_refresher.inputs.forms import (
    ClusterId,
    Domains,
    InstanceId,
    KubeconfigPath,
    LabelKey,
    LabelValue,
    Name,
    Names,
    NamespacePatterns,
    RegionId,
    RoleArn,
    SecretName,
    ServiceAccountNames,
    Threshold,
)
from acr_refresher.inputs.strict_model import StrictModel, fault


class RegistrySection(StrictModel):
    """One Container Registry Enterprise Edition instance."""

    name: Name = Field(description="Our own name for it, which `registries` refers to.")
    instance_id: InstanceId = Field(description="ID of the instance, cri-….")
    region_id: RegionId = Field(description="Region of the instance, such as cn-hangzhou.")
    domains: Domains | None = Field(
        None,
        description="Host names that the pull secret is to serve: a list, or text with commas."
        " Default: those of every enabled endpoint of the instance.",
    )
    assume_role_arn: RoleArn | None = Field(
        None,
        alias="assumeRoleARN",
        description="RAM role to assume for tokens, in the account that owns the instance."
        " Default: the function's own role.",
    )
    expire_duration: int = Field(
        3600,
        ge=3600,
        le=43200,
        description="Seconds that the role session is asked to last. At most what the role allows.",
    )


class Requirement(StrictModel):
    """One requirement of a label selector."""

    key: LabelKey = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label relates to the values."
    )
    values: list[LabelValue] = Field([], description="For In and NotIn: at least one value.")

    @model_validator(mode="after")
    def _values_as_the_operator_needs(self) -> Requirement:
        if (self.operator in ("In", "NotIn")) is bool(self.values):
            return self
        if self.values:
            raise fault(f"has values, which {self.operator} does not take", "leave them out")
        raise fault(f"has no values, which {self.operator} needs", "add values: […]")


class Selector(StrictModel):
    """A label selector, as Kubernetes defines it. All of it must hold."""

    match_labels: dict[LabelKey, LabelValue] = Field({}, description="Labels and their values.")
    match_expressions: list[Requirement] = Field([], description="Further requirements.")

    @model_validator(mode="after")
    def _selective(self) -> Selector:
        if not self.match_labels and not self.match_expressions:
            raise fault("requires nothing", "add matchLabels or matchExpressions")
        return self


class Settings(StrictModel):
    """What clusters may share: `defaults` has it, and each cluster overrides it key by key."""

    registries: Names | None = Field(
        None, description="Names of the registries to serve. Default: every one."
    )
    watch_namespace: NamespacePatterns | None = Field(
        None,
        description='Namespaces to serve, as a list or text with commas: names, globs, "all", and'
        ' "!" before those to leave out. Those of Kubernetes (kube-…) must be asked for by a'
        ' pattern that begins with kube-. Default: "default", or "all" with a namespaceSelector.',
    )
    namespace_selector: Selector | None = Field(
        None, description="Labels that a namespace must have besides."
    )
    service_account: ServiceAccountNames | None = Field(
        None,
        description='Service accounts to bind, as a list or text with commas; "*" is every one.'
        ' Default: "default".',
    )
    expiring_threshold: Threshold | None = Field(
        None,
        description='How long before its expiry a secret is renewed, such as "15m" (the default)'
        ' or "1h30m". Less than 12h.',
    )
    secret_name: SecretName | None = Field(
        None, description='Name of the pull secret. Default: "acr-pull".'
    )


class ClusterSection(Settings):
    """A cluster, reached either through ACK or with a kubeconfig."""

    name: Name = Field(description="Our own name for it, which events and logs refer to.")
    cluster_id: ClusterId | None = Field(None, description="ID of an ACK cluster, c….")
    region_id: RegionId | None = Field(None, description="Region of the ACK cluster.")
    assume_role_arn: RoleArn | None = Field(
        None,
        alias="assumeRoleARN",
        description="RAM role to assume for the ACK cluster's kubeconfig, in the account that owns"
        " the cluster. Default: the function's own role.",
    )
    kubeconfig: KubeconfigPath | None = Field(
        None,
        description="For a cluster outside ACK: path of a kubeconfig, relative to config.yaml.",
    )


class ConfigDocument(StrictModel):
    """The clusters that acr-refresher serves, and the registries they pull from."""

    registries: list[RegistrySection] = Field(min_length=1, description="The registries.")
    defaults: Settings = Field(Settings(), description="Settings that all clusters share.")
    clusters: list[ClusterSection] = Field(min_length=1, description="The clusters.")
    concurrency: int = Field(
        64, ge=1, le=1000, description="How many clusters are served at the same time."
    )


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
