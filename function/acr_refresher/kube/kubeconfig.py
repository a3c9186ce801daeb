"""Reads a kubeconfig as data: it can neither run a program nor make us read a file.

Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. Only the cluster and the
user of its current-context are read. An empty text counts as absent, as it does for kubectl.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import to_json

from acr_refresher.config.strict import InvalidInput, Problem
from acr_refresher.config.strict_yaml import read_yaml
from acr_refresher.core.secret import rfc3339
from acr_refresher.errors import Invalid
from acr_refresher.kube.kubeconfig_fields import (
    REFUSED_IN_CLUSTER,
    REFUSED_IN_USER,
    USE_INSTEAD,
    Cluster,
    Part,
    User,
)
from acr_refresher.run.ports import Kubeconfig
from acr_refresher.settings import SETTINGS

Model = TypeVar("Model", bound=BaseModel)
Yaml = Any

IT = "it"
"""The kubeconfig, in messages about it."""
MAX_NAME = 80
"""Characters of a name that a message shows."""
MAX_PROBLEMS = 10
"""A document of repeated keys has thousands of problems."""


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """How to reach an API server, and with which credentials.

    If `ca_pem` is None, the system's root certificates are used.
    """

    server: str
    ca_pem: str | None
    tls_server_name: str | None
    proxy_url: SecretStr | None
    token: SecretStr | None
    client_pem: SecretStr | None
    """Client certificate and key in one PEM text."""


def read_kubeconfig(
    kubeconfig: Kubeconfig,
    now: datetime | None = None,
    proxy_url: SecretStr | None = None,
    ca_pem: str = "",
) -> ServerAccess:
    """The current context. With `now`, the kubeconfig must not have expired by then.

    A proxy or certificate authority given here replaces the kubeconfig's own, which is not checked.
    Raises Invalid that names every problem of the cluster and the user, but no value.
    """
    refuse_expired(kubeconfig, now)
    cluster_fields, user_fields = current(kubeconfig.document)
    cluster_fields = _overridden(cluster_fields, proxy_url, ca_pem)
    problems = [
        *_refusals(cluster_fields, "cluster", REFUSED_IN_CLUSTER),
        *_refusals(user_fields, "user", REFUSED_IN_USER),
        *_problems(Cluster, cluster_fields, "cluster"),
        *_problems(User, user_fields, "user"),
    ]
    if problems:
        raise _invalid(problems)
    return _access(Cluster.model_validate(cluster_fields), User.model_validate(user_fields))


def refuse_expired(kubeconfig: Kubeconfig, now: datetime | None) -> None:
    """Raise Invalid if the kubeconfig has expired by then."""
    if now and kubeconfig.expires_at and kubeconfig.expires_at <= now:
        raise _invalid([f"it expired at {rfc3339(kubeconfig.expires_at)}; get a new one"])


def current(document: SecretStr) -> tuple[dict[str, Yaml], dict[str, Yaml]]:
    """The fields of the current context's cluster and user. Raises Invalid if there are none."""
    read = _checked(_Document, _load(document), "document")
    if not read.current_context:
        raise _invalid(["it has no current-context"])
    context = _checked(_Context, read.named("context", read.current_context), "context")
    return read.named("cluster", context.cluster), read.named("user", context.user)


def with_context(document: SecretStr, context: str) -> SecretStr:
    """The kubeconfig with another current-context. Raises Invalid."""
    fields = _load(document)
    if not isinstance(fields, dict):
        raise _invalid(["it is not a mapping"])
    return SecretStr(fields_to_json({**fields, "current-context": context}))


def kubeconfig_of(cluster: Mapping[str, Yaml], user: Mapping[str, Yaml]) -> Kubeconfig:
    """A kubeconfig of one cluster and one user with these fields."""
    name = "current"
    document = {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
    }
    return Kubeconfig(SecretStr(fields_to_json(document)))  # JSON is YAML


def fields_to_json(fields: Mapping[str, Yaml]) -> str:
    """Fields of a kubeconfig in JSON. Raises Invalid for what only YAML can hold."""
    try:
        return to_json(fields).decode()
    except ValueError:
        raise _invalid(["it has fields that JSON cannot hold"]) from None


