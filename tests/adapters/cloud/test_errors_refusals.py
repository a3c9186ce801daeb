"""What the cloud refuses or breaks, each fault by its meaning."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from acr_refresher.cloud import client
from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.cr import CrClient
from acr_refresher.cloud.cs import CsClient
from acr_refresher.core.model import AckAccess
from acr_refresher.errors import Denied, Gone, Invalid, PortError, Throttled, Unreachable
from acr_refresher.run.ports import CloudCredentials
from acr_refresher.settings import SETTINGS
from adapters.cloudapi import ASK, THE_CLUSTER, THE_REGISTRY, assert_no_secret, assume
from adapters.loopback import ConnectProxy, answering, free_port, http, over_tls, tcp_server
from localcloud.cloud import Cloud
from localcloud.demo import (
    CLUSTER_ROLE_ARN,
    REGION,
    REGISTRY_ROLE_ARN,
    function_role,
)
from localcloud.faults import (
    ApiError,
    BadGateway,
    ConnectionReset,
    Fault,
    Stall,
    Unsuccessful,
    throttled,
)
from localkube.pki import Authority


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (throttled(), (Throttled, "too many requests")),
        (ApiError(500, "InternalError"), (Unreachable, "the service failed: An injected fault.")),
        (
            ApiError(400, "InvalidParameter.X"),
            (Invalid, "the request was rejected: An injected fault."),
        ),
        (ApiError(400, "IllegalTimestamp"), (Invalid, "the clock of this machine differs")),
        (ApiError(403, "InvalidSecurityToken.Expired"), (Denied, "a new run gets a new one")),
        (ConnectionReset(), (Unreachable, "breaks the connection")),
        (BadGateway(), (Unreachable, "gave an answer that is not the API's")),
    ],
    ids=lambda value: getattr(value, "code", type(value).__name__),
)
@pytest.mark.parametrize("action", ASK)
def test_a_fault_has_the_same_meaning_at_every_service(
    cloud_client: CloudClient,
    cloud: Cloud,
    function: CloudCredentials,
    action: str,
    fault: Fault,
    expected: tuple[type[PortError], str],
) -> None:
    meaning, words = expected
    cloud.faults.inject(action, fault)

    with pytest.raises(meaning) as raised:
        asyncio.run(ASK[action](cloud_client, function))

    assert words in str(raised.value)
    assert f":{action} for " in str(raised.value)
    assert len(cloud.calls(action)) == 1, "it was sent once"
    assert_no_secret(raised.value, function)


def test_a_pause_asked_for_is_handed_on(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials
) -> None:
    cloud.faults.inject("AssumeRole", throttled(timedelta(milliseconds=1500)))

    with pytest.raises(Throttled) as raised:
        assume(cloud_client, function, REGISTRY_ROLE_ARN)

    assert raised.value.retry_after == timedelta(milliseconds=1500)
    assert raised.value.code == "Throttling.User"
    assert raised.value.request_id == cloud.calls("AssumeRole")[0].request_id


def test_no_answer_in_time_is_unreachable(
    cloud_client: CloudClient,
    cloud: Cloud,
    function: CloudCredentials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        client, "SETTINGS", replace(SETTINGS, cloud_read_timeout=timedelta(milliseconds=50))
    )
    cloud.faults.inject("AssumeRole", Stall())

    with pytest.raises(Unreachable, match="did not answer in time") as raised:
        assume(cloud_client, function, REGISTRY_ROLE_ARN)

    assert raised.value.retryable


def test_a_denied_role_says_which_two_things_may_lack(
    cloud_client: CloudClient, function: CloudCredentials
) -> None:
    cluster_session = assume(cloud_client, function, CLUSTER_ROLE_ARN)

    with pytest.raises(Denied) as raised:
        assume(cloud_client, cluster_session, REGISTRY_ROLE_ARN)

    assert f"lacks sts:AssumeRole on {REGISTRY_ROLE_ARN}" in str(raised.value)
    assert "trust policy lacks the caller" in str(raised.value)
    assert "denied to acr-refresher-cluster:run-1 of account 1461190376602381" in str(raised.value)
    assert raised.value.code == "NoPermission"


def test_a_role_that_does_not_exist_is_a_mistake_in_the_configuration(
    cloud: Cloud, cloud_client: CloudClient, function: CloudCredentials
) -> None:
    object.__setattr__(cloud, "world", replace(cloud.world, roles=(function_role(),)))

    with pytest.raises(Invalid, match=r"registry does not exist\. Check assumeRoleARN"):
        assume(cloud_client, function, REGISTRY_ROLE_ARN)


def test_a_session_longer_than_the_roles_is_invalid(
    cloud_client: CloudClient, function: CloudCredentials
) -> None:
    with pytest.raises(Invalid) as raised:
        assume(cloud_client, function, CLUSTER_ROLE_ARN, timedelta(hours=2))

    assert raised.value.code == "InvalidParameter.DurationSeconds"


def test_a_wrong_secret_is_denied_without_showing_what_was_signed(
    cloud_client: CloudClient, function: CloudCredentials
) -> None:
    caller = replace(function, access_key_secret=SecretStr("somebody-elses"))

    with pytest.raises(Denied, match="the signature does not match") as raised:
        assume(cloud_client, caller, REGISTRY_ROLE_ARN)

    assert_no_secret(raised.value, caller)


def test_unknown_access_keys_are_denied(cloud_client: CloudClient) -> None:
    with pytest.raises(Denied, match="access key is unknown"):
        assume(
            cloud_client, CloudCredentials("LTAI-nobody", SecretStr("secret")), REGISTRY_ROLE_ARN
        )


@pytest.mark.parametrize(
    ("action", "grant"),
    [
        ("GetAuthorizationToken", "Allow cr:GetAuthorizationToken on * (and cr:Pull"),
        ("ListInstanceEndpoint", "Allow cr:ListInstanceEndpoint on it"),
        (
            "DescribeClusterUserKubeconfig",
            "Allow cs:DescribeClusterUserKubeconfig and cs:GetUserConfig on it",
        ),
        (
            "DescribeClustersV1",
            "Allow cs:GetClusters and cs:DescribeClustersV1 and cs:ListClusters on *",
        ),
        ("GetSecretValue", "Allow kms:GetSecretValue on it, and kms:Decrypt on the key"),
    ],
)
def test_a_missing_permission_is_named_with_its_place(
    cloud_client: CloudClient, function: CloudCredentials, action: str, grant: str
) -> None:
    with pytest.raises(Denied) as raised:
        asyncio.run(ASK[action](cloud_client, function))

    assert grant in str(raised.value)
    assert "denied to acr-refresher-function:function of account" in str(raised.value)


def test_a_refusal_within_http_200_is_an_error_like_others(
    cloud_client: CloudClient, cloud: Cloud, function: CloudCredentials
) -> None:
    session = assume(cloud_client, function, REGISTRY_ROLE_ARN)
    cloud.faults.inject("GetAuthorizationToken", Unsuccessful("INSTANCE_NOT_EXIST"))

    with pytest.raises(Gone) as raised:
        asyncio.run(CrClient(cloud_client).token(session, THE_REGISTRY))

    assert raised.value.code == "INSTANCE_NOT_EXIST"
    assert raised.value.request_id == cloud.calls("GetAuthorizationToken")[0].request_id


def test_a_cluster_that_does_not_exist_is_gone(
    cloud_client: CloudClient, function: CloudCredentials
) -> None:
    session = assume(cloud_client, function, CLUSTER_ROLE_ARN)

    with pytest.raises(Gone, match="cluster c-none in cn-hangzhou does not exist"):
        asyncio.run(CsClient(cloud_client).kubeconfig(session, AckAccess("c-none", REGION)))


# ---- answers that the local cloud never gives ----------------------------------------------------


def answered(body: object) -> bytes:
    return http("200 OK", json.dumps(body).encode(), "Content-Type: application/json")


def test_an_instance_without_enabled_endpoints_is_invalid(caller: CloudCredentials) -> None:
    closed = {"Enable": False, "Domains": [{"Domain": "closed.example.com"}]}
    body = {"IsSuccess": True, "RequestId": "4711", "Endpoints": [closed]}
    with tcp_server(answering(answered(body))) as port:
        cloud_client = CloudClient(CloudTransport(f"http://127.0.0.1:{port}"), threads=1)
        with pytest.raises(Invalid, match="has no enabled endpoint") as raised:
            asyncio.run(CrClient(cloud_client).hosts(caller, THE_REGISTRY))
        cloud_client.close()
    assert raised.value.request_id == "4711"


def test_a_kubeconfig_need_not_say_when_it_expires(caller: CloudCredentials) -> None:
    with tcp_server(answering(answered({"config": "apiVersion: v1"}))) as port:
        cloud_client = CloudClient(CloudTransport(f"http://127.0.0.1:{port}"), threads=1)
        kubeconfig = asyncio.run(CsClient(cloud_client).kubeconfig(caller, THE_CLUSTER))
        cloud_client.close()
    assert kubeconfig.expires_at is None


def test_a_proxy_that_is_not_there_is_named(caller: CloudCredentials) -> None:
    cloud_client = CloudClient(CloudTransport(f"http://127.0.0.1:{free_port()}"), threads=1)

    with pytest.raises(Unreachable, match=r"the proxy on the way to .* cannot be reached"):
        assume(cloud_client, caller, REGISTRY_ROLE_ARN)

    cloud_client.close()


def test_a_certificate_that_is_not_the_clouds_is_not_retried(
    caller: CloudCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Authority().server_certificate().load_into(tls)
    seen: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))

    with tcp_server(over_tls(tls, listen)) as port, tcp_server(ConnectProxy(port)) as proxy_port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy_port}")
        cloud_client = CloudClient(CloudTransport(), threads=1)
        with pytest.raises(Unreachable, match=r"certificate of sts\.\S+ is not trusted") as raised:
            assume(cloud_client, caller, REGISTRY_ROLE_ARN)
        cloud_client.close()

    assert not raised.value.retryable
    assert seen == [], "nothing was sent"
