"""The results, and the only table of reasons, with their words and remedies."""

from __future__ import annotations

from enum import Enum
from typing import Any

_FORMER_NAMES = {"degraded": "incomplete", "removal-guard": "removal-blocked"}
"""What version 0.1.0 calls some members."""


class _OpenEnum(str, Enum):
    """An enumeration that keeps unknown values, so that reports of other versions can be read."""

    _value_: str
    words: str
    remedy: str

    def __new__(cls, value: str, words: str = "", remedy: str = "") -> Any:
        """A member, with what is said about it and what to do about it."""
        return cls._member(value, words, remedy)

    @classmethod
    def _member(cls, value: str, words: str, remedy: str) -> Any:
        member = str.__new__(cls, value)
        member._value_ = value
        member.words, member.remedy = words, remedy
        return member

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, str) or not value.isprintable():
            return None
        if value in _FORMER_NAMES:
            return cls(_FORMER_NAMES[value])
        unknown = cls._member(value, value, "")
        unknown._name_ = value
        return unknown


class Reason(_OpenEnum):
    """Why a secret is written (the most important reason first), left alone or removed."""

    SECRET_MISSING = "secret-missing", "the secret does not exist yet"
    WRONG_TYPE = "wrong-type", "the Secret has another type, so it is replaced"
    DATA_DRIFTED = "data-drifted", "the secret was changed from outside"
    REGISTRY_MISSING = "registry-missing", "the secret lacks a registry"
    INPUTS_CHANGED = "inputs-changed", "a registry's configuration has changed"
    FORCED = "forced", "forced"
    EXPIRED = "expired", "a token was expired, so pulls from its registry failed"
    NEAR_EXPIRY = "near-expiry", "a token expires soon"
    REGISTRY_REMOVED = "registry-removed", "the secret covers a registry that is no longer wanted"
    METADATA_CHANGED = (
        "metadata-changed",
        "the secret's labels or annotations are not those of the configuration",
    )
    BINDING_REVERTED = (
        "binding-reverted",
        "the secret was removed from a service account that had it",
    )
    FRESH = "fresh", "the secret is fresh"
    NAMESPACE_TERMINATING = "namespace-terminating", "the namespace is being deleted"
    NAMESPACE_GONE = "namespace-gone", "the namespace no longer exists"
    NOT_GRANTABLE = (
        "not-grantable",
        "the namespace requests a registry by annotation that it may not have",
        "add the registry to the cluster's grantable list, or remove the annotation",
    )
    NAMESPACE_DESELECTED = "namespace-deselected", "the namespace is no longer selected"
    FOREIGN_SECRET = (
        "foreign-secret",
        "acr-refresher did not create the Secret of this name, so it is left alone",
        "delete it, exclude the namespace, or choose another secretName",
    )
    LABEL_CHANGED = (
        "label-changed",
        "the label app.kubernetes.io/managed-by of our Secret was changed, so it is left alone",
        "exempt the Secret from the policy that changes the label, and delete the Secret once",
    )
    REMOVAL_BLOCKED = (
        "removal-blocked",
        "more than 30 % of the cluster's secrets would be removed in one run",
        "check watchNamespace and namespaceSelector, or confirm with --allow-removal",
    )
    NAMESPACE_UNREADABLE = (
        "namespace-unreadable",
        "the namespace's Secrets or service accounts could not be read, so nothing was changed",
        "see the failure: an object in it is too large, or cannot be decrypted",
    )
    CHANGED_MEANWHILE = (
        "changed-meanwhile",
        "the Secret was changed or replaced during the run, so it was not overwritten",
        "nothing: the next run uses what it finds then",
    )


class Result(_OpenEnum):
    """What a run did with a namespace's secret, or with a cluster."""

    CREATED = "created"
    RENEWED = "renewed"
    BOUND = "bound"
    UNCHANGED = "unchanged"
    WAITING = "waiting"
    REMOVED = "removed"
    SKIPPED = "skipped"
    KEPT = "kept"
    INCOMPLETE = "incomplete"
    CONFLICT = "conflict"
    CONTENDED = "contended"
    FAILED = "failed"
    PLANNED = "planned"


FAILING = frozenset(
    {Result.FAILED, Result.KEPT, Result.INCOMPLETE, Result.CONFLICT, Result.CONTENDED}
)
"""Results that need attention. They fail the invocation of a timer."""