def encoded(text: str) -> str:
    """Text in base64, for the fields that end in -data."""
    return base64.b64encode(text.encode()).decode()


def _overridden(
    fields: dict[str, Yaml], proxy_url: SecretStr | None, ca_pem: str
) -> dict[str, Yaml]:
    """A cluster's fields, in which config.yaml's values replace its own."""
    if proxy_url:
        fields = {**fields, "proxy-url": proxy_url.get_secret_value()}
    if ca_pem:
        fields = {**fields, "certificate-authority-data": encoded(ca_pem)}
        fields.pop("certificate-authority", None)
    return fields


# ---- the current context -------------------------------------------------------------------------


class _Named(Part):
    name: str
    context: Yaml = None
    cluster: Yaml = None
    user: Yaml = None


class _Document(Part):
    current_context: str
    contexts: list[_Named]
    clusters: list[_Named]
    users: list[_Named]

    def named(self, kind: str, name: str) -> dict[str, Yaml]:
        """The fields of a context, cluster or user by its name. Raises Invalid if there is none."""
        entries: list[_Named] = getattr(self, f"{kind}s")
        fields = next((getattr(entry, kind) for entry in entries if entry.name == name), None)
        if not isinstance(fields, dict):
            raise _invalid([f"it has no {kind} {name[:MAX_NAME]!r}"])
        return fields


class _Context(Part):
    cluster: str
    user: str


# ---- reading -------------------------------------------------------------------------------------


def _load(document: SecretStr) -> Yaml:
    """The document as data. Reading it takes a bounded time, so the event loop may wait for it."""
    text = document.get_secret_value()
    if len(text) > SETTINGS.kubeconfig_characters:
        raise _invalid([f"it has more than {SETTINGS.kubeconfig_characters} characters"])
    try:
        data, repeated_keys = read_yaml(text, IT, SETTINGS.kubeconfig_values)
    except InvalidInput as refused:
        raise _invalid_yaml(refused.problems) from None
    if repeated_keys:
        raise _invalid_yaml(repeated_keys)
    return data


def _invalid_yaml(problems: Iterable[Problem]) -> Invalid:
    return _invalid([f"{each.path} {each.problem} ({each.remedy})" for each in problems])


def _checked(model: type[Model], fields: Yaml, part: str) -> Model:
    if problems := _problems(model, fields, part):
        raise _invalid(problems)
    return model.model_validate(fields)


def _problems(model: type[BaseModel], fields: Yaml, part: str) -> list[str]:
    try:
        model.model_validate(fields)
    except ValidationError as error:
        return [
            f"{'.'.join([part, *map(str, each['loc'])])}: {_words(each['type'], each['msg'])}"
            for each in error.errors(include_input=False, include_url=False)
        ]
    return []


def _words(kind: str, message: str) -> str:
    """What is wrong, without the names of our classes."""
    return "must be a mapping" if kind == "model_type" else message


def _refusals(fields: Mapping[str, Yaml], part: str, refused: Mapping[str, str]) -> list[str]:
    return [
        f"{part}.{field} is refused: {remedy}"
        for field, remedy in refused.items()
        if fields.get(field)
    ]


def _access(cluster: Cluster, user: User) -> ServerAccess:
    certificate, key = user.client_certificate_data, user.client_key_data
    if (certificate is None) != (key is None):
        raise _invalid(["user: client-certificate-data and client-key-data belong together"])
    if not user.token and not key:
        raise _invalid([f"user: it has no credentials; {USE_INSTEAD}"])
    ca = cluster.certificate_authority_data
    return ServerAccess(
        cluster.server,
        ca.get_secret_value() if ca else None,
        cluster.tls_server_name,
        cluster.proxy_url,
        user.token,
        _joined(certificate, key) if certificate and key else None,
    )


def _joined(certificate: SecretStr, key: SecretStr) -> SecretStr:
    return SecretStr(f"{certificate.get_secret_value()}\n{key.get_secret_value()}")


def _invalid(problems: list[str]) -> Invalid:
    listed = "; ".join(problems[:MAX_PROBLEMS])
    more = f"; and {rest} more" if (rest := len(problems) - MAX_PROBLEMS) > 0 else ""
    return Invalid(f"the kubeconfig cannot be used: {listed}{more}", service="kube")
