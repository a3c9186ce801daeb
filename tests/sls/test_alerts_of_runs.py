"""Which alerts fire by the records of real runs."""

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
    """Two clusters with a namespace each and without pull secrets of ours."""
    for cluster in double_clusters:
        cluster.apply_rbac()
        clear_secrets(cluster)
    site = Site(double_clusters[0], double_clusters[1], f"alerts{next(_numbers)}")
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


def after_run(function: Stage, minute: int) -> set[str]:
    """The critical alerts that fire after the timer's run of that minute from now."""
    with later(minute), suppress(RunFailed):
        function.timer()
    return set(firing(function, minute + 1))


def firing(function: Stage, minute: int) -> dict[str, set[str]]:
    """The critical alerts that fire at that minute, each with the clusters that it names."""
    records = function.cloud.logs.records(LOG_PROJECT.name, "outcomes")
    found = rows(records, datetime.now(timezone.utc) + timedelta(minutes=minute))
    return {name: {row["cluster"] for row in found[name]} for name in CRITICAL & found.keys()}


def test_an_alert_fires_as_long_as_pulls_from_a_registry_fail(site: Site) -> None:
    """The expired token stays in the secret, so the alert about its expiry fires too."""
    with deployed(site) as function:
        function.timer()
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None, host="cn-beijing")
        assert after_run(function, 50) == {"expiry"}
        assert after_run(function, 65) == {"expiry"}
        assert after_run(function, 70) == {"expiry", "pulls-fail"}
        for minute in (100, 105, 110):
            assert after_run(function, minute) == {"expiry", "pulls-fail"}
        function.cloud.faults.clear()
        assert after_run(function, 115) == set()


def test_an_alert_fires_for_a_secret_that_two_runs_could_not_create(site: Site) -> None:
    """A single failure is no reason for an alert."""
    with deployed(site) as function:
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None)
        assert after_run(function, 0) == set()
        assert after_run(function, 5) == {"pulls-fail"}
        function.cloud.faults.clear()
        assert after_run(function, 10) == set()


def test_no_alert_fires_for_a_removed_and_unregistered_cluster(site: Site) -> None:
    """`unregister` leaves no record. The next run does not name the cluster."""
    with deployed(site) as function:
        function.timer()
        before = function.folder / "before.yaml"
        before.write_text(config(site), encoding="utf-8")
        (function.folder / "config.yaml").write_text(config(site, CLUSTERS[:1]), encoding="utf-8")
        done = command(function, "unregister", "prod-beijing", "--yes", "--config", str(before))
        assert done.exit_code == 0
        both = {"prod-hangzhou", "prod-beijing"}
        assert firing(function, 52) == {"expiry": both}
        restarted = replace(function, handler=load_function())
        alerts = after_run(restarted, 52)
        restarted.handler.pre_stop(None)
        assert alerts == set()
