"""What must never be shown, recognised by the name it goes under or by its look."""

from __future__ import annotations

import functools
import re

MASK = "**********"

_SECRET_NAME = re.compile(
    r"""
    token | passw(or)?d | passphrase | authori[sz]ation | cookie | signature | kubeconfig
    | secret[_-]?key | key[_-]?secret | private[_-]?key | key[_-]?data
    | docker[_-]?config | credentials?$
    """,
    re.IGNORECASE | re.VERBOSE,
)

_SECRET_LOOK = re.compile(
    r"""
    (?P<role>\bacs:ram::\d*:[\w.@/-]+)                          # the name of a role, kept
    | (?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=:-]{6,}          # of an Authorization header
    | (?P<user>://[^\s/:@]*:)[^\s/@]+(?=@)                      # the password in a URL
    | (?P<name>(?<![\w-])[\w-]*                                 # name=value, "name": "value"
        (?:token|passw(?:or)?d|authorization|signature|key[_-]?secret|secret[_-]?key)
        (?:["']\s*:\s*["']?|=["']?))[^\s"'&,;]+
    | \beyJ[\w-]{8,}(?:\.[\w-]*){0,2}                           # a JSON Web Token
    | (?-i:(?<![\w+/-])                                         # base64: all of these in one run
        (?=(?:[a-z0-9_+/-]*[A-Z]){4})
        (?=(?:[A-Z0-9_+/-]*[a-z]){4})
        (?=[A-Za-z_+/-]*[0-9])
        [\w+/-]{24,}={0,2})
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)


_PLAIN = r"[a-z0-9._/ -]*"
_HARMLESS = re.compile(rf"{_PLAIN}(?:T\d\d:\d\d:\d\dZ{_PLAIN})*", re.ASCII)
_YET_SECRET = ("bearer ", "basic ", "eyj")
"""Names, hosts, IDs, digests and times, told at a tenth of the cost of `_SECRET_LOOK`; and what
that means of such text."""


@functools.lru_cache(1024)
def is_secret_name(name: str) -> bool:
    """Whether what goes under this name is a secret, as `password`; `secret` names an object."""
    return _SECRET_NAME.search(name) is not None


def mask_text(text: str) -> str:
    """The text without its passwords, tokens, signatures and long base64 runs.

    Names stay readable: of objects (`acr-pull`), roles, request IDs and digests in hexadecimal.
    """
    return text if _is_harmless(text) else _without_secrets(text)


def _is_harmless(text: str) -> bool:
    plain = _HARMLESS.fullmatch(text) is not None
    return plain and not any(words in text for words in _YET_SECRET)


@functools.lru_cache(256)  # the same warning may stand in a line for each of a thousand secrets
def _without_secrets(text: str) -> str:
    return _SECRET_LOOK.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    groups = found.groupdict()
    if groups["role"]:
        return groups["role"]
    return (groups["scheme"] or groups["user"] or groups["name"] or "") + MASK
