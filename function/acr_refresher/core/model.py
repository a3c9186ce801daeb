"""The domain's terms as frozen dataclasses: configuration, state of a cluster, and tokens.

Every time is an aware UTC `datetime`, every duration a `timedelta`. Passwords are `SecretStr`,
which masks its `repr` and `str`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from pydantic import SecretStr

from acr_refresher.core.select import NamespaceSelection, ServiceAccountSelection

if TYPE_CHECKING:
    from acr_refresher.core.outcome import Failure

# ---- what is configured -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Role:
    """A RAM role to assume. Its trust policy may require the `external_id`."""

    arn: str
    external_id: str = ""

    @property
    def account_id(self) -> str:
        """The number of the account that the role belongs to."""
        return self.arn.split(":")[3]


@dataclass(frozen=True, slots=True)
class Rrsa:
    """RAM Roles for Service Accounts: the role chain begins with the target cluster's identity.

    The cluster issues a token for this service account. STS exchanges it for a session of the role.
    """

    role_arn: str
    oidc_provider_arn: str
    namespace: str = "kube-system"
    service_account: str = "aliyun-acr-credential-helper"


class Verification(str, Enum):
    """Whether a new token is tested at the registry's hosts before it is written."""

    ALWAYS = "always"
    """A host that cannot be reached fails the test."""
    REACHABLE = "reachable"
    """A host that cannot be reached causes a warning, and the token is written."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Registry:
    """An ACR instance and how to get its tokens; without `instance_id` it is Personal Edition.

    Empty `domains` mean the domains of all enabled endpoints, or of `endpoints` if these are given.
    `role_chain` lists the RAM roles to assume, in order, starting from the function's own identity
    or from `rrsa`. `session_duration` is requested from STS for the last role; a renewal depends on
    the expiry that the API returns. `narrowed`: the last role's session gets only the permissions
    that the token needs, and only for the `repositories`, if any are given. The token must be able
    to pull `verify_repository`, if given.
    """

    name: str
    instance_id: str
    region_id: str
    domains: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    role_chain: tuple[Role, ...] = ()
    rrsa: Rrsa | None = None
    session_duration: timedelta = timedelta(hours=1)
    narrowed: bool = True
    repositories: tuple[str, ...] = ()
    verify: Verification = Verification.REACHABLE
    verify_repository: str = ""


@dataclass(frozen=True, slots=True)
class AckAccess:
    """A cluster whose temporary kubeconfig comes from Container Service (CS).

    `private`: the kubeconfig names the API server's address inside the VPC. `validity` is the
    requested lifetime of the kubeconfig.
    """

    cluster_id: str
    region_id: str
    role_chain: tuple[Role, ...] = ()
    private: bool = False
    validity: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KubeconfigAccess:
    """A cluster whose kubeconfig is a file beside the configuration."""

    path: str
    trusted: bool = False  # whether it may name files to read and a credential plugin to run


@dataclass(frozen=True, slots=True)
class KmsAccess:
    """A cluster whose kubeconfig is a secret in Key Management Service (KMS), by name or ARN."""

    secret_name: str
    region_id: str
    role_chain: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class InClusterAccess:
    """The cluster that runs us, accessed as the service account of our own pod."""


Access = AckAccess | KubeconfigAccess | KmsAccess | InClusterAccess


@dataclass(frozen=True, slots=True)
class SecretMetadata:
    """Labels and annotations of the configuration, beside those that acr-refresher needs."""

    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()


NO_METADATA = SecretMetadata()


@dataclass(frozen=True, slots=True)
class PullSecret:
    """A secret that a cluster must hold, in which namespaces, and for which service accounts.

    A namespace may request the registries `allowed_on_request` by annotation, selected or not.
    """

    name: str
    registries: tuple[Registry, ...]
    namespaces: NamespaceSelection
    service_accounts: ServiceAccountSelection
    expiring_threshold: timedelta
    allowed_on_request: tuple[Registry, ...] = ()
    metadata: SecretMetadata = NO_METADATA


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kubernetes cluster to serve.

    `proxy_url` and `ca_pem`, if given, override those of its kubeconfig. `found_by` is the section
    of config.yaml that discovered it, such as `discover[0]`; empty for a configured cluster.
    """

    name: str
    access: Access
    pull_secrets: tuple[PullSecret, ...]
    proxy_url: SecretStr | None = None
    ca_pem: str = ""
    found_by: str = ""


