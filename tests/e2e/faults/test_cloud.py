"""The cloud fails: affected clusters report why, all other clusters are served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from demo.stage import Stage
from localcloud import faults
from sites import (
    CLUSTERS,
    MAIN_HOSTS,
    PARTNER_HOSTS,
    REGISTRIES,
    BrokenSite,
    config_of,
    later,
    only,
    passwords,
    references,
)

PARTNER_ROLE = "acs:ram::2000000000000002:role/acr-refresher-registry"
DENIED = faults.ApiError(403, "NoPermission", "You are not authorized to do this action.")
NO_ROLE = faults.ApiError(404, "EntityNotExist.Role", "The role not exists: x.")
LATE = faults.ApiError(400, "InvalidTimeStamp.Expired", "Specified time stamp is expired.")


@contextmanager
def due(site: BrokenSite, **defaults: Any) -> Iterator[tuple[Stage, str, dict[str, str]]]:
    """Hangzhou has a due secret for both registries. Yields function, namespace and tokens."""
    shop = site.namespace("shop")
    with site.function(**defaults) as function:
        function.timer()
        before = passwords(site.hangzhou, shop)
        with later(50):
            yield function, shop, before


# ---- one of two registries cannot be minted ----------------------------------------------------

UNMINTED = {
    "sts: no permission": ("AssumeRole", DENIED, "denied", "trust"),
    "sts: no such role": ("AssumeRole", NO_ROLE, "invalid", PARTNER_ROLE),
    "sts: throttled for good": ("AssumeRole", faults.throttled(), "throttled", ""),
    "sts: wrong clock": ("AssumeRole", LATE, "invalid", "clock"),
    "sts: reset for good": ("AssumeRole", faults.ConnectionReset(), "unreachable", ""),
    "sts: not JSON": ("AssumeRole", faults.BadGateway(), "unreachable", ""),
    "cr: IsSuccess=false": (
        "GetAuthorizationToken",
        faults.Unsuccessful("INSTANCE_NOT_EXIST"),
        None,
        "cri-partnerbj00000001",
    ),
    "cr: no permission": (
        "GetAuthorizationToken",
        DENIED,
        "denied",
        "cr:GetAuthorizationToken",
    ),
    "cr: token already expired": (
        "GetAuthorizationToken",
        faults.ExpiredToken(),
        "invalid",
        "expired",
    ),
    "cr: endpoints refused": ("ListInstanceEndpoint", DENIED, "denied", "cr:ListInstanceEndpoint"),
}


def inject(function: Stage, action: str, fault: faults.Fault) -> None:
    """Inject a fault for the partner's registry only, by its host or by its role."""
    host = "cn-beijing" if action != "AssumeRole" else ""
    function.cloud.faults.inject(action, fault, times=None, host=host)


@pytest.mark.parametrize(
    ("action", "fault", "meaning", "words"), UNMINTED.values(), ids=UNMINTED.keys()
)
def test_the_other_registry_is_renewed_and_the_valid_token_of_the_broken_registry_stays(
    broken: BrokenSite, action: str, fault: faults.Fault, meaning: str | None, words: str
) -> None:
    kubeconfigs = [
        {"name": cluster["name"], "kubeconfig": f"kubeconfigs/{cluster['name']}.yaml"}
        for cluster in CLUSTERS
    ]
    shop = broken.namespace("shop")
    text = config_of({"watchNamespace": f"{broken.prefix}-*"}, REGISTRIES, kubeconfigs)
    with broken.function(text) as function:
        function.timer()
        before = passwords(broken.hangzhou, shop)
        with later(50):
            inject(function, action, fault)
            outcome = only(function.invoke(), shop)
            after = passwords(broken.hangzhou, shop)
    assert outcome["result"] == "incomplete"
    assert all(after[host] != before[host] for host in MAIN_HOSTS)
    assert all(after[host] == before[host] for host in PARTNER_HOSTS)
    (failure,) = outcome["failures"]
    assert failure["subject"] == "registry partner"
    assert meaning in (None, failure["meaning"])
    assert words in failure["message"]
    assert outcome["expiresAt"] is not None


def test_an_expired_token_that_cannot_be_renewed_stays_and_the_rest_is_renewed(
    broken: BrokenSite,
) -> None:
    """An expired login does no harm, and our clock may be wrong. Its expiry is reported."""
    shop = broken.namespace("shop")
    with broken.function() as function:
        first = only(function.timer(), shop)
        before = passwords(broken.hangzhou, shop)
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None, host="cn-beijing")
        with later(90):
            outcome = only(function.invoke(), shop)
    after = passwords(broken.hangzhou, shop)
    assert sorted(after) == sorted(before)
    assert sorted(host for host in after if after[host] != before[host]) == MAIN_HOSTS
    assert (outcome["result"], outcome["expiresAt"]) == ("incomplete", first["expiresAt"])


# ---- nothing can be minted ---------------------------------------------------------------------


