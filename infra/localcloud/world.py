"""What exists in the cloud: roles, registries, clusters and secrets, each in an account.

Accounts are their numeric IDs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from localcloud import ram


class IssueKubeconfig(Protocol):
    def __call__(
        self, role_arn: str, validity: timedelta, /, *, private: bool
    ) -> tuple[str, datetime]:
        """The kubeconfig for a calling role, as YAML, and when it expires.

        Args:
            role_arn: Of the calling role.
            validity: For how long it is to be valid.
            private: Whether it is to name the API server's address in its VPC.
        """


@dataclass(frozen=True)
class Role:
    account: str
    name: str
    trust_policy: ram.Document
    policies: tuple[ram.Document, ...] = ()
    max_session_duration: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        ram.check_trust_policy(self.trust_policy)
        for policy in self.policies:
            ram.check_policy(policy)

    @property
    def arn(self) -> str:
        return f"acs:ram::{self.account}:role/{self.name}"


@dataclass(frozen=True)
class OidcProvider:
    """An OpenID Connect identity provider that RAM knows, such as a cluster's service accounts.

    Attributes:
        arn: `acs:ram::<account>:oidc-provider/<name>`.
        issuer: What its tokens name as their `iss`.
        client_ids: The audiences that its tokens may be for.
        jwks: Fetches its public keys, a JSON Web Key Set; called for every token. It may raise
            anything.
    """

    arn: str
    issuer: str
    client_ids: tuple[str, ...]
    jwks: Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Domain:
    name: str
    type: Literal["SYSTEM", "USER"] = "SYSTEM"


@dataclass(frozen=True)
class Endpoint:
    """One way into a registry instance; `internet` or `vpc`.

    Attributes:
        acl: The address ranges that may come in; None if there is no access control list.
    """

    type: Literal["internet", "vpc"]
    domains: tuple[Domain, ...]
    enabled: bool = True
    linked_vpcs: tuple[str, ...] = ()
    acl: tuple[str, ...] | None = None


@dataclass(frozen=True)
class RegistryInstance:
    """A Container Registry Enterprise Edition instance."""

    id: str
    region: str
    account: str
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def service(self) -> str:
        """Its name at the registry's token service."""
        return self.id

    def repository_arn(self, repository: str) -> str:
        """The ARN of a repository named `namespace/name`."""
        return f"acs:cr:{self.region}:{self.account}:repository/{self.id}/{repository}"


@dataclass(frozen=True)
class PersonalRegistry:
    """What an account has of Container Registry Personal Edition in a region.

    Attributes:
        domains: Its hosts, as image names have them; no API tells them.
    """

    account: str
    region: str
    domains: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        """Its name at the registry's token service."""
        return f"registry.aliyuncs.com:{self.region}:{self.account}"

    def repository_arn(self, repository: str) -> str:
        """The ARN of a repository named `namespace/name`."""
        return f"acs:cr:{self.region}:{self.account}:repository/{repository}"


@dataclass(frozen=True)
class AckCluster:
    """A cluster of Container Service for Kubernetes.

    Attributes:
        state: Such as `running`, `initial`, `failed` or `deleting`.
        cluster_type: `ExternalKubernetes` is what the product calls a registered cluster.
        profile: Such as `Default`, `Edge` or `Serverless`.
        api_server_endpoint: Its URL on the internet; empty if it has none.
        intranet_api_server_endpoint: Its URL in its VPC; empty if it has none.
    """

    id: str
    name: str
    region: str
    account: str
    issue_kubeconfig: IssueKubeconfig
    state: str = "running"
    cluster_type: Literal["Kubernetes", "ManagedKubernetes", "ExternalKubernetes"] = (
        "ManagedKubernetes"
    )
    profile: str = "Default"
    tags: Mapping[str, str] = field(default_factory=dict)
    api_server_endpoint: str = ""
    intranet_api_server_endpoint: str = ""


@dataclass(frozen=True)
class Secret:
    """A version of a secret in Key Management Service. Its data does not show in its repr.

    Attributes:
        key: ID of the key that encrypts it.
    """

    account: str
    region: str
    name: str
    data: str = field(repr=False)
    data_type: Literal["text", "binary"] = "text"
    version_id: str = "v1"
    key: str = "key-default"

    @property
    def key_arn(self) -> str:
        return f"acs:kms:{self.region}:{self.account}:key/{self.key}"


@dataclass(frozen=True)
class LogProject:
    """A project of Simple Log Service, with its logstores by name."""

    account: str
    region: str
    name: str
    logstores: tuple[str, ...] = ()


@dataclass(frozen=True)
class Queue:
    """A queue of Simple Message Queue, which was called MNS."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """That of its messages, as destinations and policies name it."""
        return f"acs:mns:{self.region}:{self.account}:/queues/{self.name}/messages"


@dataclass(frozen=True)
class World:
    """Everything there is. The find methods give None for what is not there.

    Attributes:
        secrets: Of several versions of one secret the first is the current one.
    """

    roles: tuple[Role, ...] = ()
    registries: tuple[RegistryInstance, ...] = ()
    clusters: tuple[AckCluster, ...] = ()
    oidc_providers: tuple[OidcProvider, ...] = ()
    personal_registries: tuple[PersonalRegistry, ...] = ()
    secrets: tuple[Secret, ...] = ()
    log_projects: tuple[LogProject, ...] = ()
    queues: tuple[Queue, ...] = ()

    def find_role(self, arn: str) -> Role | None:
        return next((role for role in self.roles if role.arn == arn), None)

    def find_registry(
        self, instance_id: str, *, account: str, region: str
    ) -> RegistryInstance | None:
        wanted = (instance_id, account, region)
        return next((r for r in self.registries if (r.id, r.account, r.region) == wanted), None)

    def find_oidc_provider(self, arn: str) -> OidcProvider | None:
        return next((p for p in self.oidc_providers if p.arn == arn), None)

    def find_personal_registry(self, *, account: str, region: str) -> PersonalRegistry | None:
        wanted = (account, region)
        return next((r for r in self.personal_registries if (r.account, r.region) == wanted), None)

    def find_secret(
        self, name: str, version_id: str | None, *, account: str, region: str
    ) -> Secret | None:
        """The secret's version of this ID, or its current one if none is given."""
        wanted = (name, account, region)
        versions = [s for s in self.secrets if (s.name, s.account, s.region) == wanted]
        return next((s for s in versions if version_id in (None, s.version_id)), None)

    def find_log_project(self, name: str, *, region: str) -> LogProject | None:
        wanted = (name, region)
        return next((p for p in self.log_projects if (p.name, p.region) == wanted), None)

    def find_queue(self, arn: str) -> Queue | None:
        return next((queue for queue in self.queues if queue.arn == arn), None)

    def clusters_of(self, account: str, region: str) -> list[AckCluster]:
        return [c for c in self.clusters if (c.account, c.region) == (account, region)]

    def find_cluster(self, cluster_id: str, *, account: str, region: str) -> AckCluster | None:
        wanted = (cluster_id, account, region)
        return next((c for c in self.clusters if (c.id, c.account, c.region) == wanted), None)
