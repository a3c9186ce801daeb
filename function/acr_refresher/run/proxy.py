"""The proxy on the way to an API server or a registry.

HTTPS_PROXY and NO_PROXY mean what they mean to kubectl and to container runtimes, which are written
in Go. Go's rules are in https://pkg.go.dev/golang.org/x/net/http/httpproxy. Python's own rules
differ: they know no CIDR blocks and no ports, and prefer the variables in lower case.

Where Go connects directly because HTTPS_PROXY is malformed, or speaks SOCKS or TLS to the proxy, we
refuse to connect, because only plain HTTP proxies are supported.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import SecretStr

from acr_refresher.config.addresses import is_http_proxy, parsed_ip

SCHEMES = ("http", "https", "socks5")
"""The schemes that Go knows. Any other text is a host, with or without a port."""
HTTPS_PORT = "443"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class UnusableProxyError(Exception):
    """The environment names a kind of proxy that is not supported. The text has no secret."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: its URL without credentials, and its Proxy-Authorization header."""

    url: str
    authorization: SecretStr | None = None

    @classmethod
    def of(cls, checked_url: str) -> Proxy:
        """The proxy of a URL that `is_http_proxy`."""
        parts = urlsplit(checked_url)
        login, at, host = parts.netloc.rpartition("@")
        name, _, password = login.partition(":")
        pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
        basic = SecretStr(f"Basic {base64.b64encode(pair).decode()}")
        return cls(f"http://{host}", basic if at else None)

    @property
    def options(self) -> dict[str, Any]:
        """The options of a request of aiohttp."""
        if not self.authorization:
            return {"proxy": self.url}
        login = {"Proxy-Authorization": self.authorization.get_secret_value()}
        return {"proxy": self.url, "proxy_headers": login}


@dataclass(frozen=True, slots=True)
class Exemption:
    """An entry of NO_PROXY. An entry of no host exempts every host."""

    host: str = ""
    port: str = ""
    network: Network | None = None
    subdomains_only: bool = False

    def covers(self, host: str, port: str, address: Address | None) -> bool:
        """Whether this entry exempts a server. `address` is the host if it is an IP address."""
        if self.port not in ("", port):
            return False
        if self.network is not None:
            return address is not None and address in self.network
        if not self.host:
            return True
        return host.endswith(f".{self.host}") or (host == self.host and not self.subdomains_only)


@dataclass(frozen=True, slots=True)
class EnvironmentProxy:
    """The proxy for HTTPS that an environment names, and the servers that are exempt from it."""

    url: SecretStr | None
    exemptions: tuple[Exemption, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> EnvironmentProxy:
        """Read the variables. The one in capital letters takes precedence, unless it is empty."""
        proxy, exempt = (
            environ.get(name) or environ.get(name.lower()) or ""
            for name in ("HTTPS_PROXY", "NO_PROXY")
        )
        url = _with_scheme(proxy.strip())
        return cls(SecretStr(url) if url else None, tuple(_exemptions(exempt)))

    def proxy_for(self, server: str, own: SecretStr | None = None) -> Proxy | None:
        """The proxy for a server: its own, or that of the environment.

        Raises UnusableProxyError.
        """
        if own:
            return Proxy.of(own.get_secret_value())
        if self.url is None or self._exempts(server):
            return None
        url = self.url.get_secret_value()
        if not is_http_proxy(url):
            raise UnusableProxyError(
                f"HTTPS_PROXY in the environment cannot be used for {server}: only"
                " http://HOST:PORT is supported, with USER:PASSWORD@ before HOST if it requires a"
                " login. Change it, or add the server to NO_PROXY."
            )
        return Proxy.of(url)

    def _exempts(self, server: str) -> bool:
        parts = urlsplit(server)
        host, port = parts.hostname or "", str(parts.port or HTTPS_PORT)
        address = _address(host)
        if host == "localhost" or (address and address.is_loopback):
            return True
        return any(exemption.covers(host, port, address) for exemption in self.exemptions)


def _with_scheme(proxy: str) -> str:
    is_url = proxy.lower().startswith(tuple(f"{scheme}://" for scheme in SCHEMES))
    return proxy if is_url or not proxy else f"http://{proxy}"


def _exemptions(no_proxy: str) -> Iterator[Exemption]:
    """The entries of NO_PROXY. What cannot be read is ignored, as Go does."""
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    if "*" in entries:
        yield Exemption()
        return
    for entry in filter(None, entries):
        network = _network(entry)
        host, port = (entry, "") if network else _split_port(entry)
        if network is None and (address := _address(host)):
            network = ip_network(address)
        suffix = host.removeprefix("*")
        if network is not None:
            yield Exemption(port=port, network=network)
        elif name := suffix.removeprefix("."):
            yield Exemption(name, port, subdomains_only=suffix.startswith("."))


def _network(entry: str) -> Network | None:
    """A block such as 10.0.0.0/8. Python would also take a netmask, or an address alone."""
    if not entry.rpartition("/")[2].isdecimal() or "/" not in entry:
        return None
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None


def _split_port(entry: str) -> tuple[str, str]:
    """The host and the port of HOST:PORT or [IPV6]:PORT; an IPv6 address alone has no port."""
    host, colon, port = entry.rpartition(":")
    if not colon or "]" in port or (":" in host and not host.startswith("[")):
        return entry, ""
    return host.removeprefix("[").removesuffix("]"), port


def _address(host: str) -> Address | None:
    """An IP address; that of IPv4 for ::ffff:a.b.c.d. Go does not know addresses with a zone."""
    address = None if "%" in host else parsed_ip(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
