"""Writes and reads the content of a pull secret: its annotations, and its document of logins.

The annotations hold all that the next run must know:

- `acr-refresher/expires-at`: the earliest expiry among its entries, RFC 3339 UTC; for people.
- `acr-refresher/refreshed-at`: when it was last written; for people.
- `acr-refresher/run`: the run that wrote it, as in the logs; for people.
- `acr-refresher/entries`: one object per registry, with its hosts, expiry and digest of inputs.
- `acr-refresher/content`: SHA-256 of these entries and the document, as they were written.
- `acr-refresher/metadata`: a digest of the labels and annotations of the configuration, if any.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from datetime import datetime, timezone
from typing import Any

from pydantic import SecretStr

from acr_refresher.core.model import (
    NO_METADATA,
    Credential,
    Entry,
    Registry,
    SecretContent,
    SecretMetadata,
    SecretState,
)
from acr_refresher.settings import SETTINGS

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "acr-refresher"
EXPIRES_AT_ANNOTATION = "acr-refresher/expires-at"
REFRESHED_AT_ANNOTATION = "acr-refresher/refreshed-at"
RUN_ANNOTATION = "acr-refresher/run"
ENTRIES_ANNOTATION = "acr-refresher/entries"
CONTENT_ANNOTATION = "acr-refresher/content"
METADATA_ANNOTATION = "acr-refresher/metadata"
OUR_PREFIX = "acr-refresher/"
"""The prefix of every annotation that acr-refresher needs."""
SECRET_TYPE = "kubernetes.io/dockerconfigjson"  # noqa: S105  # a type, not a password

UNTRUSTED = "doubted"
"""Replaces the inputs of an entry that was carried over from a secret changed from outside.

The word stands in annotations, so it must not change.
"""

FIRST_TIME = datetime(2000, 1, 1, tzinfo=timezone.utc)
LAST_TIME = datetime(2200, 1, 1, tzinfo=timezone.utc)
"""Times outside of these limits are not ours. Within them, arithmetic cannot overflow."""


@functools.lru_cache  # needed once per namespace
def inputs_digest(registry: Registry) -> str:
    """A digest of what a token is made from. The token's validity does not count."""
    made_from = (
        registry.instance_id,
        registry.region_id,
        registry.domains,
        registry.endpoints,
        [astuple(role) for role in registry.role_chain],
        astuple(registry.rrsa) if registry.rrsa else None,
        # Last and only if given: the digest of a registry without repositories must not change.
        *([sorted(registry.repositories)] if registry.repositories else []),
    )
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]


@functools.lru_cache
def metadata_digest(metadata: SecretMetadata) -> str:
    """A digest of the configured labels and annotations; empty if there are none."""
    if metadata == NO_METADATA:
        return ""
    configured = sorted(metadata.labels), sorted(metadata.annotations)
    return hashlib.sha256(json.dumps(configured).encode()).hexdigest()[:16]


def has_metadata(secret: SecretState, metadata: SecretMetadata) -> bool:
    """Whether the secret has the configured labels and annotations, and none of former ones."""
    recorded = secret.annotations.get(METADATA_ANNOTATION, "")
    return (
        recorded == metadata_digest(metadata)
        and all(secret.labels.get(key) == value for key, value in metadata.labels)
        and all(secret.annotations.get(key) == value for key, value in metadata.annotations)
    )


def build_secret(
    credentials: Iterable[Credential],
    now: datetime,
    run: str,
    metadata: SecretMetadata = NO_METADATA,
) -> SecretContent:
    """The Secret that holds these credentials. There must be at least one.

    No recorded expiry is later than a token can live, so that the next run believes the record.
    """
    held = sorted(credentials, key=lambda credential: credential.entry.registry)
    latest = now + SETTINGS.token_lifetime_max
    entries = tuple(
        replace(each.entry, expires_at=min(each.entry.expires_at, latest)) for each in held
    )
    document = build_dockerconfig(held)
    items = [
        {
            "registry": entry.registry,
            "hosts": entry.hosts,
            "expiresAt": rfc3339(entry.expires_at),
            "inputs": entry.inputs,
        }
        for entry in entries
    ]
    recorded = json.dumps(items, separators=(",", ":"))
    annotations = {
        **dict(metadata.annotations),
        EXPIRES_AT_ANNOTATION: rfc3339(min(entry.expires_at for entry in entries)),
        REFRESHED_AT_ANNOTATION: rfc3339(now),
        RUN_ANNOTATION: run,
        ENTRIES_ANNOTATION: recorded,
        CONTENT_ANNOTATION: _checksum(recorded, document),
    }
    if digest := metadata_digest(metadata):
        annotations[METADATA_ANNOTATION] = digest
    return SecretContent(annotations, document, entries, dict(metadata.labels))


