"""HTTPS_PROXY and NO_PROXY mean what they mean to kubectl.

The rules are those of Go: https://pkg.go.dev/golang.org/x/net/http/httpproxy, whose own tests have
most of these cases.
"""

from __future__ import annotations

import base64

import pytest
from pydantic import SecretStr

from acr_refresher.run.proxy import EnvironmentProxy, Proxy, UnusableProxyError

PROXY = "http://proxy.example.com:3128"


def proxy_for(server: str, **environ: str) -> str | None:
    proxy = EnvironmentProxy.of(environ).proxy_for(server)
    return proxy.url if proxy else None


@pytest.mark.parametrize(
    ("no_proxy", "server", "exempt"),
    [
        ("", "https://api.example.com", False),
        ("*", "https://api.example.com", True),
        ("other.example, *", "https://api.example.com", True),
        ("example.com", "https://example.com:6443", True),
        ("example.com", "https://api.example.com:6443", True),
        ("example.com", "https://myexample.com", False),
        (" EXAMPLE.com ,b", "https://api.Example.com", True),
        (".example.com", "https://api.example.com", True),
        (".example.com", "https://example.com", False),
        ("*.example.com", "https://api.example.com", True),
        ("*.example.com", "https://example.com", False),
        ("a*.example.com", "https://api.example.com", False),
        ("example.com:6443", "https://api.example.com:6443", True),
        ("example.com:6443", "https://api.example.com", False),
        ("example.com:443", "https://api.example.com", True),
        (".example.com:6443", "https://api.example.com:6443", True),
        ("example.com:", "https://api.example.com:6443", True),
        ("10.0.3.7", "https://10.0.3.7:6443", True),
        ("10.0.3.7", "https://10.0.3.70:6443", False),
        ("10.0.3.7:6443", "https://10.0.3.7:6443", True),
        ("10.0.3.7:6443", "https://10.0.3.7", False),
        ("10.0.0.0/8", "https://10.0.3.7:6443", True),
        ("10.0.0.1/8", "https://10.0.3.7:6443", True),
        ("10.0.0.0/8", "https://11.0.3.7:6443", False),
        ("10.0.0.0/8", "https://10.example.com", False),
        ("10.0.0.0/255.0.0.0", "https://10.0.3.7", False),
        ("10.0.0.0/33", "https://10.0.3.7", False),
        ("0.0.0.0/0", "https://10.0.3.7", True),
        ("0.0.0.0/0", "https://[fd00::7]", False),
        ("fd00::/8", "https://[fd00::7]:6443", True),
        ("fd00::7", "https://[fd00::7]:6443", True),
        ("[fd00::7]:6443", "https://[fd00::7]:6443", True),
        ("[fd00::7]:6443", "https://[fd00::7]", False),
        ("10.0.3.7", "https://[::ffff:10.0.3.7]", True),
        ("fe80::/10", "https://[fe80::1%25eth0]:6443", False),
        ("::ffff:10.0.3.7", "https://10.0.3.7", True),
        (":6443", "https://10.0.3.7:6443", False),
        ("..,.,*.,:,[],/,", "https://10.0.3.7:6443", False),
        ("10.0.3", "https://10.0.3.7", False),
        ("3.7", "https://10.0.3.7", True),  # Go compares the end of an address, too
    ],
)
def test_which_servers_are_reached_without_the_proxy(
    no_proxy: str, server: str, exempt: bool
) -> None:
    assert proxy_for(server, HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) == (None if exempt else PROXY)


@pytest.mark.parametrize(
    "server",
    ["https://localhost:6443", "https://127.0.0.1:6443", "https://[::1]", "https://127.1.2.3"],
)
def test_this_machine_is_never_reached_through_the_environments_proxy(server: str) -> None:
    assert proxy_for(server, HTTPS_PROXY=PROXY) is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"https_proxy": PROXY}, PROXY),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "", "https_proxy": "http://b:1"}, "http://b:1"),
        ({"HTTPS_PROXY": "proxy.example.com:3128"}, PROXY),
        ({"HTTPS_PROXY": "proxy"}, "http://proxy"),
        ({"HTTPS_PROXY": "10.0.0.1:3128"}, "http://10.0.0.1:3128"),
        ({"HTTPS_PROXY": "user:word@proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://[fd00::7]:3128/"}, "http://[fd00::7]:3128"),
        ({"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "example.com"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "a", "no_proxy": "example.com"}, PROXY),
    ],
)
def test_the_variables_that_count(environ: dict[str, str], expected: str | None) -> None:
    assert proxy_for("https://api.example.com:6443", **environ) == expected


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://user:the-word@proxy:1080",
        "SOCKS5://proxy:1080",
        "https://user:the-word@proxy:3128",
        "http://user:the-word@proxy:port",
        "http://proxy:3128/the-word",
        "http://pro xy:3128",
        "http://proxy:3128\r\nX: y",
        "http://",
    ],
)
def test_a_proxy_that_is_not_supported_is_refused_where_it_would_be_used(proxy: str) -> None:
    environ = {"HTTPS_PROXY": proxy, "NO_PROXY": "10.0.0.0/8"}

    with pytest.raises(
        UnusableProxyError, match=r"HTTPS_PROXY in the environment cannot be used"
    ) as raised:
        proxy_for("https://api.example.com", **environ)

    assert "the-word" not in f"{raised.value!s} {EnvironmentProxy.of(environ)!r}"
    assert proxy_for("https://10.0.3.7:6443", **environ) is None


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("http://user:word@proxy:3128", b"user:word"),
        ("http://us%3Aer:w%0Ard@proxy:3128", b"us:er:w\nrd"),
        ("http://user:p%C3%B6@proxy:3128", "user:pö".encode()),
        ("http://a@b:c@proxy:3128", b"a@b:c"),
        ("http://token@proxy:3128", b"token:"),
        ("http://proxy:3128", None),
    ],
)
def test_a_proxys_login_is_apart_from_its_url(url: str, login: bytes | None) -> None:
    proxy = Proxy.of(url)

    assert proxy.url == "http://proxy:3128"
    if login is None:
        assert proxy.authorization is None
    else:
        assert proxy.authorization is not None
        shown = proxy.authorization.get_secret_value()
        assert base64.b64decode(shown.removeprefix("Basic ")) == login
        assert shown not in repr(proxy)


def test_the_kubeconfigs_own_proxy_takes_precedence_even_over_no_proxy() -> None:
    environment = EnvironmentProxy.of({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"})

    proxy = environment.proxy_for("https://127.0.0.1:6443", SecretStr("http://own:1"))

    assert proxy is not None
    assert proxy.url == "http://own:1"
