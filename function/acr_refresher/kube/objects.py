"""Converts the JSON of answers into states, and changes into the JSON of requests."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from pydantic_core import to_json

from acr_refresher.core.model import NamespaceState, SecretContent, SecretState, ServiceAccountState
from acr_refresher.core.secret import MANAGED_BY_LABEL, MANAGER, SECRET_TYPE
from acr_refresher.core.select import names_roles, requested_registries
from acr_refresher.settings import SETTINGS

Json = dict[str, Any]

_MANAGER_LENGTH = 128
"""Characters of a field manager's name, as Kubernetes limits them."""
DOCUMENT_KEY = ".dockerconfigjson"
STATE_BYTES = 320
"""Bytes that a state takes with the texts that every state has."""
DOCUMENT_COPIES = 3
"""A document is kept once as it is, and once in base64 while the list is read."""
TEXT_BYTES = 60
"""Bytes that a text takes besides its characters."""


def namespace_state(namespace: Json) -> NamespaceState:
    """A Namespace. It is terminating from the moment its deletion was requested."""
    metadata = namespace["metadata"]
    annotations = texts(metadata.get("annotations"))
    return NamespaceState(
        name=name(metadata["name"]),
        labels=texts(metadata.get("labels")),
        terminating="deletionTimestamp" in metadata,
        requested=requested_registries(annotations),
        names_roles=names_roles(annotations),
    )


def secret_state(secret: Json, decoded: dict[str, SecretStr]) -> SecretState:
    """A Secret. Its document is empty if it has none.

    `decoded` holds the documents that were decoded before: most Secrets have the same. Of a
    Secret that is not ours, the document, labels and annotations are left out. A document that is
    too large for ours counts as empty, an annotation as missing.
    """
    metadata = secret["metadata"]
    labels, managers = texts(metadata.get("labels")), _managers(metadata, _owns_our_fields)
    managed = labels.get(MANAGED_BY_LABEL) == MANAGER
    ours = managed or MANAGER in managers
    data = ((secret.get("data") or {}).get(DOCUMENT_KEY) or "") if ours else ""
    if len(data) > SETTINGS.kube_document_bytes:
        data = ""
    if data not in decoded:
        decoded[data] = _decoded(data)
    return SecretState(
        namespace=name(metadata["namespace"]),
        name=name(metadata["name"]),
        uid=name(metadata["uid"]),
        resource_version=name(metadata["resourceVersion"]),
        type=text(secret.get("type", ""))[: SETTINGS.kube_name],
        managed=managed,
        immutable=secret.get("immutable") is True,
        annotations=_short(texts(metadata.get("annotations"))) if ours else {},
        dockerconfigjson=decoded[data],
        labels=labels if managed else {},
        managers=managers,
    )


def _short(annotations: Mapping[str, str]) -> Mapping[str, str]:
    """The annotations, without those that are larger than ours ever are."""
    most = SETTINGS.kube_annotation
    if not annotations or max(map(len, annotations.values())) <= most:
        return annotations
    return {key: value for key, value in annotations.items() if len(value) <= most}


def service_account_state(account: Json) -> ServiceAccountState:
    """A ServiceAccount."""
    metadata = account["metadata"]
    return ServiceAccountState(
        name(metadata["namespace"]),
        name(metadata["name"]),
        name(metadata["resourceVersion"]),
        tuple(
            name(reference.get("name", "")) for reference in account.get("imagePullSecrets") or ()
        ),
        text(metadata.get("creationTimestamp") or "")[: SETTINGS.kube_name],
        _managers(metadata, _owns_references),
    )


def _owns_our_fields(owned: Json) -> bool:
    """Whether a manager owns any of a Secret's data, type, immutability and our label."""
    if not owned.keys().isdisjoint(("f:data", "f:type", "f:immutable")):
        return True
    labels = (owned.get("f:metadata") or {}).get("f:labels") or {}
    return f"f:{MANAGED_BY_LABEL}" in labels


def _owns_references(owned: Json) -> bool:
    return "f:imagePullSecrets" in owned


