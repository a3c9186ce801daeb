"""Checks whether a registry host accepts a token, by logging in as a container runtime does.

Protocol: https://distribution.github.io/distribution/spec/auth/token/.

A host names its login service in its challenge (`realm`). The password is sent there only over
HTTPS, and only to the host itself or to Alibaba Cloud's own login service,
dockerauth….<region>.aliyuncs.com, which its registries name, also under custom domains. Other hosts
of aliyuncs.com are not accepted, because customers' functions and buckets have such names too.
Redirects are not followed.

A host may answer anything. Whatever is not a refusal of the token is Unreachable for this registry
alone. Each of its answers has at most `registry_answer_bytes`, and it is not decompressed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler

from acr_refresher.cloud.client import CloudTransport
from acr_refresher.errors import Denied, PortError, Unreachable
from acr_refresher.run.answer_bytes import AnswerBytes, AnswerTooLargeError
from acr_refresher.run.concurrency import in_own_thread
from acr_refresher.run.host_names import HostNames
from acr_refresher.run.ports import RegistryHosts, RegistryToken
from acr_refresher.run.proxy import EnvironmentProxy, UnusableProxyError
from acr_refresher.settings import SETTINGS

LOGIN_SERVICE = re.compile(r"dockerauth(-[a-z0-9-]+)?\.[a-z]{2}-[a-z0-9-]+\.aliyuncs\.com")
CHALLENGE_LENGTH = 2000
"""Characters of a challenge that are looked at."""
CAN_REACH = "Can the function's network reach it?"
_ROOTS = "the root certificates cannot be read"
_CHECK_ROOTS = "Check the file that SSL_CERT_FILE names, and the file system that it is on."
_TOKEN = re.compile(r"[!-~]+")  # RFC 6750, and everything else that fits into a header

_NOT_AN_ANSWER = (
    AnswerTooLargeError,
    aiohttp.ClientPayloadError,
    aiohttp.ClientResponseError,
)
_PARAMETER = re.compile(r'(?<!\w)(\w+)="([^"]*)"')  # only begins where a word begins: linear


class Resolver(HostNames, AbstractResolver):
    """Our look-ups of host names, as aiohttp takes them."""


class Connection(AnswerBytes, ResponseHandler):
    """A connection that ends if an answer is too large, and at once when it is closed.

    Otherwise a host that does not agree to the end of TLS could keep it open for half a minute.
    """

    most_bytes = SETTINGS.registry_answer_bytes

    def close(self) -> None:
        """Close the connection without the end of TLS."""
        self.abort()


class RegistryClient(RegistryHosts):
    """Registries over HTTPS, verified by the system's root certificates (or SSL_CERT_FILE's).

    With a local cloud nothing leaves this machine: only hosts on `localhost` are reachable.
    """

    def __init__(self, transport: CloudTransport) -> None:
        self._local = transport.local_cloud is not None
        self._ca_file = transport.registry_ca
        self._tls: ssl.SSLContext | None = None
        self._environment = EnvironmentProxy.of({} if self._local else os.environ)

    async def check_login(self, host: str, token: RegistryToken, repository: str) -> None:
        """Log in. Raises Denied if the host refuses the token, otherwise Unreachable."""
        if self._local and not _is_loopback(host):
            raise _unreachable(host, "with a local cloud, no request leaves this machine")
        with _failures(host):
            async with self._session(await self._trusted_roots(host)) as session:
                await self._check(session, host, token, repository)

    async def _check(
        self, session: aiohttp.ClientSession, host: str, token: RegistryToken, repository: str
    ) -> None:
        challenge = await self._challenge(session, host)
        options = self._options(challenge["realm"])
        bearer = await _log_in(session, host, challenge, token, repository, options)
        if repository:
            options = self._options(f"https://{host}")
            await _list_tags(session, host, bearer, repository, options)

    async def _challenge(self, session: aiohttp.ClientSession, host: str) -> Mapping[str, str]:
        """The login service and the name of the registry there."""
        url = f"https://{host}/v2/"
        async with session.get(url, **self._options(url)) as answer:
            header = answer.headers.get("WWW-Authenticate", "")[:CHALLENGE_LENGTH]
            scheme, _, parameters = header.partition(" ")
            if answer.status != HTTPStatus.UNAUTHORIZED or scheme.lower() != "bearer":
                raise _unreachable(host, f"the answer is not a registry's ({answer.status})")
        challenge = dict(_PARAMETER.findall(parameters))
        if not self._trusted(challenge.get("realm", ""), host):
            raise _unreachable(
                host,
                "it names a login service that is neither its own nor Alibaba Cloud's, or without"
                " HTTPS. The token was not sent there.",
            )
        return challenge

    def _options(self, url: str) -> dict[str, Any]:
        """The options of each request: it is not redirected, and goes through the proxy."""
        proxy = self._environment.proxy_for(url)
        return {"allow_redirects": False, **(proxy.options if proxy else {})}

    def _trusted(self, realm: str, host: str) -> bool:
        if self._local:
            return _is_loopback(urlsplit(realm).netloc)
        return may_have_password(realm, host)

    async def _trusted_roots(self, host: str) -> ssl.SSLContext:
        """The TLS context, made once. The file system of its files may hang."""
        if self._tls is None:
            read = in_own_thread(_tls_context, self._ca_file)
            try:
                self._tls = await asyncio.wait_for(read, SETTINGS.registry_timeout.total_seconds())
            except (asyncio.TimeoutError, TimeoutError) as error:
                raise _unreachable(host, f"{_ROOTS} in time. {_CHECK_ROOTS}") from error
            except OSError as error:
                raise _unreachable(host, f"{_ROOTS}. {_CHECK_ROOTS}") from error
        return self._tls

    def _session(self, tls: ssl.SSLContext) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=tls, resolver=Resolver())
        # aiohttp has no public way to replace its connection, which has this base class.
        make_connection: Any = partial(Connection, loop=asyncio.get_running_loop())
        connector._factory = make_connection  # noqa: SLF001  # see above
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=SETTINGS.registry_timeout.total_seconds()),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
        )


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


@contextmanager
def _failures(host: str) -> Iterator[None]:
    """Raise Unreachable for any failure that says nothing about the token."""
    try:
        yield
    except PortError:
        raise
    except Exception as error:  # the answer of a host that is no registry may raise anything
        words = next(words for kinds, words in _FAILURES if isinstance(error, kinds))
        raise _unreachable(host, words.format(error=error)) from error


_FAILURES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    # The first that fits counts.
    (UnusableProxyError, "{error}"),
    (
        aiohttp.ClientHttpProxyError,
        "the proxy that HTTPS_PROXY names refuses to connect ({error.status})",
    ),
    (aiohttp.ClientProxyConnectionError, "cannot connect to the proxy that HTTPS_PROXY names"),
    (aiohttp.ClientConnectorCertificateError, "its TLS certificate is not trusted"),
    ((asyncio.TimeoutError, TimeoutError), f"no answer in time. {CAN_REACH}"),
    (aiohttp.ClientConnectorDNSError, f"its name cannot be resolved. {CAN_REACH}"),
    (
        _NOT_AN_ANSWER,
        f"its answer is not valid HTTP, or has more than {SETTINGS.registry_answer_bytes} bytes",
    ),
    ((aiohttp.ClientError, OSError), f"the connection failed. {CAN_REACH}"),
    (Exception, "its answer makes no sense"),
)


def may_have_password(realm: str, host: str) -> bool:
    """Whether a registry host's password may be sent to the login service that the host names."""
    parts = urlsplit(realm)
    name = parts.hostname or ""
    known = name == urlsplit(f"//{host}").hostname or bool(LOGIN_SERVICE.fullmatch(name))
    return parts.scheme == "https" and known and "@" not in parts.netloc


