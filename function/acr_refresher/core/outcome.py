"""What came of a namespace's secret, and of a cluster, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
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
    REMOVAL_GUARD = "removal-guard"
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
    DEGRADED = "degraded"
    CONFLICT = "conflict"
    FAILED = "failed"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, by meaning, in words that are safe to log.

    `subject` is what it concerns (a registry, a service account), `code` the service's own error
    code and `request_id` what its operators can look up.
    """

    meaning: str
    message: str
    subject: str = ""
    service: str = ""
    code: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretOutcome:
    """What came of one pull secret, `secret` by name, in one namespace.

    `service_accounts` refer to it now, `bound` began to in this run, `waiting_for` do not exist.
    `warnings` tell what someone should look at though the secret is as it should be.
    """

    namespace: str
    secret: str
    result: Result
    reason: Reason
    service_accounts: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    waiting_for: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    expires_at: datetime | None = None
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why a cluster is left to the next run.

    `fresh`: nothing was due there, by what the last visit saw, which `earliest_expiry` is from.
    """

    why: str
    fresh: bool = False
    earliest_expiry: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOutcome:
    """What came of one cluster. `failure` is what kept it from being served at all.

    `skipped` says why there was nothing to serve: it is not running. `deferred`: the run had no
    time for it. `last_seen_expiry`: where it failed, that of its first secret by the visit before.
    """

    cluster: str
    secrets: tuple[SecretOutcome, ...] = ()
    failure: Failure | None = None
    skipped: str = ""
    deferred: Deferral | None = None
    last_seen_expiry: datetime | None = None
    warnings: tuple[str, ...] = ()
    requests: int = 0
    duration: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class HandedOn:
    """So many clusters that another invocation serves, under this task ID and the same run.

    `started` False: it was started before, by another attempt or delivery of this invocation; or,
    with a `failure`, it was not.
    """

    task_id: str
    clusters: int
    started: bool = False
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    """So many records of outcomes that did not get into their log, and why."""

    records: int
    failure: Failure
