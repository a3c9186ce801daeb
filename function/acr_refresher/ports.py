"""What a run needs from the outside, as Protocols, and the errors they raise, named by meaning.

An error says what happened in words that can be logged: no secret, no SDK type, no traceback of
somebody else's library. The library's own exception stays reachable as `__cause__` for debugging
and is never rendered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from pydantic import SecretStr

from acr_refresher.core.model import (
    AckAccess,
    KubeconfigAccess,
    NamespaceState,
    Registry,
    SecretContent,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.outcome import Failure

# ---- errors, by meaning -------------------------------------------------------------------------


class PortError(Exception):
    """A call to the outside did not do what was asked.

    `service` is what was called (`sts`, `cr`, `cs`, `kube`, or here: `files`, `fc`), `code` its own
    error code or HTTP status, `request_id` what its operators can look up.
    """

    meaning: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        service: str,
        code: str = "",
        request_id: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.service = service
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """Whether the same call, made again shortly, may succeed."""
        return False

    def failure(self, subject: str = "") -> Failure:
        """The error as data, for outcomes and logs."""
        return Failure(
            meaning=self.meaning,
            message=str(self),
            subject=subject,
            service=self.service,
            code=self.code,
            request_id=self.request_id,
        )


class Unreachable(PortError):
    """No usable answer: connection, TLS or time-out failed, or the service broke (5xx)."""

    meaning = "unreachable"

    def __init__(self, message: str, *, retryable: bool = True, **context: object) -> None:
        super().__init__(message, **context)  # type: ignore[arg-type]  # as PortError takes them
        self._retryable = retryable

    @property
    def retryable(self) -> bool:
        """False where the fault will not pass by itself, such as an untrusted certificate."""
        return self._retryable


class Throttled(PortError):
    """Too many requests; `retry_after` says when to come back, if the service said so."""

    meaning = "throttled"

    @property
    def retryable(self) -> bool:
        """Throttling passes."""
        return True


class Denied(PortError):
    """Not allowed, or not known. The message names the missing permission and where it goes."""

    meaning = "denied"


class Invalid(PortError):
    """The service, or we, cannot make sense of what was sent or answered."""

    meaning = "invalid"


class Conflict(PortError):
    """Someone else changed or owns the object."""

    meaning = "conflict"


class Gone(PortError):
    """The object, its namespace, or the page of a list, is no longer there."""

    meaning = "gone"


# ---- the cloud ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CloudCredentials:
    """An access key, temporary where it has a security token."""

    access_key_id: str
    access_key_secret: SecretStr
    security_token: SecretStr | None = None


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


class Sts(Protocol):
    """Security Token Service 2015-04-01."""

    async def assume_role(
        self, caller: CloudCredentials, role_arn: str, session_name: str, duration: timedelta
    ) -> CloudCredentials:
        """AssumeRole. Raises Denied (trust or permission), Invalid, Throttled, Unreachable."""


class ContainerRegistry(Protocol):
    """Container Registry Enterprise Edition 2018-12-01."""

    async def token(self, caller: CloudCredentials, registry: Registry) -> RegistryToken:
        """GetAuthorizationToken. Raises Denied, Invalid, Gone, Throttled, Unreachable."""

    async def hosts(self, caller: CloudCredentials, registry: Registry) -> tuple[str, ...]:
        """ListInstanceEndpoint: the domains of all enabled endpoints. Raises as `token` does."""


class ContainerService(Protocol):
    """Container Service for Kubernetes 2015-12-15."""

    async def kubeconfig(
        self, caller: CloudCredentials, access: AckAccess, validity: timedelta
    ) -> Kubeconfig:
        """DescribeClusterUserKubeconfig. Raises Denied, Invalid, Gone, Throttled, Unreachable."""


class KubeconfigFiles(Protocol):
    """Kubeconfigs kept as files."""

    async def kubeconfig(self, access: KubeconfigAccess) -> Kubeconfig:
        """Raises Gone where there is no such file, Denied where it cannot be read."""


# ---- a cluster ----------------------------------------------------------------------------------


class KubeApi(Protocol):
    """One cluster's API server. Every method may raise any PortError."""

    requests: int
    """How many requests were sent so far."""

    async def list_namespaces(self) -> tuple[NamespaceState, ...]:
        """All namespaces."""

    async def list_secrets(self, name: str) -> tuple[SecretState, ...]:
        """The Secrets of this name in all namespaces: one list by fieldSelector."""

    async def list_service_accounts(self) -> tuple[ServiceAccountState, ...]:
        """All service accounts of all namespaces."""

    async def apply_secret(
        self, namespace: str, name: str, content: SecretContent, uid: str | None
    ) -> None:
        """Server-side apply of type kubernetes.io/dockerconfigjson.

        With `uid` it changes that very Secret by force; without, it creates one and raises Conflict
        where another writer's has appeared since.
        """

    async def delete_secret(self, namespace: str, name: str, uid: str) -> None:
        """Delete that very Secret; one already gone is fine. Raises Conflict for another's."""

    async def read_service_account(self, namespace: str, name: str) -> ServiceAccountState:
        """Raises Gone where there is none."""

    async def patch_service_account(self, account: ServiceAccountState) -> None:
        """Merge patch of imagePullSecrets at that resourceVersion; raises Conflict if it moved."""

    async def close(self) -> None:
        """End all connections."""


class KubeConnector(Protocol):
    """Opens API servers from kubeconfigs, which are data and never code."""

    def connect(self, kubeconfig: Kubeconfig, now: datetime) -> KubeApi:
        """Raises Invalid for a kubeconfig that is broken, has lapsed or would run anything."""