def _managers(metadata: Json, owns: Callable[[Json], bool]) -> tuple[str, ...]:
    """The names of field managers, as far as the server keeps them. They are only for messages."""
    try:
        return tuple(
            sys.intern(entry["manager"])
            for entry in metadata.get("managedFields") or ()
            if owns(entry.get("fieldsV1") or {}) and _is_manager_name(entry["manager"])
        )
    except (AttributeError, KeyError, TypeError):
        return ()


def _is_manager_name(name: str) -> bool:
    return name.isprintable() and len(name) <= _MANAGER_LENGTH


def namespace_size(namespace: NamespaceState) -> int:
    """The memory that a state takes."""
    kept = (*namespace.labels, *namespace.labels.values(), *namespace.requested)
    return STATE_BYTES + _size(kept)


@dataclass(frozen=True, slots=True)
class SecretSize:
    """The memory that the states of one list take, which share their documents."""

    counted: set[int] = field(default_factory=set)

    def __call__(self, secret: SecretState) -> int:
        """The memory that a state takes, and its document if no state before it has the same."""
        texts = (*secret.annotations.values(), *secret.labels.values())
        size = STATE_BYTES + 2 * _size(texts)  # twice, for the keys
        size += _size(secret.managers)
        document = secret.dockerconfigjson
        if id(document) in self.counted:
            return size
        self.counted.add(id(document))  # the list keeps the document, so no other has this id
        return size + DOCUMENT_COPIES * len(document)


def service_account_size(account: ServiceAccountState) -> int:
    """The memory that a state takes."""
    references = _size(account.image_pull_secrets) if account.image_pull_secrets else 0
    managers = _size(account.managers) if account.managers else 0
    return STATE_BYTES + references + managers + TEXT_BYTES + len(account.created)


def _size(kept: Collection[str]) -> int:
    return sum(map(len, kept)) + TEXT_BYTES * len(kept)


def secret_manifest(namespace: str, name: str, shared: bytes, **seen: str | None) -> bytes:
    """A pull secret to apply to the Secret that was `seen`, by `uid` and `resourceVersion`.

    The API server answers 409 if there is another Secret now, or another version of it.
    """
    own = {"namespace": namespace, "name": name}
    own |= {field: value for field, value in seen.items() if value}
    return b'{"metadata":%b,%b' % (to_json(own)[:-1], shared)


def shared_part(content: SecretContent) -> bytes:
    """The end of all manifests of one content, for `secret_manifest`."""
    document = content.dockerconfigjson.get_secret_value().encode()
    metadata = {
        "labels": {**content.labels, MANAGED_BY_LABEL: MANAGER},
        "annotations": dict(content.annotations),
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": SECRET_TYPE,
        "data": {DOCUMENT_KEY: base64.b64encode(document).decode()},
    }
    return b"%b,%b" % (to_json(metadata)[1:], to_json(manifest)[1:])


def deletion(uid: str, resource_version: str) -> Json:
    """DeleteOptions for the object with this uid, if it still has this version."""
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}


def pull_secrets_patch(account: ServiceAccountState) -> Json:
    """A merge patch of the complete list. With resourceVersion, 409 answers a stale patch."""
    return {
        "metadata": {"resourceVersion": account.resource_version},
        "imagePullSecrets": [{"name": name} for name in account.image_pull_secrets],
    }


def _decoded(data: str) -> SecretStr:
    try:
        return SecretStr(base64.b64decode(data).decode("utf-8", "replace"))
    except ValueError:
        return SecretStr("")


def text(value: object, most: int = SETTINGS.kube_answer_bytes) -> str:
    """The text in a field of an answer. Raises TypeError if it is anything else, or longer."""
    if not isinstance(value, str) or len(value) > most:
        raise TypeError("not a text")
    return value


def name(value: object) -> str:
    """A name, a UID or a resource version. Raises TypeError as `text` does."""
    if not isinstance(value, str) or len(value) > SETTINGS.kube_name:
        raise TypeError("not a name")
    return value


def texts(value: object) -> Mapping[str, str]:
    """Labels or annotations in an answer, which may be null. Raises TypeError as `text` does."""
    if not isinstance(value, dict | None) or not all(
        type(each) is str for each in (value or {}).values()
    ):
        raise TypeError("not a map of texts")
    return value or {}
