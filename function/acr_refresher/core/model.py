"""The words of the system, as frozen types.

Every time is an aware UTC `datetime`, every span a `timedelta`. Passwords are `SecretStr`, whose
`repr` and `str` are masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr

from acr_refresher.core.selection import NamespaceSelection, ServiceAccountSelection

# ---- what is configured -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Registry:
    """One ACR Enterprise Edition instance and the way to its tokens.

    `domains` empty means every domain of every enabled endpoint. `role_chain` lists the RAM roles
    to assume, in order, beginning with the function's own identity; empty means that identity.
    `session_duration` is asked of STS for the last role; what counts later is the expiry that the
    API returned.
    """

    name: str
    instance_id: str
    region_id: str
    domains: tuple[str, ...] = ()
    role_chain: tuple[str, ...] = ()
    session_duration: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AckAccess:
    """A cluster whose temporary kubeconfig is asked of Container Service (CS)."""

    cluster_id: str
    region_id: str
    role_chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KubeconfigAccess:
    """A cluster whose kubeconfig is a file beside the configuration."""

    path: str


@dataclass(frozen=True, slots=True)
class PullSecret:
    """The secret a cluster is to hold, where, and for which service accounts."""

    name: str
    registries: tuple[Registry, ...]
    namespaces: NamespaceSelection
    service_accounts: ServiceAccountSelection
    expiring_threshold: timedelta


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kubernetes cluster to be served."""

    name: str
    access: AckAccess | KubeconfigAccess
    pull_secret: PullSecret


# ---- what is asked for --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """What one invocation asks for. Empty tuples of globs mean everything.

    `trigger` is `manual`, or `timer:` and the trigger's name.
    """

    trigger: str
    clusters: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    force: bool = False
    dry_run: bool = False
    reason: str = ""

    @property
    def by_timer(self) -> bool:
        """Whether nobody waits for the answer but the platform, which counts exceptions."""
        return self.trigger.startswith("timer:")


# ---- what is found in a cluster -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """A namespace as listed."""

    name: str
    labels: Mapping[str, str]
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class SecretState:
    """A Secret of our name as listed. `managed`: it carries our label."""

    namespace: str
    uid: str
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
    """All that planning needs to know of a cluster."""

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
    """A registry token with the record it goes into a secret with."""

    entry: Entry
    username: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class SecretContent:
    """A Secret ready to be written: annotations and the document under `.dockerconfigjson`."""

    annotations: Mapping[str, str]
    dockerconfigjson: SecretStr
    entries: tuple[Entry, ...]
