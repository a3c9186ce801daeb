"""Whether a registry takes a token: a real one that does or does not, and strange ones."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from acr_refresher.cloud import registry
from acr_refresher.cloud.client import CloudClient, CloudTransport
from acr_refresher.cloud.cr import CrClient
from acr_refresher.cloud.registry import RegistryClient, may_have_password
from acr_refresher.errors import Denied, Unreachable
from acr_refresher.run.ports import CloudCredentials, RegistryToken
from acr_refresher.settings import SETTINGS
from adapters.cloudapi import THE_REGISTRY, assume
from adapters.loopback import Serve, answering, free_port, http, over_tls, tcp_server
from localcloud.certificates import loopback_server, self_signed
from localcloud.cloud import Cloud
from localcloud.demo import REGISTRY, REGISTRY_ROLE_ARN
from localcloud.registry import Registry, running_registry
from localcloud.server import serving

IMAGE = "shop/web:1"
WRONG = RegistryToken(
    "cr_temp_user", SecretStr("hunter2-hunter2"), datetime.now(timezone.utc), "REQ"
)


# ---- a real registry -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A registry before a local cloud, and a token for it."""

    registry: Registry
    client: RegistryClient
    token: RegistryToken

    def check(self, token: RegistryToken | None = None, repository: str = "") -> None:
        login = self.client.check_login(self.registry.address, token or self.token, repository)
        asyncio.run(login)


@contextmanager
def place_of(cloud: Cloud, function: CloudCredentials, service: str = "") -> Iterator[Place]:
    with (
        serving(cloud) as url,
        running_registry(cloud, url, service or REGISTRY.service) as registry,
    ):
        registry.push_image(IMAGE)
        cloud_client = CloudClient(CloudTransport(url), threads=2)
        session = assume(cloud_client, function, REGISTRY_ROLE_ARN)
        token = asyncio.run(CrClient(cloud_client).token(session, THE_REGISTRY))
        ca_file = str(registry.certificates / "ca.crt")
        yield Place(registry, RegistryClient(CloudTransport(url, ca_file)), token)
        cloud_client.close()


def test_a_new_token_is_taken_and_pulls(cloud: Cloud, function: CloudCredentials) -> None:
    with place_of(cloud, function) as place:
        place.check()
        place.check(repository="shop/web")
        place.check(repository="shop/not-there-yet")


def test_an_unknown_token_is_refused(cloud: Cloud, function: CloudCredentials) -> None:
    with place_of(cloud, function) as place, pytest.raises(Denied) as refused:
        place.check(WRONG)
    assert f"registry host {place.registry.address} refuses the new token" in str(refused.value)
    assert "cr:PullRepository" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_token_of_another_registry_is_refused(cloud: Cloud, function: CloudCredentials) -> None:
    """Such as where `domains` names a host of another instance."""
    with (
        place_of(cloud, function, "cri-another") as place,
        pytest.raises(Denied, match="correct `domains`"),
    ):
        place.check()


def test_a_token_that_may_not_pull_is_found_out_by_a_repository(
    cloud: Cloud, function: CloudCredentials
) -> None:
    """The login service takes it, and leaves the right out."""
    roles = tuple(
        replace(role, policies=tuple(map(_without_pulling, role.policies)))
        for role in cloud.world.roles
    )
    powerless = replace(cloud, world=replace(cloud.world, roles=roles))
    with place_of(powerless, function) as place:
        place.check()
        with pytest.raises(Denied, match="refuses the new token for pulling shop/web"):
            place.check(repository="shop/web")