@dataclass(frozen=True, slots=True)
class Logstore:
    """The logstore in Simple Log Service (SLS) that outcomes are written to."""

    project: str
    name: str
    region_id: str = ""  # empty: the function's own region
    endpoint: str = ""  # empty: the region's public endpoint


@dataclass(frozen=True, slots=True)
class Function:
    """A function of Function Compute 3.0; with `service`, one of Function Compute 2.0."""

    name: str
    region_id: str
    account_id: str
    service: str = ""
    qualifier: str = ""  # a version or an alias; empty means LATEST


# ---- what is found in a cluster -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """A namespace as listed.

    `requested` are the registry instances that its annotations request, as `ID` or `REGION:ID`.
    `names_roles`: its annotations also name roles for them.
    """

    name: str
    labels: Mapping[str, str]
    terminating: bool = False
    requested: tuple[str, ...] = ()
    names_roles: bool = False


@dataclass(frozen=True, slots=True)
class SecretState:
    """A Secret of a pull secret's name as listed. `managed`: it carries our label.

    `managers` are the field managers of its data, type, immutability and of our label.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    type: str
    managed: bool
    immutable: bool
    annotations: Mapping[str, str]
    dockerconfigjson: SecretStr
    labels: Mapping[str, str] = field(default_factory=dict)
    managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceAccountState:
    """A ServiceAccount as listed or read, with the names in its imagePullSecrets, in order.

    The API server treats `imagePullSecrets` as an atomic list: a write replaces all of it.
    `managers` are the field managers of that list, and `created` is an RFC 3339 time.
    """

    namespace: str
    name: str
    resource_version: str
    image_pull_secrets: tuple[str, ...] = ()
    created: str = ""
    managers: tuple[str, ...] = ()

    def refers_to(self, secret: str) -> bool:
        """Whether pods of the account pull with the secret."""
        return secret in self.image_pull_secrets

    def with_reference(self, secret: str) -> ServiceAccountState:
        """The account with the reference at the end of its list, or unchanged if it has one."""
        if self.refers_to(secret):
            return self
        return replace(self, image_pull_secrets=(*self.image_pull_secrets, secret))

    def without_reference(self, secret: str) -> ServiceAccountState:
        """The account without the reference. The other references stay in their order."""
        others = tuple(name for name in self.image_pull_secrets if name != secret)
        return replace(self, image_pull_secrets=others)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All that planning needs from a cluster. `secrets` are the Secrets of all pull secrets.

    `unreadable` says why the Secrets or service accounts of some namespaces are not among them.
    """

    namespaces: tuple[NamespaceState, ...]
    secrets: tuple[SecretState, ...]
    service_accounts: tuple[ServiceAccountState, ...]
    unreadable: Mapping[str, Failure] = field(default_factory=dict)


# ---- tokens -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """The record of one registry in a secret."""

    registry: str
    hosts: tuple[str, ...]
    expires_at: datetime
    inputs: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A registry token, with its record for the secret."""

    entry: Entry
    username: str
    password: SecretStr
    warnings: tuple[str, ...] = ()  # deviations from the configuration in minting


@dataclass(frozen=True, slots=True)
class SecretContent:
    """The content of a Secret to write: annotations and the document under `.dockerconfigjson`.

    `labels` are those of the configuration. The label that marks our Secrets is not among them.
    """

    annotations: Mapping[str, str]
    dockerconfigjson: SecretStr
    entries: tuple[Entry, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
