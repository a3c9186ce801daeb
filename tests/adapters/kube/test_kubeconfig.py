"""A kubeconfig is data: what in it is used, and what is refused."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from acr_refresher.errors import Invalid
from acr_refresher.kube.kubeconfig import read_kubeconfig
from acr_refresher.run.ports import Kubeconfig

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def pem(kind: str, content: str = "AAAA") -> str:
    text = f"-----BEGIN {kind}-----\n{content}\n-----END {kind}-----\n"
    return base64.b64encode(text.encode()).decode()


CERTIFICATE, KEY = pem("CERTIFICATE"), pem("PRIVATE KEY")
NAME = "must be a host name or an IP address"
SERVER = {"server": "https://10.0.0.1:6443", "certificate-authority-data": CERTIFICATE}
TOKEN = {"token": "the-token"}


def kubeconfig(
    cluster: Any = SERVER, user: Any = TOKEN, expires_at: datetime | None = None, **fields: Any
) -> Kubeconfig:
    document = {
        "current-context": "here",
        "contexts": [
            {"name": "elsewhere", "context": {"cluster": "b", "user": "b"}},
            {"name": "here", "context": {"cluster": "a", "user": "a", "namespace": "shop"}},
        ],
        "clusters": [
            {"name": "b", "cluster": {"server": "http://not-looked-at"}},
            {"name": "a", "cluster": cluster},
        ],
        "users": [
            {"name": "b", "user": {"exec": {"command": "not-looked-at"}}},
            {"name": "a", "user": user},
        ],
        **fields,
    }
    return Kubeconfig(SecretStr(yaml.safe_dump(document)), expires_at)


def problems(given: Kubeconfig, now: datetime | None = None) -> str:
    with pytest.raises(Invalid) as raised:
        read_kubeconfig(given, now)
    assert raised.value.service == "kube"
    return str(raised.value)


def test_the_current_contexts_cluster_and_user_count() -> None:
    access = read_kubeconfig(kubeconfig())

    assert access.server == "https://10.0.0.1:6443"
    assert access.ca_pem is not None
    assert access.ca_pem.startswith("-----BEGIN CERTIFICATE-----")
    assert access.token is not None
    assert access.token.get_secret_value() == "the-token"
    assert access.client_pem is None
    assert (access.tls_server_name, access.proxy_url) == (None, None)


def test_a_client_certificate_and_its_key_make_one_pem() -> None:
    user = {"client-certificate-data": CERTIFICATE, "client-key-data": KEY}

    access = read_kubeconfig(kubeconfig(user=user))

    assert access.client_pem is not None
    text = access.client_pem.get_secret_value()
    assert text.index("BEGIN CERTIFICATE") < text.index("BEGIN PRIVATE KEY")
    assert access.token is None


def test_proxy_server_name_and_path_are_taken_over() -> None:
    cluster = {
        "server": "https://gateway.example.com/clusters/a/",
        "tls-server-name": "kubernetes",
        "proxy-url": "http://user:word@proxy:3128",
        "insecure-skip-tls-verify": False,
    }

    access = read_kubeconfig(kubeconfig(cluster))

    assert access.server == "https://gateway.example.com/clusters/a"
    assert access.ca_pem is None
    assert access.tls_server_name == "kubernetes"
    assert access.proxy_url is not None
    assert access.proxy_url.get_secret_value() == "http://user:word@proxy:3128"


@pytest.mark.parametrize(
    ("cluster", "user", "problem"),
    [
        ({**SERVER, "server": "http://10.0.0.1"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://u:p@host"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://[::1"}, TOKEN, "cluster.server: must be https://"),
        (
            {**SERVER, "server": "https://host:99999"},
            TOKEN,
            "cluster.server: must be https://HOST[:PORT], with a port of 1 to 65535",
        ),
        ({**SERVER, "server": "https://host:http"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://host:0"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://ho\nst"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://ho st"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://host/a b"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://host/?a"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://host/#a"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://h\u00f6st"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://a..b"}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": "https://" + "x" * 64}, TOKEN, "cluster.server: must be https://"),
        ({**SERVER, "server": ""}, TOKEN, "cluster.server: Field required"),
        ({**SERVER, "tls-server-name": "a b"}, TOKEN, f"cluster.tls-server-name: {NAME}"),
        ({**SERVER, "tls-server-name": "a..b"}, TOKEN, f"cluster.tls-server-name: {NAME}"),
        ({**SERVER, "tls-server-name": ".a"}, TOKEN, f"cluster.tls-server-name: {NAME}"),
        ({**SERVER, "tls-server-name": "x" * 64}, TOKEN, f"cluster.tls-server-name: {NAME}"),
        ({**SERVER, "tls-server-name": "x." * 150}, TOKEN, f"cluster.tls-server-name: {NAME}"),
        ({**SERVER, "tls-server-name": "xn--\u00f6"}, TOKEN, f"cluster.tls-server-name: {NAME}"),
        ({**SERVER, "tls-server-name": "a\nb"}, TOKEN, f"cluster.tls-server-name: {NAME}"),
        (
            {**SERVER, "tls-server-name": 5},
            TOKEN,
            "cluster.tls-server-name: Input should be a valid",
        ),
        ({}, TOKEN, "cluster.server: Field required"),
        (
            {**SERVER, "insecure-skip-tls-verify": True},
            TOKEN,
            "cluster.insecure-skip-tls-verify is refused: TLS is always verified",
        ),
        (
            {**SERVER, "certificate-authority": "/etc/ca.crt"},
            TOKEN,
            "cluster.certificate-authority is refused: files are not read; embed it",
        ),
        (
            {**SERVER, "certificate-authority-data": "bm8gUEVN"},
            TOKEN,
            "cluster.certificate-authority-data: must be PEM in base64",
        ),
        (
            {**SERVER, "certificate-authority-data": "=="},
            TOKEN,
            "cluster.certificate-authority-data: must be PEM in base64",
        ),
        ({**SERVER, "proxy-url": "socks5://proxy:1080"}, TOKEN, "cluster.proxy-url: must be http:"),
        ({**SERVER, "proxy-url": "http://proxy:99999"}, TOKEN, "cluster.proxy-url: must be http:"),
        ({**SERVER, "proxy-url": "proxy:3128"}, TOKEN, "cluster.proxy-url: must be http:"),
        ({**SERVER, "proxy-url": "http://pro xy"}, TOKEN, "cluster.proxy-url: must be http:"),
        (
            {**SERVER, "proxy-url": "http://proxy/\r\nX: y"},
            TOKEN,
            "cluster.proxy-url: must be http",
        ),
        (SERVER, {"exec": {"command": "rm"}}, "user.exec is refused: programs are not run"),
        (SERVER, {"auth-provider": {"name": "oidc"}}, "user.auth-provider is refused"),
        (SERVER, {"tokenFile": "/token"}, "user.tokenFile is refused"),
        (SERVER, {"client-certificate": "/crt"}, "user.client-certificate is refused"),
        (SERVER, {"client-key": "/key"}, "user.client-key is refused"),
        (SERVER, {"username": "admin"}, "user.username is refused"),
        (SERVER, {"password": "word"}, "user.password is refused"),
        (SERVER, {**TOKEN, "as": "admin"}, "user.as is refused: impersonation is not supported"),
        (SERVER, {}, "user: it has no credentials; use a token"),
        (SERVER, {"token": ""}, "user: it has no credentials"),
        (SERVER, {"token": ["a"]}, "user.token: Input should be a valid string"),
        (SERVER, {"token": "two\nlines"}, "user.token: must be one line of ASCII"),
        (SERVER, {"token": "two words"}, "user.token: must be one line of ASCII"),
        (SERVER, {"token": "a\r\nX: y"}, "user.token: must be one line of ASCII"),
        (SERVER, {"token": "a\tb"}, "user.token: must be one line of ASCII"),
        (SERVER, {"token": "the-token\n"}, "user.token: must not end with a line break; write it"),
        (SERVER, {"token": "the-token\r\n"}, "user.token: must not end with a line break"),
        (SERVER, {"token": "t\u00f6ken"}, "user.token: must be one line of ASCII"),
        (SERVER, {"client-key-data": KEY}, "client-key-data belong together"),
        (SERVER, {"client-certificate-data": CERTIFICATE}, "client-key-data belong together"),
        (
            SERVER,
            {
                "client-certificate-data": CERTIFICATE,
                "client-key-data": pem("ENCRYPTED PRIVATE KEY"),
            },
            "user.client-key-data: must not be encrypted",
        ),
        (SERVER, None, "it has no user 'a'"),
        ("https://10.0.0.1", TOKEN, "it has no cluster 'a'"),
    ],
)
def test_what_cannot_or_must_not_be_used_is_named(cluster: Any, user: Any, problem: str) -> None:
    assert problem in problems(kubeconfig(cluster, user))


def test_an_empty_text_is_absent_as_it_is_for_kubectl() -> None:
    cluster = {
        "server": "https://10.0.0.1:6443",
        "certificate-authority-data": "",
        "certificate-authority": "",
        "proxy-url": "",
        "tls-server-name": "",
    }
    user = {**TOKEN, "client-certificate-data": "", "client-key-data": "", "client-key": ""}

    access = read_kubeconfig(kubeconfig(cluster, {**user, "username": "", "tokenFile": ""}))

    assert (access.ca_pem, access.proxy_url, access.tls_server_name) == (None, None, None)
    assert access.client_pem is None
    assert access.token == SecretStr("the-token")


def test_half_a_client_certificate_is_refused_also_if_the_other_half_is_empty() -> None:
    user = {"client-certificate-data": CERTIFICATE, "client-key-data": ""}

    assert "belong together" in problems(kubeconfig(user=user))


@pytest.mark.parametrize("name", ["10.0.0.1", "::1", "kubernetes", "a_b.example.com.", "A-1.cn"])
def test_a_server_name_is_a_host_name_or_an_address(name: str) -> None:
    assert read_kubeconfig(kubeconfig({**SERVER, "tls-server-name": name})).tls_server_name == name


def test_a_byte_order_mark_is_no_part_of_a_kubeconfig() -> None:
    text = kubeconfig().document.get_secret_value()

    assert read_kubeconfig(Kubeconfig(SecretStr(f"\ufeff{text}"))).token == SecretStr("the-token")


def test_a_few_anchors_and_merge_keys_are_fine() -> None:
    text = """
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters:
- name: b
  cluster: &b {server: "https://b.example.com", tls-server-name: kubernetes}
