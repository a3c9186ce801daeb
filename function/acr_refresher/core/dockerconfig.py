"""The document under `.dockerconfigjson`: `{"auths": {host: {"auth": base64(user:password)}}}`.

The kubelet, containerd, skopeo and docker all read `auth`; `username` and `password` beside it
would only say the same twice.
https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import SecretStr

from acr_refresher.core.model import Credential


class Login(NamedTuple):
    """What a host's entry logs in with."""

    username: str
    password: SecretStr


def build(credentials: Iterable[Credential]) -> SecretStr:
    """The document for these credentials: the same for the same ones, whatever their order."""
    auths = {
        host: {"auth": _auth(credential)}
        for credential in credentials
        for host in credential.entry.hosts
    }
    return SecretStr(json.dumps({"auths": auths}, sort_keys=True, separators=(",", ":")))


def parse(document: SecretStr) -> Mapping[str, Login]:
    """The logins by host. Entries that cannot be read, or a whole such document, are left out."""
    try:
        auths = json.loads(document.get_secret_value())["auths"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {host: login for host, auth in auths if (login := _login(auth)) is not None}


def _auth(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.password.get_secret_value()}"
    return base64.b64encode(pair.encode()).decode()


def _login(auth: object) -> Login | None:
    try:
        pair = base64.b64decode(auth["auth"], validate=True).decode()  # type: ignore[index]  # anything may stand there; TypeError below
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
    username, colon, password = pair.partition(":")
    return Login(username, SecretStr(password)) if colon else None
