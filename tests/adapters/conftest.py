"""A cloud to call, and two API servers of which the adapter must not see the difference."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from darabonba.core import DaraCore
from pydantic import SecretStr
from Tea.core import TeaCore

from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.log import configure_logging
from acr_refresher.run.ports import CloudCredentials
from adapters.cloudapi import THE_CLUSTER
from localcloud.cloud import Cloud
from localcloud.demo import CLUSTER_ACCOUNT, FUNCTION_ROLE_ARN, REGION, demo_world
from localcloud.server import serving
from localcloud.world import AckCluster
from localkube.cluster import KubeCluster
from localkube.double import DoubleCluster, api_double


def issue_kubeconfig(role_arn: str, validity: timedelta, *, private: bool) -> tuple[str, datetime]:
    del private  # the same here
    return f"# of {role_arn} for {validity}", datetime.now(timezone.utc) + validity


@pytest.fixture
def cloud() -> Cloud:
    cluster = AckCluster(
        THE_CLUSTER.cluster_id, "shop-prod", REGION, CLUSTER_ACCOUNT, issue_kubeconfig
    )
    return Cloud(demo_world([cluster]))


@pytest.fixture
def cloud_client(cloud: Cloud) -> Iterator[CloudClient]:
    with serving(cloud) as url:
        cloud_client = CloudClient(CloudTransport(url), threads=2)
        yield cloud_client
        cloud_client.close()


@pytest.fixture
def function(cloud: Cloud) -> CloudCredentials:
    """The function's own credentials."""
    session = cloud.function_credentials(FUNCTION_ROLE_ARN)
    secret, token = SecretStr(session.access_key_secret), SecretStr(session.security_token)
    return CloudCredentials(session.access_key_id, secret, token)


@pytest.fixture
def caller() -> CloudCredentials:
    """Credentials for servers that look at none."""
    return CloudCredentials("STS.key", SecretStr("the-secret"), SecretStr("the-token"))


@pytest.fixture(autouse=True)
def _sdk_connections() -> Iterator[None]:
    """The SDK keeps connections for ever, and pytest minds."""
    yield
    for session in (*DaraCore._sessions.values(), *TeaCore._sessions.values()):
        session.close()
    # A session that was made before has no limits.
    DaraCore._sessions.clear()
    TeaCore._sessions.clear()


@pytest.fixture
def double() -> Iterator[DoubleCluster]:
    """A double for one test, to break."""
    with api_double() as cluster:
        cluster.apply_rbac()
        yield cluster


@pytest.fixture(params=["double", "real"])
def cluster(request: pytest.FixtureRequest) -> KubeCluster:
    """A cluster in which the user `acr-refresher` has the rights of infra/rbac."""
    if request.param == "double":
        double: KubeCluster = request.getfixturevalue("double")
        return double
    real: KubeCluster = request.getfixturevalue("real_clusters")[1]
    real.apply_rbac()
    return real


@pytest.fixture
def silenced() -> Iterator[None]:
    """The SDKs' loggers are off, as in the function."""
    configure_logging()
    yield
    logging.disable(logging.NOTSET)
