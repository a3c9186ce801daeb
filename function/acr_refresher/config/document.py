"""The sections and keys of config.yaml. Keys have the names that the ACK credential helper uses.

Descriptions go into config.schema.json. Editors show them beside the key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from acr_refresher.config.access import ClusterAccessKeys, DiscoveryKeys
from acr_refresher.config.fields import (
    ClusterTimeout,
    LabelKey,
    LabelValue,
    Names,
    NamespacePatterns,
    RegionId,
    SecretAnnotations,
    SecretLabels,
    SecretName,
    ServiceAccountNames,
    Threshold,
)
from acr_refresher.config.registries import RegistrySection
from acr_refresher.config.strict import Pattern, StrictModel, field_error
from acr_refresher.settings import SETTINGS

LogProject = Annotated[
    str,
    Pattern(
        r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
        "the name of a log project",
        "use 3 to 63 lower-case letters, digits and '-'",
    ),
]
LogstoreName = Annotated[
    str,
    Pattern(
        r"[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]",
        "the name of a logstore",
        "use 2 to 63 lower-case letters, digits, '-' and '_'",
    ),
]
LogEndpoint = Annotated[
    str,
    Pattern(
        r"[a-z0-9-]+\.(?:log|sls)\.aliyuncs\.com",
        "an endpoint of SLS",
        "use an endpoint such as cn-hangzhou-intranet.log.aliyuncs.com, without scheme and project",
    ),
]


class LogstoreSection(StrictModel):
    """The logstore that outcomes are written to, as records with fields."""

    project: LogProject = Field(description="The log project.")
    logstore: LogstoreName = Field("outcomes", description="The logstore in the project.")
    region_id: RegionId | None = Field(
        None, description="Region of the project. Default: the function's own."
    )
    endpoint: LogEndpoint | None = Field(
        None,
        description="Endpoint of SLS, such as cn-hangzhou-intranet.log.aliyuncs.com."
        " Default: the public endpoint of the region.",
    )


CallsPerSecond = Annotated[float, Field(ge=0.1, le=1000)]


class RateLimitsSection(StrictModel):
    """Calls per second to each service, per account and per instance of the function.

    A burst may exceed a limit by half. If a service answers that calls are throttled, the function
    calls it less often.
    """

    sts: CallsPerSecond = Field(
        50, description="Security Token Service. It allows 100 AssumeRole. Default: 50."
    )
    cr: CallsPerSecond = Field(
        20, description="Container Registry. Its limit is not documented. Default: 20."
    )
    cs: CallsPerSecond = Field(
        10,
        description="Container Service for Kubernetes. Its limit is not documented. Default: 10.",
    )
    kms: CallsPerSecond = Field(
        50, description="Key Management Service. It allows 450 GetSecretValue. Default: 50."
    )


class Requirement(StrictModel):
    """A requirement of a label selector."""

    key: LabelKey = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label must relate to the values."
    )
    values: list[LabelValue] = Field([], description="The values, for In and NotIn only.")

    @model_validator(mode="after")
    def _values_fit_the_operator(self) -> Requirement:
        if (self.operator in ("In", "NotIn")) is bool(self.values):
            return self
        if self.values:
            raise field_error(f"has values, but {self.operator} takes none", "leave them out")
        raise field_error(f"has no values, but {self.operator} requires them", "add values: […]")


class Selector(StrictModel):
    """A label selector as in Kubernetes. A namespace must meet all of it."""

    match_labels: dict[LabelKey, LabelValue] = Field(
        {}, description="Labels and the values that they must have."
    )
    match_expressions: list[Requirement] = Field([], description="Further requirements.")

    @model_validator(mode="after")
    def _selects_something(self) -> Selector:
        if not self.match_labels and not self.match_expressions:
            raise field_error("requires nothing", "add matchLabels or matchExpressions")
        return self


class PullSecretSettings(StrictModel):
    """What a pull secret contains, and which namespaces and service accounts get it."""

    registries: Names | None = Field(
        None, description="Names of the registries to log in to. Default: all of them."
    )
    grantable: Names | None = Field(
        None,
        description="Names of registries that any namespace may request with the annotation"
        " k8s.aliyun.com/acr-instance-ids. Default: none.",
    )
    watch_namespace: NamespacePatterns | None = Field(
        None,
        description='Namespaces to serve, as a list or text with commas: names, globs or "all"; "!"'
        " before a name or glob excludes it. Namespaces of Kubernetes (kube-…) are only selected by"
        ' a pattern that begins with kube-. Default: "default", or "all" with a namespaceSelector.',
    )
    namespace_selector: Selector | None = Field(
        None, description="Labels that a namespace must also have."
    )
    service_account: ServiceAccountNames | None = Field(
        None,
        description="Service accounts that get the pull secret, as a list or text with commas;"
        ' "*" is every service account. Default: "default".',
    )
    expiring_threshold: Threshold | None = Field(
        None,
        description='How long before it expires a pull secret is renewed, such as "15m" (the'
        ' default) or "1h30m". Less than 12h.',
    )
    secret_labels: SecretLabels | None = Field(
        None,
        description="Labels that the pull secret gets, for example because a policy of the cluster"
        " requires them. Default: none. The built-in label app.kubernetes.io/managed-by stays.",
    )
    secret_annotations: SecretAnnotations | None = Field(
        None,
        description="Annotations that the pull secret gets, for example for Argo CD or Reflector."
        " Default: none. The built-in annotations acr-refresher/* stay.",
    )


class PullSecretSection(PullSecretSettings):
    """One of several pull secrets. The keys beside the list are its defaults."""

    secret_name: SecretName = Field(description="Name of the pull secret.")


class SharedSettings(PullSecretSettings):
    """Settings of pull secrets. A cluster overrides those of `defaults` key by key."""

    secret_name: SecretName | None = Field(
        None, description='Name of the pull secret. Default: "acr-pull". Not with pullSecrets.'
    )
    pull_secrets: list[PullSecretSection] | None = Field(
        None,
        min_length=1,
        description="Several pull secrets instead of one. The keys beside this list are defaults"
        " for each of them.",
    )


class ClusterSection(SharedSettings, ClusterAccessKeys):
    """A cluster, reached through ACK, a kubeconfig file, a KMS secret, or from inside of it."""


class DiscoverSection(SharedSettings, DiscoveryKeys):
    """ACK clusters of an account that are discovered in every run and have the same settings."""


class ConfigDocument(StrictModel):
    """The clusters that acr-refresher serves, and the registries that they pull from."""

    registries: list[RegistrySection] = Field(min_length=1, description="The registries.")
    defaults: SharedSettings = Field(
        SharedSettings(), description="Settings that all clusters share."
    )
    clusters: list[ClusterSection] = Field(
        [], min_length=1, description="The clusters. May be left out if discover is given."
    )
    discover: list[DiscoverSection] = Field(
        [], min_length=1, description="Where to discover further ACK clusters in every run."
    )
    concurrency: int = Field(
        SETTINGS.clusters_at_once,
        ge=1,
        le=1000,
        description="How many clusters are served at the same time.",
    )
    cluster_timeout: ClusterTimeout | None = Field(
        None,
        description='How long one cluster may take, such as "20s" (the default), without the time'
        " spent waiting for the cloud: 1s to 10m. After that the run continues with the next"
        " cluster.",
    )
    shard_size: int = Field(
        SETTINGS.shard_size,
        ge=1,
        le=5000,
        description="How many clusters one invocation serves. If there are more, the function"
        " invokes itself once per part of that size. infra/ram/fan-out.policy.json allows it.",
    )
    rate_limits: RateLimitsSection = Field(
        RateLimitsSection(),
        description="How often the services of the cloud are called, in calls per second.",
    )
    sls: LogstoreSection | None = Field(
        None,
        description="Simple Log Service: where outcomes are written, for the dashboard and the"
        " alerts of infra/sls. Default: outcomes are only written to the function's log.",
    )


class _SchemaForEditors(GenerateJsonSchema):
    """Leaves out titles, and null, because the loader refuses empty keys."""

    def field_title_should_be_set(self, _schema: object) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of config.yaml, for editors. Only the operator's commands need it."""
    schema = ConfigDocument.model_json_schema(schema_generator=_SchemaForEditors)
    return {"$schema": _SchemaForEditors.schema_dialect, **schema, "title": "acr-refresher"}
