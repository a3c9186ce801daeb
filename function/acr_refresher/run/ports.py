"""What a run needs from the outside, as Protocols. Their errors are those of `errors`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import SecretStr

from acr_refresher.core.fleet import FoundCluster
from acr_refresher.core.model import (
    AckAccess,
    Function,
    InClusterAccess,
    KmsAccess,
    KubeconfigAccess,
    NamespaceState,
    Registry,
    Role,
    Rrsa,
    SecretContent,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.outcome_records import Record

# ---- the cloud ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CloudCredentials:
    """An access key, temporary where it has a security token.

    `account_id` is whose it is, and whom its calls are counted against; empty where not known.
    `renewal` says what to do where it is refused.
    """

    access_key_id: str
    access_key_secret: SecretStr
    security_token: SecretStr | None = None
    account_id: str = ""
    renewal: str = "a new run gets a new one; if it comes again, check the function's role"


@dataclass(frozen=True, slots=True)
class RegistryToken:
    """What GetAuthorizationToken returned."""

    username: str
    password: SecretStr
    expires_at: datetime
    request_id: str


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """A kubeconfig document (YAML). `expires_at` None: it does not say."""

    document: SecretStr
    expires_at: datetime | None = None


OIDC_AUDIENCE = "sts.aliyuncs.com"
"""Whom a service account's token must be for, so that STS takes it."""


class Sts(Protocol):
    """Security Token Service 2015-04-01."""

    async def assume_role(
        self,
        caller: CloudCredentials,
        role: Role,
        session_name: str,
        duration: timedelta,
        policy: str = "",
    ) -> CloudCredentials:
        """AssumeRole, narrowed to `policy` where one is given.

        Raises Denied (trust or permission), Invalid, Throttled, Unreachable.
        """

    async def assume_role_with_oidc(
        self, rrsa: Rrsa, token: SecretStr, session_name: str, duration: timedelta, policy: str = ""
    ) -> CloudCredentials:
        """AssumeRoleWithOIDC, which nobody signs: the token says who asks. Raises as above."""


class ContainerRegistry(Protocol):
    """Container Registry Enterprise Edition 2018-12-01."""

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        """GetAuthorizationToken. Raises Denied, Invalid, Gone, Throttled, Unreachable."""

    async def hosts(self, caller: CloudCredentials, registry: Registry) -> tuple[str, ...]:
        """ListInstanceEndpoint: the domains of all enabled endpoints. Raises as `token` does."""


class RegistryHosts(Protocol):
    """The registries themselves, as a container runtime meets them: the Distribution API."""

    async def check_login(self, host: str, token: RegistryToken, repository: str) -> None:
        """Log in to a host with a token, and look into a repository where one is given.

        Raises Denied where the token is refused, Unreachable where that cannot be found out.
        """


@dataclass(frozen=True, slots=True)
class ClusterPage:
    """Some of the clusters of a list that has so many pages."""

    found: tuple[FoundCluster, ...]
    pages: int = 1


class ContainerService(Protocol):
    """Container Service for Kubernetes 2015-12-15."""

    async def kubeconfig(self, caller: CloudCredentials, access: AckAccess) -> Kubeconfig:
        """DescribeClusterUserKubeconfig.

        Raises NotRunning, Denied, Invalid, Gone, Throttled, Unreachable.
        """

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        """DescribeClustersV1: those of the caller's account there, in whatever state; from page 1.

        Raises Denied, Invalid, Throttled, Unreachable.
        """


class KeyManagement(Protocol):
    """Key Management Service 2016-01-20."""

    async def kubeconfig(self, caller: CloudCredentials, access: KmsAccess) -> Kubeconfig:
        """GetSecretValue. Raises Denied, Invalid, Gone, Throttled, Unreachable."""


class KubeconfigFiles(Protocol):
    """Kubeconfigs from files of this machine."""

    async def kubeconfig(self, access: KubeconfigAccess | InClusterAccess) -> Kubeconfig:
        """Raises Gone where there is no such file, Denied where it cannot be read, Invalid."""


class Functions(Protocol):
    """Function Compute, 3.0 and 2.0: what invokes functions, this one again among them.

    Both methods raise Denied, Gone (no such function), Invalid, Throttled, Unreachable.
    """

    async def invoke(self, function: Function, payload: bytes) -> bytes:
        """What the function returns. Also raises FunctionFailed, with the words it failed with."""

    async def start(self, function: Function, payload: bytes, task_id: str) -> bool:
        """Have it run on its own. False: a task of this id has been started before, once for all.

        A payload is at most 128 KB then, and an ID `[A-Za-z_][A-Za-z0-9_-]{0,127}`.
        https://www.alibabacloud.com/help/en/functioncompute/fc-3-0/user-guide/asynchronous-invocation-1
        """


class OutcomeLog(Protocol):
    """Where outcomes are kept, to be queried by field."""

    async def write(self, records: Sequence[Record], at: datetime) -> None:
        """Add one batch of records, as of that time; it may arrive twice.

        Raises Denied, Invalid, Gone, Throttled, Unreachable.
        """


# ---- a cluster ----------------------------------------------------------------------------------


class TokenSource(Protocol):
    """What issues tokens for a cluster's service accounts."""

    async def service_account_token(
        self, namespace: str, name: str, audience: str, duration: timedelta
    ) -> SecretStr:
        """TokenRequest of one service account. May raise any PortError."""


class KubeApi(TokenSource, Protocol):
    """One cluster's API server. Every method may raise any PortError."""

    requests: int
    """How many requests were sent so far."""
    throttled: int
    """How many of them the server refused as too many (429)."""

    async def list_namespaces(self) -> tuple[NamespaceState, ...]:
        """All namespaces."""

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        """The Secrets of this name in all namespaces: one list by fieldSelector."""

    async def list_service_accounts(self) -> tuple[ServiceAccountState, ...]:
        """All service accounts of all namespaces."""

    async def read_secret(self, namespace: str, name: str) -> SecretState | None:
        """The current one, in one namespace; None where there is none."""

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> None:
        """Server-side apply of type kubernetes.io/dockerconfigjson.

        With `uid` it changes that very Secret by force, and raises Conflict where it is no longer
        at `resource_version`, if one is given; without, it creates one and raises Conflict where
        another writer's has appeared since.
        """

    async def delete_secret(self, namespace: str, name: str, uid: str) -> None:
        """Delete that very Secret; one already gone is fine. Raises Conflict for another's."""

    async def read_service_account(self, namespace: str, name: str) -> ServiceAccountState:
        """Raises Gone where there is none."""

    async def patch_service_account(self, account: ServiceAccountState) -> ServiceAccountState:
        """Merge patch of imagePullSecrets at that resourceVersion; raises Conflict if it moved.

        Returns the account as it now is.
        """

    async def close(self) -> None:
        """End all connections."""


class KubeConnector(Protocol):
    """Opens API servers from kubeconfigs, which are data and never code."""

    def connect(
        self,
        kubeconfig: Kubeconfig,
        now: datetime,
        proxy_url: SecretStr | None = None,
        ca_pem: str = "",
    ) -> KubeApi:
        """Raises Invalid for a kubeconfig that is broken, has lapsed or would run anything.

        `proxy_url` and `ca_pem`, where given, go before the kubeconfig's own.
        """


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a run is made as, and from which region: that of STS and, by default, of the outcomes."""

    credentials: CloudCredentials
    region_id: str
