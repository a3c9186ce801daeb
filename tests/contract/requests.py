"""The requests of a controller for pull secrets, in plain HTTP."""

import base64
import json
from typing import Any

from localkube import Answer, KubeCluster
from localkube.wire import APPLY_PATCH, MERGE_PATCH, Json

US = "acr-refresher"
NAME = "acr-pull"
DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"
OUR_LABEL = {"app.kubernetes.io/managed-by": US}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def docker_config(token: str) -> str:
    return encoded(json.dumps({"auths": {"registry.example": {"auth": encoded(f"u:{token}")}}}))


def pull_secret(token: str = "first", **fields: Any) -> Json:
    """A pull secret as we apply it. ``metadata`` adds to its metadata, other fields replace."""
    metadata = {"name": NAME, "labels": dict(OUR_LABEL), **fields.pop("metadata", {})}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": DOCKER_CONFIG,
        "data": {".dockerconfigjson": docker_config(token)},
        **fields,
    }


def secret_path(namespace: str, name: str = NAME) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def account_path(namespace: str, name: str = "builder") -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"


def apply(
    cluster: KubeCluster,
    namespace: str,
    secret: Json | str,
    *,
    as_user: str | None = US,
    **query: str,
) -> Answer:
    """Server-side apply of a pull secret, as the function's user."""
    name = secret["metadata"].get("name", NAME) if isinstance(secret, dict) else NAME
    return cluster.request(
        "PATCH",
        secret_path(namespace, name),
        secret,
        query={"fieldManager": US, **query},
        content_type=APPLY_PATCH,
        as_user=as_user,
    )


def merge(
    cluster: KubeCluster, path: str, patch: Json | str, *, as_user: str | None = US, **query: str
) -> Answer:
    """A JSON merge patch, as the function's user."""
    return cluster.request(
        "PATCH", path, patch, query=query, content_type=MERGE_PATCH, as_user=as_user
    )


def version(body: Json) -> str:
    return str(body["metadata"]["resourceVersion"])


def token_of(secret: Json | None) -> str:
    """The token in a stored pull secret."""
    assert secret is not None
    config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    auth = base64.b64decode(config["auths"]["registry.example"]["auth"]).decode()
    return auth.removeprefix("u:")
