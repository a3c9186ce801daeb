"""A clock that differs from the cloud's: measured from answers, named if a request is refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, CloudClock, CloudTransport
from acr_refresher.errors import Invalid
from acr_refresher.run.ports import CloudCredentials
from acr_refresher.run.rate_limit import RateLimiter
from adapters.cloudapi import ASK, assume
from adapters.loopback import free_port
from localcloud.cloud import Cloud
from localcloud.demo import FUNCTION_ROLE_ARN, REGISTRY_ROLE_ARN, demo_world
from localcloud.server import serving

SECONDS = timedelta(seconds=10)
"""The error of a measurement: the header has full seconds, and the answer takes its time."""


@contextmanager
def cloud_ahead_by(skew: timedelta) -> Iterator[tuple[CloudClient, CloudCredentials]]:
    """A cloud whose clock is ahead of ours, and the function's credentials there."""
    cloud = Cloud(demo_world(), clock=lambda: datetime.now(timezone.utc) + skew)
    with serving(cloud) as url:
        cloud_client = CloudClient(CloudTransport(url), threads=2)
        session = cloud.function_credentials(FUNCTION_ROLE_ARN)
        secret, token = SecretStr(session.access_key_secret), SecretStr(session.security_token)
        yield cloud_client, CloudCredentials(session.access_key_id, secret, token)
        cloud_client.close()


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(minutes=-5), timedelta(0)])
def test_answers_tell_how_far_it_is_off(ahead: timedelta) -> None:
    with cloud_ahead_by(ahead) as (cloud_client, function):
        assume(cloud_client, function, REGISTRY_ROLE_ARN)
        skew = cloud_client.clock_skew()
    assert skew is not None
    assert abs(skew + ahead) < SECONDS


def test_each_run_measures_it_by_its_own_calls() -> None:
    """A clock that was set between two runs is not corrected by what the first run measured."""
    with cloud_ahead_by(timedelta(0)) as (cloud_client, function):
        first, second = (cloud_client.with_rate_limiter(RateLimiter({})) for _ in range(2))
        assert first.clock_skew() is None
        assume(first, function, REGISTRY_ROLE_ARN)
        assert first.clock_skew() is not None
        assert second.clock_skew() is None


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(timedelta(minutes=20), "behind the cloud's"), (timedelta(minutes=-20), "ahead of the clou")],
)
@pytest.mark.parametrize("action", sorted(ASK))
def test_a_request_refused_for_its_time_says_by_how_much(
    ahead: timedelta, words: str, action: str
) -> None:
    """The SDK's exceptions keep no headers, so the cloud is asked for the time once more."""
    with cloud_ahead_by(ahead) as (cloud_client, function):
        with pytest.raises(Invalid) as refused:
            asyncio.run(ASK[action](cloud_client, function))
        assert cloud_client.clock_skew() is not None
    assert words in str(refused.value)
    [seconds] = map(int, re.findall(r"clock of this machine is (\d+) s", str(refused.value)))
    assert abs(timedelta(seconds=seconds) - abs(ahead)) < SECONDS
    assert "Set the clock." in str(refused.value)


def test_answers_without_a_date_tell_nothing() -> None:
    clock = CloudClock()
    for headers in ({}, {"Date": "yesterday"}, {"Date": "Sat, 21 Nov 2026 22:36:54"}):
        clock.read(headers)
    assert clock.skew is None


def test_a_cloud_that_cannot_be_asked_tells_nothing() -> None:
    clock = CloudClock()
    clock.ask(f"http://127.0.0.1:{free_port()}")
    assert clock.skew is None