def read_entries(annotations: Mapping[str, str], now: datetime) -> tuple[Entry, ...]:
    """The recorded entries, or none if the record is missing or cannot have been written by us.

    Anyone with access to the Secret may have written it.
    """
    recorded = annotations.get(ENTRIES_ANNOTATION, "")
    if len(recorded) > SETTINGS.record_size:
        return ()
    try:
        entries = tuple(map(_entry_from_json, json.loads(recorded)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()
    return entries if _is_plausible(entries, now) else ()


def read_refreshed_at(annotations: Mapping[str, str], now: datetime) -> datetime | None:
    """When the secret was last written, if that can be read and is not in the future."""
    try:
        moment = parse_rfc3339(annotations[REFRESHED_AT_ANNOTATION])
    except (ValueError, KeyError):
        return None
    return moment if moment <= now + SETTINGS.record_slack else None


def decision_key(secret: SecretState) -> Hashable:
    """Everything in a secret that a decision depends on. Most namespaces have the same."""
    recorded = map(secret.annotations.get, (ENTRIES_ANNOTATION, CONTENT_ANNOTATION))
    return (secret.type, secret.immutable, *recorded, secret.dockerconfigjson)


def is_intact(secret: SecretState, now: datetime) -> bool:
    """Whether the document and its record can still be as they were written.

    The checksum shows accidental changes. It has no key, so an editor of the record
    can change the checksum too. Therefore the document must also be exactly what we would write for
    the record, and the record must be plausible.
    """
    recorded = secret.annotations.get(ENTRIES_ANNOTATION, "")
    written = secret.annotations.get(CONTENT_ANNOTATION)
    if written != _checksum(recorded, secret.dockerconfigjson):
        return False
    held = read_credentials(secret, now)
    return bool(held) and build_dockerconfig(held) == secret.dockerconfigjson


def is_same_write(secret: SecretState, written: SecretContent) -> bool:
    """Whether the secret holds this content, written by the same run."""
    names = (CONTENT_ANNOTATION, RUN_ANNOTATION)
    return all(secret.annotations.get(name) == written.annotations[name] for name in names)


def read_credentials(secret: SecretState, now: datetime) -> tuple[Credential, ...]:
    """The credentials whose hosts have one login in the document, the same for all of them."""
    logins = parse_dockerconfig(secret.dockerconfigjson)
    found = (
        (entry, set(map(logins.get, entry.hosts)))
        for entry in read_entries(secret.annotations, now)
    )
    return tuple(
        Credential(entry, *login)
        for entry, (login, *others) in found
        if login is not None and not others
    )


@functools.lru_cache(256)  # thousands of secrets expire at the same time
def rfc3339(moment: datetime) -> str:
    """The time in UTC, in seconds: `2026-01-31T23:59:59Z`."""
    in_utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{in_utc.isoformat(timespec='seconds')}Z"  # strftime writes the year 1 as one digit


def parse_rfc3339(text: str) -> datetime:
    """The time of such a text. Raises ValueError if it is not UTC, or not within our limits."""
    moment = datetime.fromisoformat(text.removesuffix("Z") + "+00:00")  # Python 3.10 knows no Z
    if moment.tzinfo is None or not FIRST_TIME <= moment < LAST_TIME:  # Python took + for a T
        raise ValueError(f"{text} is not between {FIRST_TIME:%Y} and {LAST_TIME:%Y}")
    return moment


def _checksum(recorded: str, document: SecretStr) -> str:
    """A digest of the recorded entries and the document, which does not reveal the passwords."""
    written = f"{recorded}\n{document.get_secret_value()}"
    return hashlib.sha256(written.encode(errors="replace")).hexdigest()


def _entry_from_json(item: dict[str, Any]) -> Entry:
    """An entry.

    Raises ValueError, KeyError, TypeError or AttributeError if it is not as we write it.
    """
    if not isinstance(item["hosts"], list):
        raise TypeError("the hosts are not a list")
    return Entry(
        registry=_short_text(item["registry"]),
        hosts=tuple(map(_short_text, item["hosts"])),
        expires_at=parse_rfc3339(item["expiresAt"]),
        inputs=_short_text(item["inputs"]),
    )


def _short_text(text: str) -> str:
    if not text.isprintable() or len(text) > SETTINGS.entry_text:
        raise ValueError("a text is too long or cannot be printed")
    return text


def _is_plausible(entries: Sequence[Entry], now: datetime) -> bool:
    """Whether every registry and host is there once, and every expiry is one that a token has."""
    latest = now + SETTINGS.token_lifetime_max + SETTINGS.record_slack
    hosts = [host for entry in entries for host in entry.hosts]
    return (
        len(entries) <= SETTINGS.record_entries
        and all(entry.hosts and entry.expires_at <= latest for entry in entries)
        and len({entry.registry for entry in entries}) == len(entries)
        and len(set(hosts)) == len(hosts)
    )


def build_dockerconfig(credentials: Iterable[Credential]) -> SecretStr:
    """The document for these credentials. Their order makes no difference."""
    auths = {}
    for credential in credentials:
        pair = f"{credential.username}:{credential.password.get_secret_value()}"
        login = {"auth": base64.b64encode(pair.encode()).decode()}
        auths.update(dict.fromkeys(credential.entry.hosts, login))
    return SecretStr(json.dumps({"auths": auths}, sort_keys=True, separators=(",", ":")))


def parse_dockerconfig(document: SecretStr) -> Mapping[str, tuple[str, SecretStr]]:
    """User name and password by host. An unreadable entry or document is left out."""
    try:
        auths = json.loads(document.get_secret_value())["auths"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {host: login for host, auth in auths if (login := _login(auth)) is not None}


def _login(auth: object) -> tuple[str, SecretStr] | None:
    try:
        pair = base64.b64decode(auth["auth"], validate=True).decode()  # type: ignore[index]  # a wrong type is caught
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
    username, colon, password = pair.partition(":")
    return (username, SecretStr(password)) if colon else None
