"""One API server fails: its outcome says so, its valid secrets stay, other clusters are served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from acr_refresher.invocation import RunFailed
from demo.stage import Stage
from localkube.double import Fault
from sites import (
    OUR_BINDING,
    SECRET,
    BrokenSite,
    Site,
    config_of,
    later,
    only,
    passwords,
    references,
)

SECRETS = f"/secrets/{SECRET}"


@contextmanager
def due(site: Site, **defaults: Any) -> Iterator[tuple[Stage, str, str]]:
    """Both clusters have a due secret. Yields the function and the two namespaces."""
    shop, web = site.namespace("shop"), site.namespace("web", site.beijing)
    with site.function(**defaults) as function:
        function.timer()
        with later(50):
            yield function, shop, web


def served_and_failed(report: dict[str, Any], web: str) -> dict[str, Any]:
    """Check that Beijing was served, and return the outcome of Hangzhou."""
    assert report["ok"] is False
    assert report["failing"] == ["prod-hangzhou"]
    assert only(report, web)["result"] == "renewed"
    return dict(report["clusters"][0])


CANNOT_BE_READ = {
    "reset": (Fault(times=None, reset=True), "unreachable", ""),
    "500": (Fault(times=None, status=500), "unreachable", "500"),
    "503": (Fault(times=None, status=503), "unreachable", "503"),
    "429": (Fault(times=None, status=429, retry_after=1), "throttled", "429"),
    "401": (Fault(times=None, status=401), "denied", "401"),
}


@pytest.mark.parametrize(
    ("fault", "meaning", "code"), CANNOT_BE_READ.values(), ids=CANNOT_BE_READ.keys()
)
def test_a_cluster_that_cannot_be_read_fails_alone(
    broken: BrokenSite, fault: Fault, meaning: str, code: str
) -> None:
    with due(broken) as (function, shop, web):
        before = passwords(broken.hangzhou, shop)
        broken.hangzhou.faults.add(fault)
        cluster = served_and_failed(function.invoke(), web)
        broken.hangzhou.faults.clear()
        assert passwords(broken.hangzhou, shop) == before
    assert (cluster["failure"]["meaning"], cluster["failure"]["code"]) == (meaning, code)
    assert cluster["secrets"] == []


PASSES = {
    "a reset": Fault(reset=True),
    "a 500": Fault(status=500),
    "a 429": Fault(status=429, retry_after=1),
    "a reset of the write": Fault(method="PATCH", path_contains=SECRETS, reset=True),
    "a write whose answer is lost": Fault(method="PATCH", path_contains=SECRETS, lost_answer=True),
    "a 429 for the write": Fault(method="PATCH", path_contains=SECRETS, status=429, retry_after=1),
    "a binding whose answer is lost": Fault(
        method="PATCH", path_contains="serviceaccounts", lost_answer=True
    ),
}


@pytest.mark.parametrize("fault", PASSES.values(), ids=PASSES.keys())
def test_a_temporary_failure_is_tried_again(broken: BrokenSite, fault: Fault) -> None:
    shop = broken.namespace("shop")
    broken.hangzhou.faults.add(fault)
    with broken.function() as function:
        assert only(function.timer(), shop)["result"] == "created"
    assert references(broken.hangzhou, shop) == [SECRET]


REFUSED_WRITES = {
    "422": (Fault("PATCH", SECRETS, status=422), "kept", "invalid"),
    "400": (Fault("PATCH", SECRETS, status=400), "kept", "invalid"),
    "500": (Fault("PATCH", SECRETS, None, status=500), "kept", "unreachable"),
    "409": (Fault("PATCH", SECRETS, None, status=409), "conflict", "conflict"),
}


@pytest.mark.parametrize(
    ("fault", "result", "meaning"), REFUSED_WRITES.values(), ids=REFUSED_WRITES.keys()
)
def test_a_refused_write_keeps_the_old_secret(
    broken: BrokenSite, fault: Fault, result: str, meaning: str
) -> None:
    with due(broken) as (function, shop, web):
        before = passwords(broken.hangzhou, shop)
        broken.hangzhou.faults.add(fault)
        report = function.invoke()
        served_and_failed(report, web)
        assert passwords(broken.hangzhou, shop) == before
    outcome = only(report, shop)
    assert (outcome["result"], outcome["failures"][0]["meaning"]) == (result, meaning)


def test_a_namespace_whose_writes_hang_holds_up_no_other(broken: BrokenSite) -> None:
    """For example, an admission webhook does not answer. All requests share a connection."""
    hanging, *others = sorted(broken.namespace(f"shop-{number}") for number in range(5))
    # The write is refused in the end, so that it leaves nothing for the next test.
    hangs = Fault("PATCH", f"{hanging}/secrets", None, stall=60, status=500)
    broken.hangzhou.faults.add(hangs)
    text = config_of({"watchNamespace": f"{broken.prefix}-*"}) + "clusterTimeout: 12s\n"
    with broken.function(text) as function:
        report = function.invoke()
    failed = only(report, hanging)
    assert (failed["result"], failed["failures"][0]["code"]) == ("failed", "Deadline")
    assert {only(report, name)["result"] for name in others} == {"created"}
    assert all(references(broken.hangzhou, name) == [SECRET] for name in others)


def test_a_namespace_that_was_deleted_between_list_and_write_is_skipped(broken: BrokenSite) -> None:
    shop, other = broken.namespace("shop"), broken.namespace("other")
    path = f"/api/v1/namespaces/{shop}"
    broken.hangzhou.faults.add(
        Fault("PATCH", f"{shop}/secrets", meanwhile=lambda: broken.hangzhou.request("DELETE", path))
    )
    with broken.function() as function:
        report = function.timer()
    assert only(report, shop)["result"] == "skipped"
    assert only(report, other)["result"] == "created"


def test_a_secret_that_somebody_else_creates_first_is_not_taken_over(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    document = {".dockerconfigjson": '{"auths":{}}'}
    broken.hangzhou.faults.add(
        Fault(
            "PATCH",
            SECRETS,
            meanwhile=lambda: broken.hangzhou.create_secret(
                shop, SECRET, type="kubernetes.io/dockerconfigjson", stringData=document
            ),
        )
    )
    with broken.function() as function:
        outcome = only(function.invoke(), shop)
    assert (outcome["result"], outcome["reason"]) == ("conflict", "foreign-secret")
    assert passwords(broken.hangzhou, shop) == {}
    assert references(broken.hangzhou, shop) == []


def test_a_secret_that_somebody_else_put_in_place_of_ours_is_not_taken_over(
    broken: BrokenSite,
) -> None:
    """The other secret is a pull secret like ours. A forced apply could write to it."""
    kind, document = "kubernetes.io/dockerconfigjson", {".dockerconfigjson": '{"auths":{}}'}

    def replace_ours(shop: str) -> None:
        broken.hangzhou.expect("DELETE", f"/api/v1/namespaces/{shop}/secrets/{SECRET}")
        broken.hangzhou.create_secret(shop, SECRET, type=kind, stringData=document)

    with due(broken) as (function, shop, web):
        broken.hangzhou.faults.add(Fault("PATCH", SECRETS, meanwhile=lambda: replace_ours(shop)))
        report = function.invoke()
        served_and_failed(report, web)
    assert only(report, shop)["reason"] == "changed-meanwhile"
    secret = broken.hangzhou.get_secret(shop, SECRET)
    assert secret
    assert "labels" not in secret["metadata"]
    assert passwords(broken.hangzhou, shop) == {}


def test_a_binding_that_somebody_else_changed_meanwhile_is_read_again(broken: BrokenSite) -> None:
    shop = broken.namespace("shop", default=("theirs",))
    broken.hangzhou.faults.add(
        Fault("PATCH", OUR_BINDING, times=3, meanwhile=writer_of(broken, shop))
    )
    with broken.function() as function:
        assert only(function.timer(), shop)["bound"] == ["default"]
    assert references(broken.hangzhou, shop) == ["theirs", "newer-3", SECRET]


def test_a_binding_that_another_controller_keeps_changing_fails_and_the_secret_is_kept(
    broken: BrokenSite,
) -> None:
    shop = broken.namespace("shop", default=("theirs",))
    broken.hangzhou.faults.add(
        Fault("PATCH", OUR_BINDING, times=None, meanwhile=writer_of(broken, shop))
    )
    with broken.function() as function:
        outcome = only(function.invoke(), shop)
    assert outcome["result"] == "failed"
    assert outcome["failures"][0]["subject"] == "service account default"
    assert outcome["failures"][0]["meaning"] == "conflict"
    assert passwords(broken.hangzhou, shop)


def test_an_account_deleted_meanwhile_is_no_failure(broken: BrokenSite) -> None:
    shop = broken.namespace("shop", default=(), runner=())
    path = f"/api/v1/namespaces/{shop}/serviceaccounts/runner"
    broken.hangzhou.faults.add(
        Fault(
            "PATCH",
            "serviceaccounts/runner",
            meanwhile=lambda: broken.hangzhou.request("DELETE", path),
        )
    )
    with broken.function(serviceAccount="*") as function:
        outcome = only(function.timer(), shop)
    assert (outcome["result"], outcome["bound"]) == ("created", ["default"])


def test_a_secret_that_cannot_be_unbound_is_not_deleted(broken: BrokenSite) -> None:
    old = broken.namespace("old")
    for number in range(3):
        broken.namespace(f"kept-{number}")
    with broken.function() as function:
        function.timer()
    broken.hangzhou.faults.add(Fault("PATCH", "serviceaccounts", None, status=422))
    with broken.function(watchNamespace=f"{broken.prefix}-kept-*") as function:
        assert only(function.invoke(), old)["result"] == "failed"
        assert passwords(broken.hangzhou, old)
        broken.hangzhou.faults.clear()
        broken.hangzhou.faults.add(Fault("DELETE", SECRETS, status=422))
        assert only(function.invoke(), old)["result"] == "failed"
        assert references(broken.hangzhou, old) == []
        assert only(function.invoke(), old)["result"] == "removed"


def test_a_timer_run_with_failures_raises_after_all_clusters_were_served(
    broken: BrokenSite,
) -> None:
    web = broken.namespace("web", broken.beijing)
    broken.hangzhou.faults.add(Fault(times=None, status=503))
    with broken.function() as function:
        with pytest.raises(RunFailed, match=r"1 of 2 clusters.*prod-hangzhou"):
            function.timer()
        assert passwords(broken.beijing, web)


def writer_of(site: Site, namespace: str) -> Callable[[], None]:
    """Another tool that writes the list each time before our write."""
    written = 0

    def write() -> None:
        nonlocal written
        written += 1
        site.hangzhou.expect(
            "PATCH",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/default",
            {"imagePullSecrets": [{"name": "theirs"}, {"name": f"newer-{written}"}]},
            content_type="application/merge-patch+json",
        )

    return write
