"""The secret as the record: what the next run must know stands in the Secret's annotations.

- `acr-refresher/expires-at`: the earliest expiry among its entries, RFC 3339 UTC; for people.
- `acr-refresher/refreshed-at`: when it was last written; for people.
- `acr-refresher/run`: the run that wrote it, as in the logs; for people.
- `acr-refresher/entries`: one object a registry: its hosts, expiry and digest of inputs.
- `acr-refresher/content`: SHA-256 of these entries and the document, as they were written.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import astuple
from datetime import datetime, timezone
from typing import Any, NamedTuple

from pydantic import SecretStr

from acr_refresher.core.model import Credential, Entry, Registry, SecretContent, SecretState

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "acr-refresher"
EXPIRES_AT_ANNOTATION = "acr-refresher/expires-at"
REFRESHED_AT_ANNOTATION = "acr-refresher/refreshed-at"
RUN_ANNOTATION = "acr-refresher/run"
ENTRIES_ANNOTATION = "acr-refresher/entries"
CONTENT_ANNOTATION = "acr-refresher/content"
SECRET_TYPE = "kubernetes.io/dockerconfigjson"  # noqa: S105  # a type, not a password

UNTRUSTED = "doubted"
"""Instead of the inputs of an entry that was carried over from a secret that somebody changed."""


@functools.lru_cache  # asked once a namespace
def inputs_digest(registry: Registry) -> str:
    """Digest of what a token is made from. A longer validity alone is no reason to mint anew."""
    made_from = (
        registry.instance_id,
        registry.region_id,
        registry.domains,
        registry.endpoints,
        [astuple(role) for role in registry.role_chain],
        astuple(registry.rrsa) if registry.rrsa else None,
    )
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]


def build_secret(credentials: Iterable[Credential], now: datetime, run: str) -> SecretContent:
    """The Secret that holds these credentials, of which there is at least one."""
    held = sorted(credentials, key=lambda credential: credential.entry.registry)
    entries = tuple(credential.entry for credential in held)
    document = build_dockerconfig(held)
    recorded = json.dumps([_entry_to_json(entry) for entry in entries], separators=(",", ":"))
    annotations = {
        EXPIRES_AT_ANNOTATION: rfc3339(earliest_entry_expiry(entries)),
        REFRESHED_AT_ANNOTATION: rfc3339(now),
        RUN_ANNOTATION: run,
        ENTRIES_ANNOTATION: recorded,
        CONTENT_ANNOTATION: _checksum(recorded, document),
    }
    return SecretContent(annotations, document, entries)


def read_entries(annotations: Mapping[str, str]) -> tuple[Entry, ...]:
    """The entries recorded; none where the record is missing or cannot be read."""
    try:
        return tuple(_entry_from_json(item) for item in json.loads(annotations[ENTRIES_ANNOTATION]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def read_refreshed_at(annotations: Mapping[str, str]) -> datetime | None:
    """When it was last written, where that can be read."""
    try:
        return _parse_time(annotations[REFRESHED_AT_ANNOTATION])
    except (ValueError, KeyError):
        return None


def decision_key(secret: SecretState) -> Hashable:
    """All in a secret that decides what is to be done with it: alike in most namespaces."""
    recorded = (
        secret.annotations.get(ENTRIES_ANNOTATION),
        secret.annotations.get(CONTENT_ANNOTATION),
    )
    return (secret.type, secret.immutable, recorded, secret.dockerconfigjson)


def checksum_ok(secret: SecretState) -> bool:
    """Whether the document and its record are still those that were written."""
    recorded = secret.annotations.get(ENTRIES_ANNOTATION, "")
    return secret.annotations.get(CONTENT_ANNOTATION) == _checksum(
        recorded, secret.dockerconfigjson
    )


def is_same_write(secret: SecretState, written: SecretContent) -> bool:
    """Whether this is what was written, and by the same run."""
    return all(
        secret.annotations.get(name) == written.annotations[name]
        for name in (CONTENT_ANNOTATION, RUN_ANNOTATION)
    )


def read_credentials(secret: SecretState) -> tuple[Credential, ...]:
    """The credentials in a secret, as far as its record and its document agree on their hosts."""
    logins = parse_dockerconfig(secret.dockerconfigjson)
    return tuple(
        Credential(entry, *logins[entry.hosts[0]])
        for entry in read_entries(secret.annotations)
        if entry.hosts and all(host in logins for host in entry.hosts)
    )


def earliest_entry_expiry(entries: Iterable[Entry]) -> datetime:
    """When the first of at least one entry expires."""
    return min(entry.expires_at for entry in entries)


@functools.lru_cache(256)  # the same few moments stand in a report and a log a thousand times
@functools.lru_cache(256)  # thousands of secrets end at the same moment
def rfc3339(moment: datetime) -> str:
    """`2026-01-31T23:59:59Z`."""
    in_utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{in_utc.isoformat(timespec='seconds')}Z"  # strftime writes the year 1 as one digit


def _checksum(recorded: str, document: SecretStr) -> str:
    """Tells whether they are those that were written, without telling what is in the document."""
    written = f"{recorded}\n{document.get_secret_value()}"
    return hashlib.sha256(written.encode()).hexdigest()


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    return {
        "registry": entry.registry,
        "hosts": entry.hosts,
        "expiresAt": rfc3339(entry.expires_at),
        "inputs": entry.inputs,
    }


def _entry_from_json(item: dict[str, Any]) -> Entry:
    """Whoever may edit the Secret may have written anything: what moves a cursor is no host."""
    entry = Entry(
        registry=item["registry"],
        hosts=tuple(item["hosts"]),
        expires_at=_parse_time(item["expiresAt"]),
        inputs=item["inputs"],
    )
    if not all(text.isprintable() for text in (entry.registry, entry.inputs, *entry.hosts)):
        raise ValueError("what cannot be printed was not written here")
    return entry


def _parse_time(text: str) -> datetime:
    """Python 3.10 does not read the Z; anything that is not UTC does not parse and is drift."""
    return datetime.fromisoformat(text.removesuffix("Z") + "+00:00")


class Login(NamedTuple):
    """What a host's entry logs in with."""

    username: str
    password: SecretStr


def build_dockerconfig(credentials: Iterable[Credential]) -> SecretStr:
    """The document for these credentials: the same for the same ones, whatever their order."""
    auths = {
        host: {"auth": _auth(credential)}
        for credential in credentials
        for host in credential.entry.hosts
    }
    return SecretStr(json.dumps({"auths": auths}, sort_keys=True, separators=(",", ":")))


def parse_dockerconfig(document: SecretStr) -> Mapping[str, Login]:
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