async def _log_in(  # what a request consists of
    session: aiohttp.ClientSession,
    host: str,
    challenge: Mapping[str, str],
    token: RegistryToken,
    repository: str,
    options: Mapping[str, Any],
) -> str:
    """The bearer token with the right to pull from the repository, if there is one."""
    query = {"service": challenge.get("service", ""), "account": token.username}
    if repository:
        query["scope"] = f"repository:{repository}:pull"
    async with session.get(
        challenge["realm"],
        params=query,
        headers={"Authorization": _basic(token)},
        **options,
    ) as answer:
        _check_status(host, answer.status, {HTTPStatus.OK}, "the new token")
        body = await _body(host, answer)
    fields = json.loads(body or b"null")
    fields = fields if isinstance(fields, dict) else {}
    bearer = fields.get("token") or fields.get("access_token")
    if not isinstance(bearer, str) or not _TOKEN.fullmatch(bearer):
        raise _unreachable(host, "its login service gives an answer without a token")
    return bearer


async def _body(host: str, answer: aiohttp.ClientResponse) -> bytes:
    """The body, if it is not compressed, as it was asked for."""
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise _unreachable(host, "its login service compresses its answer unasked")
    return await answer.content.read()


async def _list_tags(
    session: aiohttp.ClientSession,
    host: str,
    bearer: str,
    repository: str,
    options: Mapping[str, Any],
) -> None:
    """List the repository's tags, which needs the right to pull. There may be none."""
    async with session.get(
        f"https://{host}/v2/{repository}/tags/list",
        params={"n": "1"},
        headers={"Authorization": f"Bearer {bearer}"},
        **options,
    ) as answer:
        accepted = {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
        _check_status(host, answer.status, accepted, f"the new token for pulling {repository}")


def _basic(token: RegistryToken) -> str:
    login = f"{token.username}:{token.password.get_secret_value()}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def _check_status(host: str, status: int, accepted: set[HTTPStatus], what: str) -> None:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise Denied(
            f"registry host {host} refuses {what}. Allow cr:PullRepository on the registry's"
            " repositories in the policy of the last role of its chain. If the host belongs to"
            " another registry, correct `domains`.",
            service="registry",
            code=str(status),
        )
    if status not in accepted:
        raise _unreachable(host, f"it fails, or the answer is not a registry's ({status})")


def _is_loopback(host: str) -> bool:
    return urlsplit(f"//{host}").hostname in {"localhost", "127.0.0.1", "::1"}


def _unreachable(host: str, why: str) -> Unreachable:
    return Unreachable(
        f"cannot check the new token at registry host {host}: {why}", service="registry"
    )
