from __future__ import annotations

import pytest
from pydantic import SecretStr

from acr_refresher.cloud.client import CloudClient, CloudTransport, transport_from_environment
from acr_refresher.run.ports import CloudCredentials

CALLER = CloudCredentials("STS.abc", SecretStr("a-secret"), SecretStr("a-token"))


def test_requests_leave_over_https_to_the_real_host_and_are_sent_once() -> None:
    cloud_client = CloudClient(transport_from_environment({}), threads=1)

    config = cloud_client.config(CALLER, "sts.cn-hangzhou.aliyuncs.com", "cn-hangzhou")

    assert (config.protocol, config.http_proxy) == ("https", None)
    assert config.endpoint == "sts.cn-hangzhou.aliyuncs.com"
    assert (config.connect_timeout, config.read_timeout) == (3000, 8000)
    assert config.retry_options is None
    assert config.security_token == "a-token"
    cloud_client.close()


def test_a_long_lived_access_key_has_no_security_token() -> None:
    cloud_client = CloudClient(CloudTransport(), threads=1)

    config = cloud_client.config(CloudCredentials("LTAI", SecretStr("s")), "cr.x.aliyuncs.com", "x")

    assert config.security_token is None
    cloud_client.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]:8080"])
def test_a_stand_in_on_this_machine_is_accepted(url: str) -> None:
    transport = transport_from_environment({"ACR_REFRESHER_LOCAL_CLOUD": url})

    assert transport == CloudTransport(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1:8080",  # another machine
        "http://localhost:8080",  # a name may lead elsewhere
        "http://127.0.0.1.example.com:80",
        "http://127.0.0.1@example.com:80",
        "http://user:word@127.0.0.1:80",
        "https://127.0.0.1:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:8080/path",
        "http://[::1:80",
        "127.0.0.1:8080",
    ],
)
def test_unencrypted_requests_never_leave_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match=r"ACR_REFRESHER_LOCAL_CLOUD must be http://127\.0\.0\.1"):
        transport_from_environment({"ACR_REFRESHER_LOCAL_CLOUD": url})