- name: a
  cluster: {<<: *b, server: "https://a.example.com"}
users:
- name: b
  user: &user {token: the-token}
- name: a
  user: *user
"""

    access = read_kubeconfig(Kubeconfig(SecretStr(text)))

    assert (access.server, access.tls_server_name) == ("https://a.example.com", "kubernetes")
    assert access.token == SecretStr("the-token")


@pytest.mark.parametrize("form", ["[{}]", "{{x: [{}]}}", "{{<<: [{}]}}"])
def test_a_kubeconfig_that_unfolds_is_refused(form: str) -> None:
    """800 bytes with nested merge keys once took all of the function's memory."""
    lines = ["a0: &a0 {k: v}"]
    for level in range(1, 12):
        repeated = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} {form.format(repeated)}")

    found = problems(Kubeconfig(SecretStr("\n".join(lines))))

    assert "found aliases that repeat too much (write the values out)" in found


def test_the_message_about_many_repeated_keys_is_bounded() -> None:
    text = "a: 1\n" * 3000

    found = problems(Kubeconfig(SecretStr(text)))

    assert found.endswith("; and 2989 more")
    assert len(found) < 1000


def test_all_problems_are_named_at_once() -> None:
    cluster = {"server": "http://10.0.0.1", "insecure-skip-tls-verify": True}
    user = {"exec": {"command": "rm"}, "token": 5}

    found = problems(kubeconfig(cluster, user))

    for part in ("cluster.server", "insecure-skip-tls-verify", "user.exec", "user.token"):
        assert part in found


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"current-context": "nowhere"}, "it has no context 'nowhere'"),
        ({"current-context": ""}, "it has no current-context"),
        ({"current-context": "x" * 500}, f"it has no context '{'x' * 80}'"),
        ({"current-context": None}, "document.current-context: Input should be a valid string"),
        ({"users": "none"}, "document.users: Input should be a valid list"),
        ({"contexts": [{"name": "here", "context": {"user": "a"}}]}, "context.cluster: Field req"),
    ],
)
def test_a_document_that_leads_nowhere_is_invalid(fields: dict[str, Any], problem: str) -> None:
    assert problem in problems(kubeconfig(**fields))


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("users:\n- token: 'the-token\n", "it is not valid YAML in line 3, column 1: "),
        ("[" * 100_000 + "]" * 100_000, "it is nested deeper than 32 levels (flatten it)"),
        ("current-context: \0", "it has the control character U+0000 in line 1 (remove it)"),
        ("!!python/object/apply:os.system ['the-token']", "in line 1, column 1: found an unknown"),
        (
            "a:\n- token: !the-token",
            "it is not valid YAML in line 2, column 10: found an unknown tag",
        ),
        ("a: !!timestamp soon", "in line 1, column 4: found a value that is not a valid timestamp"),
        ("a: !!bool maybe", "in line 1, column 4: found a value that is not a valid bool"),
        ("a: !!float x", "in line 1, column 4: found a value that is not a valid float"),
        ("a: !!int ''", "in line 1, column 4: found a value that is not a valid int"),
        ("a: 1\nb: !!int x", "in line 2, column 4: found a value that is not a valid int"),
        ("a: 2026-99-99", "in line 1, column 4: found a value that is not a valid timestamp"),
        (f"a: {'7' * 5000}", "in line 1, column 4: found a value of type int with over 100 char"),
        (
            "a: 1\na: 2\nb: 1\nb: 2",
            "used: a is in line 1 and again in line 2 (keep one of them); b is",
        ),
        ("a: &a [*a]", "it is not valid YAML in line 1, column 8: found an alias within what it"),
        (f"a: {'x' * 500_000}", "it has more than 500000 characters"),
        ("- a\n" * 10_001, "line 10000, column 3: found more than 10000 values (leave out what"),
        ("", "document: must be a mapping"),
        ("just text", "document: must be a mapping"),
    ],
)
def test_what_is_no_kubeconfig_is_invalid(document: str, problem: str) -> None:
    assert problem in problems(Kubeconfig(SecretStr(document)))


