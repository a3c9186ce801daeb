"""The words of the system, as frozen types.

Every time is an aware UTC `datetime`, every span a `timedelta`. Passwords are `SecretStr`, whose
`repr` and `str` are masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from pydantic import SecretStr

from acr_refresher.core.select import NamespaceSelection, ServiceAccountSelection

# ---- what is configured -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Role:
    """A RAM role to assume. `external_id` is what its trust policy may ask for."""

    arn: str
    external_id: str = ""

    @property
    def account_id(self) -> str:
        """Of the account that it belongs to."""
        return self.arn.split(":")[3]


@dataclass(frozen=True, slots=True)
class Rrsa:
    """RAM Roles for Service Accounts: the target cluster's own identity begins the role chain.

    A token of this service account, issued by the cluster, is exchanged for a session of the role.
    """

    role_arn: str
    oidc_provider_arn: str
    namespace: str = "kube-system"
    service_account: str = "aliyun-acr-credential-helper"


class Verification(str, Enum):
    """Whether a registry host is asked if it takes a new token, before the token is written."""

    ALWAYS = "always"
    """A host that cannot be reached counts as one that refuses."""
    REACHABLE = "reachable"
    """A host that cannot be reached from here is told of, and the token is written all the same."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Registry:
    """One ACR instance and the way to its tokens; without `instance_id` it is Personal Edition.

    `domains` empty means every domain of every enabled endpoint, or of those of `endpoints` alone.
    `role_chain` lists the RAM roles to assume, in order, beginning with the function's own identity
    or with `rrsa`; empty means that identity. `session_duration` is asked of STS for the last role;
    what counts later is the expiry that the API returned. `narrowed`: the last role's session may
    do no more than the token needs. `verify_repository` is one that the token must be able to pull.
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
    verify: Verification = Verification.REACHABLE
    verify_repository: str = ""


@dataclass(frozen=True, slots=True)
class AckAccess:
    """A cluster whose temporary kubeconfig is asked of Container Service (CS).

    `private`: it names the API server's address inside its VPC. `validity`: for how long it is.
    """

    cluster_id: str
    region_id: str
    role_chain: tuple[Role, ...] = ()
    private: bool = False
    validity: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KubeconfigAccess:
    """A cluster whose kubeconfig is a file beside the configuration.

    `trusted`: what it refers to is read, and the credential plugin that it names is run.
    """

    path: str
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class KmsAccess:
    """A cluster whose kubeconfig is a secret, by name or ARN, of Key Management Service (KMS)."""

    secret_name: str
    region_id: str
    role_chain: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class InClusterAccess:
    """The cluster in which this runs, as the service account of its own pod."""


Access = AckAccess | KubeconfigAccess | KmsAccess | InClusterAccess


@dataclass(frozen=True, slots=True)
class PullSecret:
    """A secret that a cluster is to hold, where, and for which service accounts.

    `on_request` are registries that a namespace may ask for by annotation, selected or not.
    """

    name: str
    registries: tuple[Registry, ...]
    namespaces: NamespaceSelection
    service_accounts: ServiceAccountSelection
    expiring_threshold: timedelta
    allowed_on_request: tuple[Registry, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kubernetes cluster to be served.

    `proxy_url` and `ca_pem`, where given, go before those of its kubeconfig. `found_by` is the
    section of config.yaml that found it, as in `discover[0]`; empty: it is configured by itself.
    """

    name: str
    access: Access
    pull_secrets: tuple[PullSecret, ...]
    proxy_url: SecretStr | None = None
    ca_pem: str = ""
    found_by: str = ""


@dataclass(frozen=True, slots=True)
class Logstore:
    """Where outcomes are kept in Simple Log Service (SLS).

    `region_id` empty: the function's own. `endpoint` empty: the public one of that region.
    """

    project: str
    name: str
    region_id: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of Function Compute 3.0; with `service`, one of Function Compute 2.0.

    `qualifier` is a version or an alias; empty means LATEST.
    """

    name: str
    region_id: str
    account_id: str
    service: str = ""
    qualifier: str = ""


# ---- what is found in a cluster -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """A namespace as listed.

    `requested` are the registry instances that it asks for by annotation, as `ID` or `REGION:ID`;
    `names_roles`: its annotations name roles for them too.
    """

    name: str
    labels: Mapping[str, str]
    terminating: bool = False
    requested: tuple[str, ...] = ()
    names_roles: bool = False


@dataclass(frozen=True, slots=True)
class SecretState:
    """A Secret of a pull secret's name as listed. `managed`: it carries our label."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    type: str
    managed: bool
    immutable: bool
    annotations: Mapping[str, str]
    dockerconfigjson: SecretStr


@dataclass(frozen=True, slots=True)
class ServiceAccountState:
    """A ServiceAccount as listed or read, with the names in its imagePullSecrets, in order."""

    namespace: str
    name: str
    resource_version: str
    image_pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All that planning needs to know of a cluster; `secrets` are those of all pull secrets."""

    namespaces: tuple[NamespaceState, ...]
    secrets: tuple[SecretState, ...]
    service_accounts: tuple[ServiceAccountState, ...]


# ---- tokens -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """What a secret's record says of one registry in it."""

    registry: str
    hosts: tuple[str, ...]
    expires_at: datetime
    inputs: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A registry token with the record it goes into a secret with.

    `warnings` tell what went otherwise than configured when it was minted.
    """

    entry: Entry
    username: str
    password: SecretStr
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecretContent:
    """A Secret ready to be written: annotations and the document under `.dockerconfigjson`."""

    annotations: Mapping[str, str]
    dockerconfigjson: SecretStr
    entries: tuple[Entry, ...]