def _without_pulling(policy: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = [each for each in policy["Statement"] if "cr:PullRepository" not in each["Action"]]
    return {**policy, "Statement": kept}


def test_an_untrusted_certificate_is_no_refusal(cloud: Cloud, function: CloudCredentials) -> None:
    with place_of(cloud, function) as place:
        stranger = replace(place, client=RegistryClient(CloudTransport("http://127.0.0.1:1")))
        with pytest.raises(Unreachable, match="its TLS certificate is not trusted"):
            stranger.check()


# ---- strange ones --------------------------------------------------------------------------------


@dataclass
class Recorder:
    """Answers whatever comes, and remembers it."""

    response: bytes
    requests: list[str] = field(default_factory=list)

    def __call__(self, connection: socket.socket) -> None:
        self.requests.append(connection.recv(65536).decode())
        connection.sendall(self.response)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """For servers on localhost and 127.0.0.1, which SSL_CERT_FILE has everybody trust."""
    root = self_signed("registry CA")
    server = loopback_server(root)
    (tmp_path / "ca.pem").write_bytes(root.certificate_pem)
    (tmp_path / "server.pem").write_bytes(server.certificate_pem + server.key_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    return context


def check(host: str, transport: CloudTransport | None = None) -> None:
    client = RegistryClient(transport or CloudTransport())
    asyncio.run(client.check_login(host, WRONG, ""))


def challenge(realm: str) -> Serve:
    header = f'WWW-Authenticate: Bearer realm="{realm}",service="cri-1"'
    return answering(http("401 Unauthorized", b"", header))


def test_the_password_goes_to_the_login_service_at_the_registrys_own_host(
    tls: ssl.SSLContext,
) -> None:
    login = Recorder(http("200 OK", b'{"token": "t"}', "Content-Type: application/json"))
    with tcp_server(over_tls(tls, login)) as login_port:
        registry = over_tls(tls, challenge(f"https://localhost:{login_port}/auth"))
        with tcp_server(registry) as port:
            check(f"localhost:{port}")
    [request] = login.requests
    assert request.startswith("GET /auth?service=cri-1&account=cr_temp_user HTTP/1.1")
    password = base64.b64encode(b"cr_temp_user:hunter2-hunter2").decode()
    assert f"Authorization: Basic {password}" in request


@pytest.mark.parametrize(
    "realm",
    [
        pytest.param("https://127.0.0.1:{port}/auth", id="another host"),
        pytest.param("http://localhost:{port}/auth", id="without TLS"),
        pytest.param("https://user:pass@localhost:{port}/auth", id="with a login of its own"),
        pytest.param("https://1234567890.cn-hangzhou.fc.aliyuncs.com/auth", id="a function"),
        pytest.param("https://dockerauth.oss-cn-hangzhou.aliyuncs.com/auth", id="a bucket"),
        pytest.param("https://dockerauth.cn-hangzhou.aliyuncs.com.example/auth", id="look-alike"),
        pytest.param("https://evil.example/dockerauth.cn-hangzhou.aliyuncs.com", id="in the path"),
        pytest.param("", id="none"),
    ],
)
def test_the_password_goes_nowhere_else(tls: ssl.SSLContext, realm: str) -> None:
    login = Recorder(http("200 OK", b'{"token": "t"}'))
    with tcp_server(over_tls(tls, login)) as login_port:
        registry = over_tls(tls, challenge(realm.format(port=login_port)))
        with tcp_server(registry) as port, pytest.raises(Unreachable, match="was not sent there"):
            check(f"localhost:{port}")
    assert login.requests == []


@pytest.mark.parametrize(
    "realm",
    [
        "https://dockerauth.cn-hangzhou.aliyuncs.com/auth",
        "https://dockerauth-ee-vpc.ap-southeast-1.aliyuncs.com/auth",
        "https://registry.example.com:8443/auth",
    ],
)
def test_alibaba_clouds_login_service_may_have_it_and_the_host_itself(realm: str) -> None:
    assert may_have_password(realm, "registry.example.com")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http("200 OK"), r"the answer is not a registry's \(200\)"),
        (http("404 Not Found"), r"the answer is not a registry's \(404\)"),
        (http("503 Service Unavailable"), r"the answer is not a registry's \(503\)"),
        (
            http("401 Unauthorized", b"", "WWW-Authenticate: Basic"),
            "the answer is not a registry's",
        ),
        (http("302 Found", b"", "Location: http://evil.example/"), r"a registry's \(302\)"),
        (b"nonsense\r\n\r\n", "not valid HTTP"),
    ],
)
def test_what_does_not_answer_as_a_registry_refuses_nothing(
    tls: ssl.SSLContext, answer: bytes, words: str
) -> None:
    with (
        tcp_server(over_tls(tls, answering(answer))) as port,
        pytest.raises(Unreachable, match=words),
    ):
        check(f"localhost:{port}")


