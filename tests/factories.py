"""Small builders of the core's types: a test states only the values that matter to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from pydantic import SecretStr

from acr_refresher.core.model import (
    ClusterState,
    Credential,
    Entry,
    NamespaceState,
    PullSecret,
    Registry,
    Role,
    SecretContent,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.request import Request
from acr_refresher.core.secret import SECRET_TYPE, build_secret, inputs_digest, parse_dockerconfig
from acr_refresher.core.select import NamespaceSelection, ServiceAccountSelection

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

MAIN = Registry("main", "cri-main", "cn-hangzhou")
PARTNER = Registry(
    "partner", "cri-partner", "cn-beijing", role_chain=(Role("acs:ram::2:role/pull"),)
)


def credential(
    registry: Registry = MAIN,
    expires_in: timedelta = HOUR,
    hosts: tuple[str, ...] = (),
    password: str = "token",
) -> Credential:
    entry = Entry(
        registry=registry.name,
        hosts=hosts or (f"{registry.name}.example.com",),
        expires_at=NOW + expires_in,
        inputs=inputs_digest(registry),
    )
    return Credential(entry, "cr_temp_user", SecretStr(password))


def secret(
    *credentials: Credential,
    namespace: str = "default",
    name: str = "acr-pull",
    managed: bool = True,
    immutable: bool = False,
    type_: str = SECRET_TYPE,
    annotations: Mapping[str, str] | None = None,
    document: str | None = None,
    managers: tuple[str, ...] = (),
) -> SecretState:
    """A Secret as a run writes it, with the changes of the test case."""
    written = build_secret(credentials or (credential(),), NOW, "run-0")
    return SecretState(
        namespace=namespace,
        name=name,
        uid=f"uid-{namespace}",
        resource_version="1",
        type=type_,
        managed=managed,
        immutable=immutable,
        annotations=written.annotations if annotations is None else annotations,
        dockerconfigjson=written.dockerconfigjson if document is None else SecretStr(document),
        managers=managers,
    )


def as_written(namespace: str, name: str, content: SecretContent, **changes: object) -> SecretState:
    """The Secret as an API server answers a write, with what it has changed."""
    written = SecretState(
        namespace=namespace,
        name=name,
        uid=f"uid-{namespace}",
        resource_version="2",
        type=SECRET_TYPE,
        managed=True,
        immutable=False,
        annotations=content.annotations,
        dockerconfigjson=content.dockerconfigjson,
        labels=content.labels,
    )
    return replace(written, **changes)  # type: ignore[arg-type]  # as SecretState takes them


def account(
    name: str = "default", *references: str, namespace: str = "default"
) -> ServiceAccountState:
    return ServiceAccountState(namespace, name, "1", references)


def state(
    *secrets: SecretState,
    namespaces: Sequence[NamespaceState | str] = ("default",),
    accounts: Sequence[ServiceAccountState] = (),
) -> ClusterState:
    listed = (item if isinstance(item, NamespaceState) else namespace(item) for item in namespaces)
    return ClusterState(tuple(listed), secrets, tuple(accounts))


def namespace(
    name: str, *requested: str, terminating: bool = False, names_roles: bool = False, **labels: str
) -> NamespaceState:
    return NamespaceState(name, labels, terminating, requested, names_roles)


def wanted(
    *registries: Registry,
    namespaces: tuple[str, ...] = ("default",),
    excluded: tuple[str, ...] = (),
    service_accounts: tuple[str, ...] = ("default",),
    name: str = "acr-pull",
    allowed_on_request: tuple[Registry, ...] = (),
) -> PullSecret:
    return PullSecret(
        name=name,
        registries=registries or (MAIN,),
        namespaces=NamespaceSelection(namespaces, excluded),
        service_accounts=ServiceAccountSelection(service_accounts),
        expiring_threshold=15 * MINUTE,
        allowed_on_request=allowed_on_request,
    )


def request(**asked: object) -> Request:
    return Request(trigger="manual", **asked)  # type: ignore[arg-type]  # as Request takes them


def logins(document: SecretStr) -> dict[str, str]:
    """Host to password, as a container runtime reads the document."""
    return {
        host: password.get_secret_value()
        for host, (_, password) in parse_dockerconfig(document).items()
    }
