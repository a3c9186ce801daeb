"""The form of config.yaml. Its keys are named as the ACK credential helper names them.

Every description goes into config.schema.json, which editors show beside the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from acr_refresher.config.access import ClusterAccessKeys, DiscoveryKeys
from acr_refresher.config.fields import (
    ClusterTimeout,
    Domains,
    EndpointTypes,
    ExternalId,
    InstanceId,
    LabelKey,
    LabelValue,
    Name,
    Names,
    NamespacePatterns,
    OidcProviderArn,
    QualifiedServiceAccount,
    RegionId,
    Repository,
    RoleArn,
    RoleChain,
    SecretName,
    ServiceAccountNames,
    Threshold,
)
from acr_refresher.config.strict import Pattern, StrictModel, field_error
from acr_refresher.core.model import Logstore
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
        "use one such as cn-hangzhou-intranet.log.aliyuncs.com, without scheme and project",
    ),
]


class LogstoreSection(StrictModel):
    """The logstore that outcomes are written to, as records with fields."""

    project: LogProject = Field(description="The log project.")
    logstore: LogstoreName = Field("outcomes", description="The logstore in it.")
    region_id: RegionId | None = Field(
        None, description="Region of the project. Default: the function's own."
    )
    endpoint: LogEndpoint | None = Field(
        None,
        description="Endpoint of SLS, such as cn-hangzhou-intranet.log.aliyuncs.com."
        " Default: the public one of the region.",
    )


def logstore_from(section: LogstoreSection | None) -> Logstore | None:
    """The section in core types; None where outcomes are written nowhere but on stdout."""
    if section is None:
        return None
    return Logstore(
        project=section.project,
        name=section.logstore,
        region_id=section.region_id or "",
        endpoint=section.endpoint or "",
    )


CallsPerSecond = Annotated[float, Field(ge=0.1, le=1000)]


class RateLimitsSection(StrictModel):
    """Calls a second to each service, for each account and each instance of the function.

    For a moment they may be half as many again. Where a service answers that they are too many,
    they become fewer by themselves.
    """

    sts: CallsPerSecond = Field(
        50, description="Security Token Service, which takes 100 AssumeRole. Default: 50."
    )
    cr: CallsPerSecond = Field(
        20, description="Container Registry, whose limit is not documented. Default: 20."
    )
    cs: CallsPerSecond = Field(
        10,
        description="Container Service for Kubernetes, whose limit is not documented. Default: 10.",
    )
    kms: CallsPerSecond = Field(
        50, description="Key Management Service, which takes 450 GetSecretValue. Default: 50."
    )


def rate_limits_from(section: RateLimitsSection) -> Mapping[str, float]:
    """Calls a second by service, as errors name it."""
    return section.model_dump()


class RegistrySection(StrictModel):
    """One Container Registry Enterprise Edition instance, or an account's Personal Edition."""

    name: Name = Field(description="Our own name for it, which `registries` refers to.")
    instance_id: InstanceId | None = Field(
        None,
        description="ID of the instance, cri-… or <region>:cri-…. Without it, the registry is the"
        " Personal Edition of the account.",
    )
    region_id: RegionId | None = Field(
        None,
        description="Region of the registry, such as cn-hangzhou. Needed unless instanceId has it.",
    )
    domains: Domains | None = Field(
        None,
        description="Host names that the pull secret is to serve: a list, or text with commas."
        " Default: those of every enabled endpoint of the instance; for Personal Edition the"
        " region's shared ones, registry[-vpc|-internal].<region>.aliyuncs.com.",
    )
    endpoints: EndpointTypes | None = Field(
        None,
        description="The endpoints whose domains the pull secret is to serve: internet, vpc."
        " Default: every enabled one. Not together with domains.",
    )
    assume_role_arn: RoleChain | None = Field(
        None,
        alias="assumeRoleARN",
        description="RAM role to assume for tokens, in the account that owns the registry; or a"
        " list of roles, each assumed by the one before. Default: the function's own role.",
    )
    external_id: ExternalId | None = Field(
        None,
        description="The external ID that the trust policy of the one role in assumeRoleARN asks"
        " for. In a list of roles, give it with each.",
    )
    rrsa_role_arn: RoleArn | None = Field(
        None,
        alias="rrsaRoleARN",
        description="RAM role in the cluster's account that the cluster's own OIDC provider may"
        " assume (RRSA). It is what assumes assumeRoleARN then, in place of the function's role.",
    )
    rrsa_oidc_provider_role_arn: OidcProviderArn | None = Field(
        None,
        alias="rrsaOIDCProviderRoleARN",
        description="ARN of the cluster's OIDC provider, for RRSA.",
    )
    rrsa_service_account: QualifiedServiceAccount | None = Field(
        None,
        description="The service account whose token RRSA begins with, as namespace/name. Default:"
        " kube-system/aliyun-acr-credential-helper.",
    )
    expire_duration: int = Field(
        3600,
        ge=3600,
        le=43200,
        description="Seconds that the role session is asked to last. At most what the role allows.",
    )
    session_policy: bool = Field(
        default=True,
        description="Whether the last role's session may do no more than the token needs. Default:"
        " true.",
    )
    verify: Literal["always", "reachable", "never"] = Field(
        "reachable",
        description="Whether a new token is tried at each registry host before it is written."
        " Default: reachable, which lets a host pass that cannot be reached from here.",
    )
    verify_repository: Repository | None = Field(
        None, description="A repository, as namespace/name, that a new token must be able to pull."
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
            raise field_error(f"has values, which {self.operator} does not take", "leave them out")
        raise field_error(f"has no values, which {self.operator} needs", "add values: […]")


class Selector(StrictModel):
    """A label selector, as Kubernetes defines it. All of it must hold."""

    match_labels: dict[LabelKey, LabelValue] = Field({}, description="Labels and their values.")
    match_expressions: list[Requirement] = Field([], description="Further requirements.")

    @model_validator(mode="after")
    def _selective(self) -> Selector:
        if not self.match_labels and not self.match_expressions:
            raise field_error("requires nothing", "add matchLabels or matchExpressions")
        return self


class PullSecretSettings(StrictModel):
    """What a pull secret holds, where, and for whom."""

    registries: Names | None = Field(
        None, description="Names of the registries to serve. Default: every one."
    )
    grantable: Names | None = Field(
        None,
        description="Names of registries that a namespace may ask for, selected or not, with the"
        " annotation k8s.aliyun.com/acr-instance-ids. Default: none.",
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


class PullSecretSection(PullSecretSettings):
    """One of several pull secrets. What it does not say itself is said beside the list."""

    secret_name: SecretName = Field(description="Name of the pull secret.")


class Settings(PullSecretSettings):
    """What clusters may share: `defaults` has it, and each cluster overrides it key by key."""

    secret_name: SecretName | None = Field(
        None, description='Name of the pull secret. Default: "acr-pull". Not with pullSecrets.'
    )
    pull_secrets: list[PullSecretSection] | None = Field(
        None,
        min_length=1,
        description="Several pull secrets in place of one. The keys beside this list hold for each"
        " that does not say otherwise.",
    )


class ClusterSection(Settings, ClusterAccessKeys):
    """A cluster, reached in one of four ways: ACK, a kubeconfig, a KMS secret, or from within."""


class DiscoverSection(Settings, DiscoveryKeys):
    """ACK clusters of an account that are found by themselves, and all served alike."""


class ConfigDocument(StrictModel):
    """The clusters that acr-refresher serves, and the registries they pull from."""

    registries: list[RegistrySection] = Field(min_length=1, description="The registries.")
    defaults: Settings = Field(Settings(), description="Settings that all clusters share.")
    clusters: list[ClusterSection] = Field(
        [], min_length=1, description="The clusters. May be left out beside discover."
    )
    discover: list[DiscoverSection] = Field(
        [], min_length=1, description="Where to look for further ACK clusters, in every run anew."
    )
    concurrency: int = Field(
        SETTINGS.clusters_at_once,
        ge=1,
        le=1000,
        description="How many clusters are served at the same time.",
    )
    cluster_timeout: ClusterTimeout | None = Field(
        None,
        description='The most that one cluster may take, such as "20s" (the default), waiting for'
        " the cloud not counted: then it is left as it is, and its place goes to the next. 1s to"
        " 10m.",
    )
    shard_size: int = Field(
        SETTINGS.shard_size,
        ge=1,
        le=5000,
        description="How many clusters one invocation serves. With more of them the function starts"
        " itself once for each part of that size, where infra/ram/fan-out.policy.json lets it.",
    )
    rate_limits: RateLimitsSection = Field(
        RateLimitsSection(),
        description="How often the services of the cloud are called: calls a second.",
    )
    sls: LogstoreSection | None = Field(
        None,
        description="Simple Log Service: where outcomes are written, for the dashboard and the"
        " alerts of infra/sls. Default: nowhere but on the function's stdout.",
    )