NO_TOKEN = "gives an answer without a token"
NO_SENSE = "its answer makes no sense"
TOO_LARGE = "its answer is not valid HTTP, or has more than 65536 bytes"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            http("500 Internal Server Error"),
            r"it fails, or the answer is not a registry's \(500\)",
        ),
        (http("302 Found", b"", "Location: http://evil.example/"), r"\(302\)"),
        (http("200 OK", b"{}"), NO_TOKEN),
        (http("200 OK", b'{"token": 5}'), NO_TOKEN),
        (http("200 OK", b"null"), NO_TOKEN),
        (http("200 OK", b"5"), NO_TOKEN),
        (http("200 OK", b"[1]"), NO_TOKEN),
        (http("200 OK", b'"x"'), NO_TOKEN),
        (http("200 OK"), NO_TOKEN),
        (http("200 OK", b"<html>"), NO_SENSE),
        (http("200 OK", b"\xff\xfe"), NO_SENSE),
        (http("200 OK", b"[" * 50_000), NO_SENSE),
        (http("200 OK", b"[" * 100_000), TOO_LARGE),
        (http("200 OK", b'{"token": ' + b"9" * 10_000 + b"}"), NO_SENSE),
        (http("200 OK", b'{"token": "t\\r\\nX-Forged: 1"}'), NO_TOKEN),
        (http("200 OK", b'{"token": "t\\ud800"}'), NO_TOKEN),
        (http("200 OK", b'{"token": "%s"}' % (b"t" * 70_000)), TOO_LARGE),
        (http("200 OK", gzip.compress(b"{}"), "Content-Encoding: gzip"), "compresses its answer"),
        (http("200 OK", b"{}", "Content-Encoding: br"), "compresses its answer"),
        (http("200 OK", b"{}", *(f"X-{number}: 1" for number in range(200))), TOO_LARGE),
        (http("200 OK", b"{}", f"X-Long: {'x' * 10_000}"), TOO_LARGE),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 5000 + http("200 OK", b'{"token": "t"}'), TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}", TOO_LARGE),
        (http("200 OK", b"{}", "Content-Type: text/html; charset=none"), NO_TOKEN),
        (b"nonsense\r\n\r\n", "not valid HTTP"),
    ],
)
def test_a_login_service_that_fails_refuses_nothing(
    tls: ssl.SSLContext, answer: bytes, words: str
) -> None:
    with tcp_server(over_tls(tls, answering(answer))) as login_port:
        registry = over_tls(tls, challenge(f"https://localhost:{login_port}/auth"))
        with tcp_server(registry) as port, pytest.raises(Unreachable, match=words) as raised:
            check(f"localhost:{port}")
    assert str(raised.value).startswith(
        f"cannot check the new token at registry host localhost:{port}: "
    )


@pytest.mark.parametrize("realm", ["https://[::1", "https://localhost:99999999/auth", "\xe9"])
def test_a_login_service_that_is_no_address_refuses_nothing(
    tls: ssl.SSLContext, realm: str
) -> None:
    with tcp_server(over_tls(tls, challenge(realm))) as port, pytest.raises(Unreachable):
        check(f"localhost:{port}")


def test_nobody_there() -> None:
    with pytest.raises(
        Unreachable, match=r"the connection failed\. Can the function's network reach it"
    ):
        check(f"localhost:{free_port()}")


def test_a_name_that_leads_nowhere() -> None:
    with pytest.raises(Unreachable, match="its name cannot be resolved"):
        check("registry.invalid")