def test_a_kubeconfig_that_has_lapsed_is_invalid() -> None:
    lapsed = kubeconfig(expires_at=NOW)

    assert "it expired at 2026-01-31T12:00:00Z" in problems(lapsed, NOW)
    assert read_kubeconfig(lapsed, NOW - timedelta(seconds=1))
    assert read_kubeconfig(lapsed)
    assert read_kubeconfig(kubeconfig(), NOW)


@pytest.mark.parametrize(
    "given",
    [
        kubeconfig(user={"token": ["the-token"]}),
        kubeconfig(user={"password": "the-token"}),
        kubeconfig({**SERVER, "proxy-url": "socks5://the-token@proxy"}),
        kubeconfig({**SERVER, "proxy-url": "http://user:the-token@ho\u2100st"}),  # none by NFKC
        kubeconfig({**SERVER, "server": "https://the-token@host"}),
        kubeconfig({**SERVER, "server": "https://host:the-token"}),
        kubeconfig({**SERVER, "certificate-authority-data": "the-token"}),
        Kubeconfig(SecretStr("token: 'the-token")),
    ],
)
def test_no_value_shows_in_an_error(given: Kubeconfig) -> None:
    with pytest.raises(Invalid) as raised:
        read_kubeconfig(given)

    assert "the-token" not in f"{raised.value!s} {raised.value!r}"


def test_what_was_read_does_not_show_its_secrets() -> None:
    user = {**TOKEN, "client-certificate-data": CERTIFICATE, "client-key-data": KEY}

    shown = repr(read_kubeconfig(kubeconfig(user=user)))

    assert "the-token" not in shown
    assert "PRIVATE" not in shown