def test_with_nothing_minted_the_valid_secret_is_not_touched(broken: BrokenSite) -> None:
    with due(broken) as (function, shop, before):
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None)
        outcome = only(function.invoke(), shop)
        assert passwords(broken.hangzhou, shop) == before
    assert outcome["result"] == "kept"
    assert {failure["subject"] for failure in outcome["failures"]} == {
        "registry main",
        "registry partner",
    }


def test_nothing_is_bound_to_a_secret_that_could_not_be_created(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None)
        assert only(function.invoke(), shop)["result"] == "failed"
    assert references(broken.hangzhou, shop) == []


def test_a_broken_registry_is_asked_once_per_run_however_many_clusters_need_it(
    broken: BrokenSite,
) -> None:
    for number in range(5):
        broken.namespace(f"shop-{number}")
        broken.namespace(f"web-{number}", broken.beijing)
    with broken.function(registries=["main"]) as function:
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None)
        function.invoke()
        assert len(function.cloud.calls("GetAuthorizationToken")) == 1


# ---- temporary failures are tried again with a new signature ------------------------------------

PASSES = {
    "throttled": faults.throttled(),
    "throttled, with a time to wait": faults.throttled(timedelta(milliseconds=10)),
    "reset": faults.ConnectionReset(),
    "not JSON": faults.BadGateway(),
    "broken": faults.ApiError(500, "InternalError"),
}


@pytest.mark.parametrize("fault", PASSES.values(), ids=PASSES.keys())
@pytest.mark.parametrize(
    "action",
    [
        "AssumeRole",
        "GetAuthorizationToken",
        "ListInstanceEndpoint",
        "DescribeClusterUserKubeconfig",
    ],
)
def test_a_temporary_failure_is_tried_again(
    broken: BrokenSite, action: str, fault: faults.Fault
) -> None:
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.cloud.faults.inject(action, fault, times=1)
        assert only(function.timer(), shop)["result"] == "created"
        assert not [call for call in function.cloud.calls() if call.code == "SignatureNonceUsed"]


def test_a_permanent_failure_is_not_tried_again(broken: BrokenSite) -> None:
    broken.namespace("shop")
    with broken.function(registries=["main"]) as function:
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None)
        function.invoke()
        assert len(function.cloud.calls("GetAuthorizationToken")) == 1


# ---- the way to one cluster --------------------------------------------------------------------

NO_WAY = {
    "its role is denied": ("AssumeRole", DENIED, "denied"),
    "its kubeconfig is denied": (
        "DescribeClusterUserKubeconfig",
        faults.ApiError(403, "StatusForbidden", "forbidden"),
        "denied",
    ),
    "there is no such cluster": (
        "DescribeClusterUserKubeconfig",
        faults.ApiError(404, "ErrorClusterNotFound", "not found"),
        "gone",
    ),
    "CS is down": ("DescribeClusterUserKubeconfig", faults.ConnectionReset(), "unreachable"),
}


@pytest.mark.parametrize(("action", "fault", "meaning"), NO_WAY.values(), ids=NO_WAY.keys())
def test_a_cluster_that_cannot_be_reached_through_the_cloud_fails_alone(
    broken: BrokenSite, action: str, fault: faults.Fault, meaning: str
) -> None:
    broken.namespace("shop")
    web = broken.namespace("web", broken.beijing)
    clusters = [
        CLUSTERS[0],
        {"name": "prod-beijing", "kubeconfig": "kubeconfigs/prod-beijing.yaml"},
    ]
    defaults = {"watchNamespace": f"{broken.prefix}-*", "registries": ["main"]}
    with broken.function(config_of(defaults, REGISTRIES, clusters)) as function:
        function.cloud.faults.inject(action, fault, times=None)
        report = function.invoke()
    failed = report["clusters"][0]
    assert failed["failure"]["meaning"] == meaning
    assert failed["failure"]["requestId"] or meaning == "unreachable"
    assert only(report, web)["result"] == "created"


def test_calls_to_a_stalling_cloud_end_with_the_run(broken: BrokenSite) -> None:
    broken.namespace("shop")
    web = broken.namespace("web", broken.beijing)
    clusters = [
        CLUSTERS[0],
        {"name": "prod-beijing", "kubeconfig": "kubeconfigs/prod-beijing.yaml"},
    ]
    defaults = {"watchNamespace": f"{broken.prefix}-*", "registries": ["main"]}
    with broken.function(config_of(defaults, REGISTRIES, clusters)) as function:
        function.invoke(clusters=["prod-beijing"])  # a cold instance would use part of that time
        function.cloud.faults.inject("DescribeClusterUserKubeconfig", faults.Stall(), times=None)
        report = function.invoke(timeout_seconds=20, force=True)
    assert (report["ok"], report["deferred"]) == (False, ["prod-hangzhou"]), "it was not begun"
    assert only(report, web)["result"] == "renewed"