def test_no_answer_in_time(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registry, "SETTINGS", replace(SETTINGS, registry_timeout=timedelta(seconds=0.2))
    )

    def stall(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with (
        tcp_server(over_tls(tls, stall)) as port,
        pytest.raises(Unreachable, match="no answer in time"),
    ):
        check(f"localhost:{port}")


def test_a_file_of_root_certificates_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(roots := tmp_path / "roots.pem")  # nothing ever writes to it
    monkeypatch.setattr(
        registry, "SETTINGS", replace(SETTINGS, registry_timeout=timedelta(seconds=0.2))
    )
    with pytest.raises(Unreachable, match="the root certificates cannot be read in time"):
        check("localhost:1", CloudTransport("http://127.0.0.1:1", str(roots)))


@pytest.mark.parametrize("content", [None, b"nonsense"])
def test_a_file_of_root_certificates_that_cannot_be_read(
    tmp_path: Path, content: bytes | None
) -> None:
    roots = tmp_path / "roots.pem"
    if content is not None:
        roots.write_bytes(content)
    with pytest.raises(Unreachable, match=r"cannot be read\. Check the file that SSL_CERT_FILE"):
        check("localhost:1", CloudTransport("http://127.0.0.1:1", str(roots)))


def endless(*parts: bytes) -> Serve:
    """The first part, and then the second until the client has enough."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(parts[0])
        while True:
            connection.sendall(parts[1] * 1000)

    return serve


HEAD = b"HTTP/1.1 200 OK\r\n"
FLOODS = {
    "interim answers": (b"", b"HTTP/1.1 103 \r\n\r\n"),
    "headers": (HEAD, b"X: 1\r\n"),
    "a header": (HEAD + b"X: ", b"x"),
    "a body": (HEAD + b"Connection: close\r\n\r\n", b'{"token": "t"}'),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "an extension of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
}


@pytest.mark.parametrize("parts", FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_after_a_few_bytes(tls: ssl.SSLContext, parts: tuple[bytes, bytes]) -> None:
    """Long before the time-out, which a loop that is kept busy would not even notice."""
    with tcp_server(over_tls(tls, endless(*parts))) as login_port:
        registry = over_tls(tls, challenge(f"https://localhost:{login_port}/auth"))
        with tcp_server(registry) as port, pytest.raises(Unreachable, match=TOO_LARGE):
            check(f"localhost:{port}")


def test_answers_are_asked_for_uncompressed(tls: ssl.SSLContext) -> None:
    login = Recorder(http("200 OK", b'{"token": "t"}'))
    with tcp_server(over_tls(tls, login)) as login_port:
        registry = over_tls(tls, challenge(f"https://localhost:{login_port}/auth"))
        with tcp_server(registry) as port:
            check(f"localhost:{port}")
    assert "Accept-Encoding: identity\r\n" in login.requests[0]


def test_a_drip_ends_in_time(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes soon, but the answer never ends."""
    monkeypatch.setattr(
        registry, "SETTINGS", replace(SETTINGS, registry_timeout=timedelta(seconds=0.3))
    )
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(HEAD)
        while not ended.wait(0.05):
            connection.sendall(b"x")

    with tcp_server(over_tls(tls, drip)) as port:
        with pytest.raises(Unreachable, match="no answer in time"):
            check(f"localhost:{port}")
        ended.set()


@pytest.mark.parametrize(
    "parameters",
    [
        "a" * 8000,
        'a="' * 2500,
        '"' * 8000,
        " ," * 4000,
        "x" * 3000 + ' realm="https://localhost/auth"',
    ],
)
def test_a_challenge_that_names_no_login_service_within_reason(
    tls: ssl.SSLContext, parameters: str
) -> None:
    header = f"WWW-Authenticate: Bearer {parameters}"
    strange = answering(http("401 Unauthorized", b"", header))
    with tcp_server(over_tls(tls, strange)) as port, pytest.raises(Unreachable, match="not sent"):
        check(f"localhost:{port}")


def test_with_a_local_cloud_nothing_leaves_the_machine() -> None:
    with pytest.raises(Unreachable, match="no request leaves this machine"):
        check("acme-registry.cn-hangzhou.cr.aliyuncs.com", CloudTransport("http://127.0.0.1:1"))


def test_other_roots_are_for_a_local_cloud_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs ACR_REFRESHER_LOCAL_CLOUD"):
        CloudTransport(registry_ca=str(tmp_path / "ca.pem"))


def test_expired(cloud: Cloud, function: CloudCredentials) -> None:
    """A token that has expired is refused as one that is unknown."""
    short = replace(cloud, token_lifetime=timedelta(0))
    with place_of(short, function) as place, pytest.raises(Denied):
        place.check()


# ---- proxies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("no_proxy", "words"),
    [
        ("", r"refuses to connect \(407\)"),
        ("10.0.0.0/8", r"refuses to connect \(407\)"),
        ("registry.invalid:443", "its name cannot be resolved"),
        (".invalid", "its name cannot be resolved"),
    ],
)
def test_the_environments_proxy_is_used_by_the_rules_of_container_runtimes(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, no_proxy: str, words: str
) -> None:
    del tls
    with tcp_server(answering(http("407 Proxy Authentication Required"))) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", no_proxy)
        with pytest.raises(Unreachable, match=words):
            check("registry.invalid")


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://user:hunter2@proxy:1080", "HTTPS_PROXY in the environment cannot be used for"),
        ("http://127.0.0.1:{port}", "cannot connect to the proxy that HTTPS_PROXY names"),
    ],
)
def test_a_proxy_that_cannot_be_used_refuses_nothing(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    del tls
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(port=free_port()))
    with pytest.raises(Unreachable, match=words) as raised:
        check("registry.invalid")
    assert "hunter2" not in str(raised.value)


def test_the_proxys_login_is_sent_to_the_proxy_alone(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    del tls
    proxy = Recorder(http("502 Bad Gateway"))
    with tcp_server(proxy) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:word@127.0.0.1:{port}")
        with pytest.raises(Unreachable):
            check("registry.invalid")
    [request] = proxy.requests
    assert request.startswith("CONNECT registry.invalid:443 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'user:word').decode()}" in request
