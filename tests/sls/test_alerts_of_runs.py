"""Which alerts ring by what real runs write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest

from acr_refresher.invocation import RunFailed
from demo.company import LOG_PROJECT
from demo.stage import Stage, load_function
from localkube.double import DoubleCluster
from operators import command
from sites import CLUSTERS, Site, clear_secrets, config_of, later
from sls.alerts import rows
from sls.conftest import DENIED, recording

CRITICAL = {"expiry", "pulls-fail"}
_numbers = count()


@pytest.fixture
def site(double_clusters: list[DoubleCluster]) -> Iterator[Site]:
    """A namespace in each of two clusters, in which no secret of ours is."""
    for cluster in double_clusters:
        cluster.apply_rbac()
        clear_secrets(cluster)
    site = Site(double_clusters[0], double_clusters[1], f"rings{next(_numbers)}")
    site.namespace("shop")
    site.namespace("web", site.beijing)
    yield site
    for cluster in double_clusters:
        clear_secrets(cluster)


def config(site: Site, clusters: Sequence[dict[str, str]] = CLUSTERS) -> str:
    written = config_of({"watchNamespace": f"{site.prefix}-*"}, clusters=clusters)
    return written + f"sls: {{project: {LOG_PROJECT.name}}}\n"


@contextmanager
def deployed(site: Site) -> Iterator[Stage]:
    with recording(), site.function(config(site)) as function:
        yield function


def tick(function: Stage, minute: int) -> set[str]:
    """The critical alerts that ring after the timer's run of that minute from now."""
    with later(minute), suppress(RunFailed):
        function.timer()
    return set(ringing(function, minute + 1))


def ringing(function: Stage, minute: int) -> dict[str, set[str]]:
    """The critical alerts that ring then, each with the clusters that it names."""
    records = function.cloud.logs.records(LOG_PROJECT.name, "outcomes")
    found = rows(records, datetime.now(timezone.utc) + timedelta(minutes=minute))
    return {name: {row["cluster"] for row in found[name]} for name in CRITICAL & found.keys()}


def test_while_a_registrys_pulls_fail_something_rings(site: Site) -> None:
    """Also when its expired token is left out of the secret, which so seems to last."""
    with deployed(site) as function:
        function.timer()
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None, host="cn-beijing")
        assert tick(function, 50) == {"expiry"}
        assert tick(function, 65) == {"expiry"}
        assert tick(function, 70) == {"expiry", "pulls-fail"}
        for minute in (100, 105, 110):
            assert tick(function, minute) == {"pulls-fail"}
        function.cloud.faults.clear()
        assert tick(function, 115) == set()


def test_a_secret_that_two_runs_could_not_make_rings(site: Site) -> None:
    """One failure may be a hiccup."""
    with deployed(site) as function:
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None)
        assert tick(function, 0) == set()
        assert tick(function, 5) == {"pulls-fail"}
        function.cloud.faults.clear()
        assert tick(function, 10) == set()


def test_a_cluster_taken_out_and_unregistered_rings_no_more(site: Site) -> None:
    """Which leaves no record; the next run, which does not name it, tells."""
    with deployed(site) as function:
        function.timer()
        before = function.folder / "before.yaml"
        before.write_text(config(site), encoding="utf-8")
        (function.folder / "config.yaml").write_text(config(site, CLUSTERS[:1]), encoding="utf-8")
        told = command(function, "unregister", "prod-beijing", "--yes", "--config", str(before))
        assert told.exit_code == 0
        both = {"prod-hangzhou", "prod-beijing"}
        assert ringing(function, 52) == {"expiry": both}
        restarted = replace(function, handler=load_function())
        rings = tick(restarted, 52)
        restarted.handler.pre_stop(None)
        assert rings == set()
