"""The registries themselves: whether a host takes a token, tried as a container runtime would.

https://distribution.github.io/distribution/spec/auth/token/. Who is sent the password is the
matter to be careful about: the host names, in its challenge, the service to log in at (`realm`).
It must be of HTTPS, and either the host itself or Alibaba Cloud's own login service, dockerauth….
<region>.aliyuncs.com, to which its registries send their callers, those under custom domains too.
Not any host of aliyuncs.com will do: customers' functions and buckets have such names as well. No
redirect is followed.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from acr_refresher.cloud.client import CloudTransport
from acr_refresher.errors import Denied, Unreachable
from acr_refresher.run.host_names import HostNames
from acr_refresher.run.ports import RegistryHosts, RegistryToken
from acr_refresher.settings import SETTINGS

LOGIN_SERVICE = re.compile(r"dockerauth(-[a-z0-9-]+)?\.[a-z]{2}-[a-z0-9-]+\.aliyuncs\.com")

OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class RegistryClient(RegistryHosts):
    """Registries over HTTPS, certificates verified by the system's roots (or SSL_CERT_FILE's).

    With a local cloud nothing leaves this machine: other hosts than `localhost` count as
    unreachable.
    """

    def __init__(self, transport: CloudTransport) -> None:
        self._local = transport.local_cloud is not None
        self._ca_file = transport.registry_ca

    async def check_login(self, host: str, token: RegistryToken, repository: str) -> None:
        """Raises Denied where the token is refused, Unreachable where nobody can tell from here."""
        if self._local and not _is_loopback(host):
            raise _unreachable(host, "with a local cloud, nothing outside this machine is asked")
        try:
            async with self._session() as session:
                await self._check(session, host, token, repository)
        except aiohttp.ClientConnectorCertificateError as error:
            raise _unreachable(host, "its TLS certificate is not trusted") from error
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise _unreachable(host, "no answer in time") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise _unreachable(host, "its name cannot be resolved") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _unreachable(host, "no connection, or one that broke") from error

    async def _check(
        self, session: aiohttp.ClientSession, host: str, token: RegistryToken, repository: str
    ) -> None:
        challenge = await self._challenge(session, host)
        bearer = await _log_in(session, host, challenge, token, repository)
        if repository:
            await _look_into(session, host, bearer, repository)

    async def _challenge(self, session: aiohttp.ClientSession, host: str) -> Mapping[str, str]:
        """Where to log in, and for which service."""
        async with session.get(f"https://{host}/v2/", allow_redirects=False) as answer:
            scheme, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
            if answer.status != UNAUTHORIZED or scheme.lower() != "bearer":
                raise _unreachable(host, f"it does not answer as a registry ({answer.status})")
        challenge = dict(_PARAMETER.findall(rest))
        if not self._trusted(challenge.get("realm", ""), host):
            raise _unreachable(
                host,
                "it sends us to log in at a place that is neither its own nor Alibaba Cloud's, or"
                " without HTTPS; the token was not sent there",
            )
        return challenge

    def _trusted(self, realm: str, host: str) -> bool:
        if self._local:
            return _is_loopback(urlsplit(realm).netloc)
        return may_have_password(realm, host)

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._tls, resolver=HostNames())
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=SETTINGS.registry_timeout.total_seconds()),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=not self._local,  # the function may have to go through a proxy
        )

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._ca_file)


def may_have_password(realm: str, host: str) -> bool:
    """Whether a registry host's password may be sent to the login service that the host names."""
    parts = urlsplit(realm)
    name = parts.hostname or ""
    known = name == urlsplit(f"//{host}").hostname or bool(LOGIN_SERVICE.fullmatch(name))
    return parts.scheme == "https" and known and "@" not in parts.netloc


async def _log_in(
    session: aiohttp.ClientSession,
    host: str,
    challenge: Mapping[str, str],
    token: RegistryToken,
    repository: str,
) -> str:
    """The bearer token for what is in the repository; for nothing much without one."""
    query = {"service": challenge.get("service", ""), "account": token.username}
    if repository:
        query["scope"] = f"repository:{repository}:pull"
    async with session.get(
        challenge["realm"],
        params=query,
        headers={"Authorization": _basic(token)},
        allow_redirects=False,
    ) as answer:
        _judge(host, answer.status, {OK}, "the new token")
        body: dict[str, Any] = dict(await answer.json(content_type=None))
    bearer = body.get("token") or body.get("access_token")
    if not isinstance(bearer, str):
        raise _unreachable(host, "its login service answers without a token")
    return bearer


async def _look_into(
    session: aiohttp.ClientSession, host: str, bearer: str, repository: str
) -> None:
    """List the tags, for which the registry wants the right to pull; there may be none."""
    async with session.get(
        f"https://{host}/v2/{repository}/tags/list",
        params={"n": "1"},
        headers={"Authorization": f"Bearer {bearer}"},
        allow_redirects=False,
    ) as answer:
        _judge(host, answer.status, {OK, NOT_FOUND}, f"pulling {repository} with the new token")


def _basic(token: RegistryToken) -> str:
    login = f"{token.username}:{token.password.get_secret_value()}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def _judge(host: str, status: int, accepted: set[int], what: str) -> None:
    if status in {UNAUTHORIZED, FORBIDDEN}:
        raise Denied(
            f"registry host {host} refuses {what}: allow cr:PullRepository on the registry's"
            " repositories in the policy of the last role of its chain; or the host is another"
            " registry's: correct `domains`",
            service="registry",
            code=str(status),
        )
    if status not in accepted:
        raise _unreachable(host, f"it fails or does not answer as a registry ({status})")


def _is_loopback(host: str) -> bool:
    return urlsplit(f"//{host}").hostname in {"localhost", "127.0.0.1", "::1"}


def _unreachable(host: str, words: str) -> Unreachable:
    return Unreachable(f"registry host {host}: {words}", service="registry")
