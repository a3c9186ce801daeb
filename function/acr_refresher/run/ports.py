"""The services that a run calls, as Protocols. They raise the errors of `errors`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

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
    """An access key, which is temporary if it has a security token.

    Calls count against the account `account_id`; it is empty if not known. `renewal` says what to
    do if the key is refused.
    """

    access_key_id: str
    access_key_secret: SecretStr
    security_token: SecretStr | None = None
    account_id: str = ""
    renewal: str = "a new run gets a new one; if that is refused too, check the function's role"


@dataclass(frozen=True, slots=True)
class Caller:
    """The credentials of a run, and its region: that of STS and, by default, of the outcomes."""

    credentials: CloudCredentials
    region_id: str


@dataclass(frozen=True, slots=True)
class RegistryToken:
    """The answer of GetAuthorizationToken."""

    username: str
    password: SecretStr
    expires_at: datetime
    request_id: str


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """A kubeconfig (YAML). `expires_at` None: its expiry is not known."""

    document: SecretStr
    expires_at: datetime | None = None


OIDC_AUDIENCE = "sts.aliyuncs.com"
"""The audience that STS requires in the token of a service account."""


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
        """AssumeRole, restricted by `policy` if there is one.

        Raises Denied (trust or permission), Invalid, Throttled, Unreachable.
        """

    async def assume_role_with_oidc(
        self, rrsa: Rrsa, token: SecretStr, session_name: str, duration: timedelta, policy: str = ""
    ) -> CloudCredentials:
        """AssumeRoleWithOIDC. It is not signed: the token is the proof. Raises as above."""


class ContainerRegistry(Protocol):
    """Container Registry Enterprise Edition 2018-12-01."""

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        """GetAuthorizationToken. Raises Denied, Invalid, Gone, Throttled, Unreachable."""

    async def hosts(self, caller: CloudCredentials, registry: Registry) -> tuple[str, ...]:
        """ListInstanceEndpoint: the domains of all enabled endpoints. Raises as `token` does."""


class RegistryHosts(Protocol):
    """Registries as a container runtime uses them: the Distribution API."""

    async def check_login(self, host: str, token: RegistryToken, repository: str) -> None:
        """Log in to a host with a token, and list the tags of the repository if one is given.

        Raises Denied if the token is refused, Unreachable if there is no usable answer.
        """


@dataclass(frozen=True, slots=True)
class ClusterPage:
    """One page of a list of clusters, and how many pages the list has."""

    found: tuple[FoundCluster, ...]
    pages: int = 1


class ContainerService(Protocol):
    """Container Service for Kubernetes 2015-12-15."""

    async def kubeconfig(self, caller: CloudCredentials, access: AckAccess) -> Kubeconfig:
        """DescribeClusterUserKubeconfig.

        Raises NotRunning, Denied, Invalid, Gone, Throttled, Unreachable.
        """

    async def clusters(self, caller: CloudCredentials, region_id: str, page: int) -> ClusterPage:
        """DescribeClustersV1: the caller's clusters in the region, in any state. Pages begin at 1.

        Raises Denied, Invalid, Throttled, Unreachable.
        """


class KeyManagement(Protocol):
    """Key Management Service 2016-01-20."""

    async def kubeconfig(self, caller: CloudCredentials, access: KmsAccess) -> Kubeconfig:
        """GetSecretValue. Raises Denied, Invalid, Gone, Throttled, Unreachable."""


class KubeconfigFiles(Protocol):
    """Kubeconfigs from files of this machine."""

    async def kubeconfig(self, access: KubeconfigAccess | InClusterAccess) -> Kubeconfig:
        """Return the kubeconfig.

        Raises Gone (no such file), Denied (it may not be read), Invalid, Unreachable.
        """


class Functions(Protocol):
    """Function Compute 3.0 and 2.0.

    Both methods raise Conflict, Denied, Gone, Invalid, Throttled, Unreachable.
    """

    async def invoke(self, function: Function, payload: bytes) -> bytes:
        """Return the function's result. Also raises FunctionFailed, with the function's message."""

    async def start(self, function: Function, payload: bytes, task_id: str) -> bool:
        """Start the function. Return False if a task of this ID has been started before.

        The payload has at most 128 KB, and the ID matches `[A-Za-z_][A-Za-z0-9_-]{0,127}`.
        https://www.alibabacloud.com/help/en/functioncompute/fc-3-0/user-guide/asynchronous-invocation-1
        """


class OutcomeLog(Protocol):
    """The log of outcomes, which is queried by field."""

    async def write(self, records: Sequence[Record], at: datetime) -> None:
        """Write one batch of records of that time. A batch may arrive twice.

        Raises Denied, Invalid, Gone, Throttled, Unreachable.
        """


# ---- a cluster ----------------------------------------------------------------------------------


class AppliedSecret(NamedTuple):
    """The answer to an apply. Policies of the cluster may have changed the Secret."""

    secret: SecretState
    created: bool


class TokenSource(Protocol):
    """Issues tokens for the service accounts of a cluster."""

    async def service_account_token(
        self, namespace: str, name: str, audience: str, duration: timedelta
    ) -> SecretStr:
        """TokenRequest for one service account. May raise any PortError."""


class KubeApi(TokenSource, Protocol):
    """One cluster's API server. Every method may raise any PortError."""

    requests: int
    """Requests that were sent so far."""
    throttled: int
    """Requests that the server refused as too many (429)."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings that the server gave with its answers, each once."""
        return ()

    @property
    def cut_off(self) -> str:
        """A request that was cut off while it waited for its answer: `PATCH /api/v1/...`."""
        return ""

    @property
    def last_error(self) -> str:
        """The message of the last error, unless the same request has succeeded since."""
        return ""

    async def list_namespaces(self) -> tuple[NamespaceState, ...]:
        """Return all namespaces."""

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        """Return the Secrets of this name in all namespaces: one list by fieldSelector."""

    async def list_service_accounts(self, namespace: str = "") -> tuple[ServiceAccountState, ...]:
        """Return all service accounts of all namespaces, or of one."""

    async def find_namespace(self, name: str) -> NamespaceState | None:
        """Return the namespace as it is now. None only if a list shows that there is none."""

    async def find_service_account(self, namespace: str, name: str) -> ServiceAccountState | None:
        """Return the account as it is now. None only if a list shows that there is none."""

    async def read_secret(self, namespace: str, name: str) -> SecretState | None:
        """Return the Secret as it is now. None only if a list shows that there is none."""

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        """Server-side apply of a Secret of type kubernetes.io/dockerconfigjson.

        With `uid` it changes the Secret of that UID by force. With `resource_version` it raises
        Conflict if the Secret has another version by now. Without `uid` it raises Conflict if
        another writer has created the Secret meanwhile. If an overlapping run of ours has created
        it, the Secret is overwritten, and the answer says that it is not new.
        """

    async def delete_secret(
        self, namespace: str, name: str, uid: str, resource_version: str
    ) -> None:
        """Delete the Secret of that UID and version. Raises Gone if the answer is that it is gone.

        Raises Conflict if there is another Secret, or another version of it.
        """

    async def read_service_account(self, namespace: str, name: str) -> ServiceAccountState:
        """Return the service account. Raises Gone if there is none."""

    async def patch_service_account(self, account: ServiceAccountState) -> ServiceAccountState:
        """Merge patch of imagePullSecrets. Return the account as it is then.

        Raises Conflict if the account has another resourceVersion by now.
        """

    async def close(self) -> None:
        """Close all connections."""


class KubeConnector(Protocol):
    """Makes clients of API servers from kubeconfigs. Nothing in a kubeconfig is executed."""

    def connect(
        self,
        kubeconfig: Kubeconfig,
        now: datetime,
        proxy_url: SecretStr | None = None,
        ca_pem: str = "",
        cluster: str = "",
    ) -> KubeApi:
        """Return a client. It sends nothing yet.

        Raises Invalid if the kubeconfig is broken, has expired or would execute anything.
        `proxy_url` and `ca_pem` take precedence over the kubeconfig's own. What is read from the
        kubeconfig may be kept under the cluster's name.
        """
