"""Why a secret is written, left alone or removed; what came of it; and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Reason(str, Enum):
    """Why a secret is written (most telling first), left alone or removed."""

    SECRET_MISSING = "secret-missing"  # noqa: S105  # a reason, not a password
    WRONG_TYPE = "wrong-type"
    DATA_DRIFTED = "data-drifted"
    REGISTRY_MISSING = "registry-missing"
    INPUTS_CHANGED = "inputs-changed"
    FORCED = "forced"
    EXPIRED = "expired"
    NEAR_EXPIRY = "near-expiry"
    REGISTRY_REMOVED = "registry-removed"
    FRESH = "fresh"
    NAMESPACE_TERMINATING = "namespace-terminating"
    NAMESPACE_GONE = "namespace-gone"
    NOT_GRANTABLE = "not-grantable"
    NAMESPACE_DESELECTED = "namespace-deselected"
    FOREIGN_SECRET = "foreign-secret"  # noqa: S105  # a reason, not a password
    REMOVAL_BLOCKED = "removal-blocked"
    CHANGED_MEANWHILE = "changed-meanwhile"


class Result(str, Enum):
    """How a namespace's secret, or a whole cluster, came out of a run."""

    CREATED = "created"
    RENEWED = "renewed"
    BOUND = "bound"
    UNCHANGED = "unchanged"
    WAITING = "waiting"
    REMOVED = "removed"
    SKIPPED = "skipped"
    INCOMPLETE = "incomplete"
    CONFLICT = "conflict"
    FAILED = "failed"
    PLANNED = "planned"


FAILING = frozenset({Result.FAILED, Result.INCOMPLETE, Result.CONFLICT})
"""Results that need somebody's attention, and fail the invocation of a timer."""


REMEDIES: Mapping[Reason, str] = {
    Reason.FOREIGN_SECRET: (
        "a Secret of this name exists that acr-refresher did not write, so it is left alone:"
        " delete it, exclude the namespace, or choose another secretName"
    ),
    Reason.REMOVAL_BLOCKED: (
        "more than 30 % of the cluster's pull secrets would be removed in one run: check"
        " watchNamespace and namespaceSelector; if it is meant, invoke by hand with force"
    ),
    Reason.NOT_GRANTABLE: (
        "the namespace asks for registries by annotation that it may not have: add them to the"
        " cluster's grantable, or take the annotation away"
    ),
    Reason.CHANGED_MEANWHILE: (
        "somebody changed or replaced the Secret between reading and writing, so nothing was"
        " overwritten: the next run goes by what is there now"
    ),
}
