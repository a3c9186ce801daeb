"""The secret as the record: what the next run must know stands in the Secret's annotations.

- `acr-refresher/expires-at`: the earliest expiry among its entries, RFC 3339 UTC; for people.
- `acr-refresher/refreshed-at`: when it was last written; for people.
- `acr-refresher/run`: the run that wrote it, as in the logs; for people.
- `acr-refresher/entries`: one object a registry: its hosts, expiry and digest of inputs.
- `acr-refresher/content`: SHA-256 of these entries and the document, as they were written.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import astuple
from datetime import datetime, timezone
from typing import Any

from pydantic import SecretStr

from acr_refresher.core import dockerconfig
from acr_refresher.core.model import Credential, Entry, Registry, SecretContent, SecretState

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "acr-refresher"
EXPIRES_AT = "acr-refresher/expires-at"
REFRESHED_AT = "acr-refresher/refreshed-at"
RUN = "acr-refresher/run"
ENTRIES = "acr-refresher/entries"
CONTENT = "acr-refresher/content"
SECRET_TYPE = "kubernetes.io/dockerconfigjson"  # noqa: S105  # a type, not a password

DOUBTED = "doubted"
"""Instead of the inputs of an entry that was carried over from a secret that somebody changed."""


@functools.lru_cache  # asked once a namespace
def inputs(registry: Registry) -> str:
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


def write(credentials: Iterable[Credential], now: datetime, run: str) -> SecretContent:
    """The Secret that holds these credentials, of which there is at least one."""
    held = sorted(credentials, key=lambda credential: credential.entry.registry)
    entries = tuple(credential.entry for credential in held)
    document = dockerconfig.build(held)
    recorded = json.dumps([_entry_to_json(entry) for entry in entries], separators=(",", ":"))
    annotations = {
        EXPIRES_AT: rfc3339(earliest(entries)),
        REFRESHED_AT: rfc3339(now),
        RUN: run,
        ENTRIES: recorded,
        CONTENT: _digest(recorded, document),
    }
    return SecretContent(annotations, document, entries)


def read(annotations: Mapping[str, str]) -> tuple[Entry, ...]:
    """The entries recorded; none where the record is missing or cannot be read."""
    try:
        return tuple(_entry_from_json(item) for item in json.loads(annotations[ENTRIES]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def refreshed_at(annotations: Mapping[str, str]) -> datetime | None:
    """When it was last written, where that can be read."""
    try:
        return _time(annotations[REFRESHED_AT])
    except (ValueError, KeyError):
        return None


def content(secret: SecretState) -> Hashable:
    """All in a secret that decides what is to be done with it: alike in most namespaces."""
    recorded = (secret.annotations.get(ENTRIES), secret.annotations.get(CONTENT))
    return (secret.type, secret.immutable, recorded, secret.dockerconfigjson)


def intact(secret: SecretState) -> bool:
    """Whether the document and its record are still those that were written."""
    recorded = secret.annotations.get(ENTRIES, "")
    return secret.annotations.get(CONTENT) == _digest(recorded, secret.dockerconfigjson)


def holds(secret: SecretState, written: SecretContent) -> bool:
    """Whether this is what was written, and by the same run."""
    return all(secret.annotations.get(name) == written.annotations[name] for name in (CONTENT, RUN))


def credentials(secret: SecretState) -> tuple[Credential, ...]:
    """The credentials in a secret, as far as its record and its document agree on their hosts."""
    logins = dockerconfig.parse(secret.dockerconfigjson)
    return tuple(
        Credential(entry, *logins[entry.hosts[0]])
        for entry in read(secret.annotations)
        if entry.hosts and all(host in logins for host in entry.hosts)
    )


def earliest(entries: Iterable[Entry]) -> datetime:
    """When the first of at least one entry expires."""
    return min(entry.expires_at for entry in entries)


@functools.lru_cache(256)  # the same few moments stand in a report and a log a thousand times
@functools.lru_cache(256)  # thousands of secrets end at the same moment
def rfc3339(moment: datetime) -> str:
    """`2026-01-31T23:59:59Z`."""
    in_utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{in_utc.isoformat(timespec='seconds')}Z"  # strftime writes the year 1 as one digit


def _digest(recorded: str, document: SecretStr) -> str:
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
        expires_at=_time(item["expiresAt"]),
        inputs=item["inputs"],
    )
    if not all(text.isprintable() for text in (entry.registry, entry.inputs, *entry.hosts)):
        raise ValueError("what cannot be printed was not written here")
    return entry


def _time(text: str) -> datetime:
    """Python 3.10 does not read the Z; anything that is not UTC does not parse and is drift."""
    return datetime.fromisoformat(text.removesuffix("Z") + "+00:00")
