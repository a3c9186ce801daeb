"""Extreme dates in our annotations, written from outside: no arithmetic on them may overflow."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from acr_refresher.cli.status_page import status_page
from acr_refresher.core.fleet import LastSeen, is_due, most_urgent_first
from acr_refresher.core.model import Cluster, KubeconfigAccess, SecretState
from acr_refresher.core.outcome import ClusterOutcome, Reconcile, Remove, planned_outcome
from acr_refresher.core.outcome_records import FinishedRun, outcome_records
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason
from acr_refresher.core.report import Report, report_from_json, report_to_json
from acr_refresher.core.secret import (
    CONTENT_ANNOTATION,
    ENTRIES_ANNOTATION,
    REFRESHED_AT_ANNOTATION,
    _checksum,
)
from acr_refresher.core.secret_status import FleetStatus, State, by_urgency, secret_statuses
from factories import MAIN, NOW, namespace, request, secret, state, wanted

DATES = pytest.mark.parametrize(
    "date",
    [
        "9999-12-31T23:59:59Z",
        "2026-02-02T12:00:00Z",
        "2200-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "2026-01-31",
    ],
)
CLUSTER = Cluster("prod", KubeconfigAccess("x"), (wanted(MAIN),))


def dated(date: str, name: str = "default") -> SecretState:
    """Our secret with this date in place of each, and a checksum to match."""
    ours = secret(namespace=name)
    entries = ours.annotations[ENTRIES_ANNOTATION].replace("2026-01-31T13:00:00Z", date)
    annotations = {
        **ours.annotations,
        ENTRIES_ANNOTATION: entries,
        REFRESHED_AT_ANNOTATION: date,
        CONTENT_ANNOTATION: _checksum(entries, ours.dockerconfigjson),
    }
    return replace(ours, annotations=annotations)


@DATES
def test_such_a_secret_is_renewed(date: str) -> None:
    [[action]] = plan(CLUSTER.pull_secrets, state(dated(date)), request(), NOW)
    assert isinstance(action, Reconcile)
    assert action.apply
    assert action.apply.reason is Reason.DATA_DRIFTED
    assert (action.apply.mint, action.apply.kept, action.apply.fallback) == ((MAIN,), (), ())
    assert action.entries == ()


@DATES
def test_such_a_secret_is_removed_where_it_is_not_wanted(date: str) -> None:
    found = state(dated(date, "old"), namespaces=["old"])
    [[action]] = plan(CLUSTER.pull_secrets, found, request(), NOW)
    assert isinstance(action, Remove)


@DATES
def test_its_status_is_drifted_and_the_page_can_be_drawn(date: str) -> None:
    found = state(dated(date), secret(namespace="shop"), namespaces=["default", "shop"])
    cluster = replace(CLUSTER, pull_secrets=(wanted(MAIN, namespaces=("*",)),))
    statuses = by_urgency(secret_statuses(cluster, found, NOW))
    assert [status.state for status in statuses] == [State.DRIFTED, State.FRESH]
    assert (statuses[0].expires_at, statuses[0].refreshed_at) == (None, None)
    assert "drifted" in status_page(FleetStatus(NOW, statuses))


@DATES
def test_its_outcome_is_reported_and_recorded_without_an_expiry(date: str) -> None:
    ending = state(dated(date), namespaces=[namespace("default", terminating=True)])
    for found in (state(dated(date)), ending):
        [[action]] = plan(CLUSTER.pull_secrets, found, request(), NOW)
        outcome = ClusterOutcome(cluster="prod", secrets=(planned_outcome(action),))
        report = Report("run-7", request(), NOW, (outcome,))
        document = report_to_json(report)
        assert document["clusters"][0]["secrets"][0]["expiresAt"] is None
        assert report_from_json(json.dumps(document).encode()) == report
        records = list(outcome_records(FinishedRun(report, NOW, (CLUSTER,))))
        assert not any("seconds_left" in record for record in records)


@pytest.mark.parametrize("days", [-9500, 63000])
def test_the_order_of_a_run_works_with_the_first_and_the_last_possible_expiry(days: int) -> None:
    seen = LastSeen(NOW, NOW + timedelta(days=days))
    assert is_due(CLUSTER, seen, NOW) is (days < 0)
    assert most_urgent_first([CLUSTER], {"prod": seen}, NOW) == (CLUSTER,)
