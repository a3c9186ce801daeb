"""A demo cloud with one cluster on the loopback interface."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from localcloud.cloud import Cloud
from localcloud.demo import CLUSTER_ACCOUNT, FUNCTION_ROLE_ARN, REGION, demo_world
from localcloud.server import serving
from localcloud.sessions import Session
from localcloud.world import AckCluster


def issue_kubeconfig(role_arn: str, validity: timedelta, *, private: bool) -> tuple[str, datetime]:
    address = "private" if private else "public"
    text = f"# {address}, of {role_arn} for {validity}"
    return text, datetime.now(timezone.utc) + validity


@pytest.fixture
def cloud() -> Cloud:
    cluster_id = "c8f1d3b5a79e24680bdf13579ace02468"
    cluster = AckCluster(cluster_id, "shop-prod", REGION, CLUSTER_ACCOUNT, issue_kubeconfig)
    return Cloud(demo_world([cluster]))


@pytest.fixture
def url(cloud: Cloud) -> Iterator[str]:
    with serving(cloud) as url:
        yield url


@pytest.fixture
def function(cloud: Cloud) -> Session:
    """The function's own credentials."""
    return cloud.function_credentials(FUNCTION_ROLE_ARN)
