"""The function's clock differs from the cloud's: a warning if it works, an explanation if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from demo.company import company
from demo.stage import Stage, deployed
from localcloud.cloud import Cloud
from localcloud.server import serving
from sites import BrokenSite, config_of, only


@contextmanager
def function_behind(site: BrokenSite, skew: timedelta) -> Iterator[Stage]:
    """The function with a cloud whose clock is ahead of the function's clock."""
    clusters = {"prod-hangzhou": site.hangzhou, "prod-beijing": site.beijing}
    cloud = Cloud(company(clusters), clock=lambda: datetime.now(timezone.utc) + skew)
    text = config_of({"watchNamespace": f"{site.prefix}-*"})
    with serving(cloud) as url, deployed(cloud, url, clusters, text) as function:
        yield function


def test_a_clock_that_is_a_few_minutes_off_gives_a_warning(
    broken: BrokenSite, log: Callable[[], list[dict[str, Any]]]
) -> None:
    namespace = broken.namespace("shop")
    with function_behind(broken, timedelta(minutes=5)) as function:
        report = function.invoke()
    assert only(report, namespace)["result"] == "created"
    assert abs(report["clockSkewSeconds"] + 300) < 10
    (line,) = (line for line in log() if line["event"] == "run.finished")
    assert (line["level"], line["clock_skew_seconds"]) == ("warning", report["clockSkewSeconds"])


def test_a_clock_that_is_twenty_minutes_off_fails_with_the_cause(broken: BrokenSite) -> None:
    broken.namespace("shop")
    with function_behind(broken, timedelta(minutes=20)) as function:
        report = function.invoke()
    assert report["ok"] is False
    assert abs(report["clockSkewSeconds"] + 1200) < 10
    messages = {cluster["failure"]["message"] for cluster in report["clusters"]}
    assert all("s behind the cloud's. Set the clock." in message for message in messages)


def test_a_clock_that_is_right_is_not_mentioned(broken: BrokenSite) -> None:
    broken.namespace("shop")
    with function_behind(broken, timedelta(0)) as function:
        assert function.invoke()["clockSkewSeconds"] is None
