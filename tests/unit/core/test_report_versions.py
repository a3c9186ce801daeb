"""Reports of functions that are older or newer than the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from acr_refresher.core.outcome import ClusterOutcome, Deferral, Failure, SecretOutcome
from acr_refresher.core.reasons import Reason, Result
from acr_refresher.core.report import (
    Report,
    ShardStart,
    UnsentOutcomes,
    report_from_json,
    report_to_json,
)
from acr_refresher.core.request import Request
from factories import HOUR, NOW

DENIED = Failure("denied", "the role may not", "registry partner", "sts", "NoPermission", "REQ-1")
REPORT = Report(
    "run-1",
    Request("manual", force=True, reason="leak"),
    NOW,
    (
        ClusterOutcome(
            cluster="prod",
            secrets=(
                SecretOutcome(
                    namespace="shop",
                    secret="acr-pull",
                    result=Result.INCOMPLETE,
                    reason=Reason.FORCED,
                    service_accounts=("default",),
                    bound=("default",),
                    hosts=("main.example.com",),
                    expires_at=NOW + HOUR,
                    failures=(DENIED,),
                ),
                SecretOutcome(
                    namespace="old",
                    secret="acr-pull",
                    result=Result.FAILED,
                    reason=Reason.REMOVAL_BLOCKED,
                ),
            ),
            requests=5,
            duration=timedelta(milliseconds=1234),
        ),
        ClusterOutcome(cluster="late", deferred=Deferral("the run had no time left", True, NOW)),
    ),
    delegated=(ShardStart("manual-2of2", 3, started=True),),
    throttled={"sts": 1},
)

BY_0_1_0: dict[str, Any] = {
    "run": "run-1",
    "trigger": "manual",
    "reason": "leak",
    "force": True,
    "dryRun": False,
    "startedAt": "2026-01-31T12:00:00Z",
    "clockSkewSeconds": None,
    "ok": False,
    "failing": ["prod"],
    "results": {"degraded": 1, "failed": 1},
    "outcomesUnsent": 0,
    "outcomesFailure": None,
    "deferred": ["late"],
    "handedOn": [{"taskId": "manual-2of2", "clusters": 3, "started": True, "failure": None}],
    "throttled": {"sts": 1},
    "clusters": [
        {
            "cluster": "prod",
            "ok": False,
            "failure": None,
            "skipped": "",
            "deferred": None,
            "warnings": [],
            "requests": 5,
            "durationMs": 1234,
            "secrets": [
                {
                    "namespace": "shop",
                    "secret": "acr-pull",
                    "result": "degraded",
                    "reason": "forced",
                    "remedy": "",
                    "registryHosts": ["main.example.com"],
                    "serviceAccounts": ["default"],
                    "bound": ["default"],
                    "waitingFor": [],
                    "expiresAt": "2026-01-31T13:00:00Z",
                    "failures": [
                        {
                            "meaning": "denied",
                            "message": "the role may not",
                            "subject": "registry partner",
                            "service": "sts",
                            "code": "NoPermission",
                            "requestId": "REQ-1",
                        }
                    ],
                    "warnings": [],
                },
                {
                    "namespace": "old",
                    "secret": "acr-pull",
                    "result": "failed",
                    "reason": "removal-guard",
                    "remedy": "more than 30 % of the cluster's pull secrets would be removed in one"
                    " run: check watchNamespace and namespaceSelector; if it is meant, invoke by"
                    " hand with force",
                    "registryHosts": [],
                    "serviceAccounts": [],
                    "bound": [],
                    "waitingFor": [],
                    "expiresAt": None,
                    "failures": [],
                    "warnings": [],
                },
            ],
        },
        {
            "cluster": "late",
            "ok": True,
            "failure": None,
            "skipped": "",
            "deferred": {
                "why": "the run had no time left",
                "fresh": True,
                "earliestExpiry": "2026-01-31T12:00:00Z",
            },
            "warnings": [],
            "requests": 0,
            "durationMs": 0,
            "secrets": [],
        },
    ],
}
"""REPORT as version 0.1.0 writes it."""
RENAMED = {"handedOn"}
ESSENTIAL = {
    "run", "startedAt", "clusters", "cluster", "namespace", "secret", "result", "reason",
    "meaning", "message", "why", "taskId",
}  # fmt: skip
"""Keys without which an object is not a report."""


def read(document: object) -> Report:
    return report_from_json(json.dumps(document).encode())


def keys_of(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else []:
        yield from keys_of(item)
    for key, item in value.items() if isinstance(value, dict) else ():
        yield key
        yield from () if key in {"throttled", "results"} else keys_of(item)


def without(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [without(name, item) for item in value]
    if isinstance(value, dict):
        return {key: without(name, item) for key, item in value.items() if key != name}
    return value


def with_more(value: Any) -> Any:
    """The report of a newer function: an unknown key in every object."""
    if isinstance(value, list):
        return [with_more(item) for item in value]
    if isinstance(value, dict):
        return {**{key: with_more(item) for key, item in value.items()}, "more": {"x": [7]}}
    return value


def test_a_report_of_version_0_1_0_is_read() -> None:
    assert read(BY_0_1_0) == REPORT


def test_every_key_of_version_0_1_0_is_still_written() -> None:
    written = report_to_json(REPORT)
    assert set(keys_of(BY_0_1_0)) - set(keys_of(written)) == RENAMED
    assert written["clusters"][0]["durationMs"] == 1234
    assert written["clusters"][0]["secrets"][0]["registryHosts"] == ["main.example.com"]


def test_a_report_with_more_keys_is_read() -> None:
    more = {**with_more(without("throttled", report_to_json(REPORT))), "throttled": {"sts": 1}}
    assert read(more) == REPORT


@pytest.mark.parametrize(
    "key", sorted({*keys_of(BY_0_1_0), *keys_of(report_to_json(REPORT))} - ESSENTIAL)
)
def test_a_report_with_a_key_less_is_read(key: str) -> None:
    for document in (BY_0_1_0, report_to_json(REPORT)):
        report = read(without(key, document))
        assert [cluster.cluster for cluster in report.clusters] == ["prod", "late"]


def test_words_of_a_newer_function_are_kept() -> None:
    text = json.dumps(report_to_json(REPORT))
    text = text.replace('"incomplete"', '"postponed"').replace('"forced"', '"quota-exceeded"')
    secret = report_from_json(text.encode()).clusters[0].secrets[0]
    assert (secret.result.value, secret.reason.value) == ("postponed", "quota-exceeded")
    assert secret.reason.words == "quota-exceeded"
    assert report_to_json(read(json.loads(text)))["results"] == {"postponed": 1, "failed": 1}


def test_a_permission_to_remove_is_reported() -> None:
    report = Report("run-1", Request("manual", allow_removal=True), NOW, ())
    assert report_to_json(report)["allowRemoval"] is True
    assert read(report_to_json(report)) == report


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("startedAt", 7),
        ("startedAt", "2026-01-31T12:00:00"),
        ("startedAt", "soon"),
        ("clockSkewSeconds", 10**30),
        ("clusters", [7]),
        ("clusters", [{"cluster": "a", "durationMs": 10**400}]),
        ("clusters", [{"cluster": "a", "durationMs": None}]),
        ("clusters", None),
    ],
)
def test_anything_but_a_report_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match="_Document"):
        read({**BY_0_1_0, key: value})


def test_a_dry_run_a_wrong_clock_and_unsent_outcomes_are_in_the_report() -> None:
    report = replace(
        REPORT,
        request=Request("manual", dry_run=True),
        clock_skew=timedelta(seconds=90),
        unsent=UnsentOutcomes(3, DENIED),
    )
    document = report_to_json(report)
    assert (document["dryRun"], document["clockSkewSeconds"]) == (True, 90)
    assert document["outcomesUnsent"] == 3
    assert document["outcomesFailure"]["requestId"] == "REQ-1"
    read = report_from_json(json.dumps(document).encode())
    assert read.request == report.request
    assert (read.clock_skew, read.unsent) == (report.clock_skew, report.unsent)
