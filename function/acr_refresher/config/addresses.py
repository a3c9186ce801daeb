"""URLs and host names that people write: what is accepted can be connected to, and logged."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?", re.ASCII)
_MAX_HOST_NAME = 253


def url_parts(url: str) -> SplitResult | None:
    """The parts of a URL with a host, or None if the text is none.

    Python's own reader drops line breaks, and its messages quote the URL's password.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port  # read only here
    except ValueError:
        return None
    return parts if port != 0 and is_host(parts.hostname or "") else None


def is_http_proxy(url: str) -> bool:
    """Whether a text is http://HOST[:PORT] or http://USER:PASSWORD@HOST[:PORT]."""
    parts = url_parts(url)
    if parts is None or parts.scheme != "http":
        return False
    return not (parts.path.strip("/") or parts.query or parts.fragment)


def is_host(text: str) -> bool:
    """Whether a text is an IP address, or a host name that DNS and TLS can carry."""
    if parsed_ip(text):
        return True
    return len(text) <= _MAX_HOST_NAME and _HOST_NAME.fullmatch(text) is not None


def parsed_ip(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a text is, or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None
