"""Chains of roles, tried role by role: the function's, and those that a cluster begins (RRSA)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from itertools import chain

import jwt

from acr_refresher.cli.check_result import CheckResult, Verdict, attempt, check_result
from acr_refresher.cli.check_rights import Grant, grant_assume_role, grant_oidc_trust
from acr_refresher.cloud.sts import StsClient
from acr_refresher.core.model import Registry, Role, Rrsa
from acr_refresher.core.outcome import Failure
from acr_refresher.run.ports import OIDC_AUDIENCE, CloudCredentials, TokenSource
from acr_refresher.run.retry import retrying
from acr_refresher.run.tokens import (
    FUNCTION_ROOT,
    ChainRoot,
    Minter,
)
from acr_refresher.settings import SETTINGS

_SESSION = re.compile(r"acs:(?:ram|sts)::(?P<account>\d+):(?:assumed-)?role/(?P<role>[^/]+)/.+")
_ROOT = re.compile(r"acs:ram::\d+:root")
TOKEN_REFUSED = "AuthenticationFail.OIDCToken"  # noqa: S105  # an error code
"""How the codes begin of a token that the provider does not vouch for, whatever the role trusts."""


async def check_caller(sts: StsClient, credentials: CloudCredentials) -> tuple[str, CheckResult]:
    """The ARN by which policies name the caller, empty where it is not known; and what to tell."""
    answer = await attempt(retrying(lambda: sts.caller_arn(credentials)))
    if isinstance(answer, Failure):
        return "", check_result("caller", "sts:GetCallerIdentity", answer)
    arn = policy_principal(answer)
    if _ROOT.fullmatch(arn):
        why = "an account itself may assume no role: take the credentials of a RAM user or role"
        return arn, CheckResult("caller", arn, Verdict.WARNING, why)
    return arn, CheckResult("caller", arn)


def policy_principal(arn: str) -> str:
    """Of a role session, its role; of any other identity, the same."""
    session = _SESSION.fullmatch(arn)
    return f"acs:ram::{session['account']}:role/{session['role']}" if session else arn


async def check_role_chains(
    minter: Minter, caller: str, chains: Iterable[tuple[Role, ...]]
) -> tuple[CheckResult, ...]:
    """Each role of each chain, up to the first of the chain that cannot be assumed."""
    tried = (_check_chain(minter, "roles", caller, one) for one in dict.fromkeys(chains))
    return tuple(dict.fromkeys(chain.from_iterable(await asyncio.gather(*tried))))


async def check_rrsa_chain(
    minter: Minter, subject: str, registry: Registry, rrsa: Rrsa, cluster: TokenSource
) -> tuple[CheckResult, ...]:
    """The role of RRSA, assumed with the cluster's own identity, and each after it, likewise."""
    origin = ChainRoot(rrsa, cluster)
    failure = await _failure(minter, (), origin)
    needed = await _trust(rrsa, cluster) if failure and _distrusts(failure) else ()
    account = f"{rrsa.namespace}/{rrsa.service_account}"
    first = check_result(
        subject, f"assume {rrsa.role_arn} as service account {account}", failure, needed
    )
    if failure:
        return (first,)
    return (first, *await _check_chain(minter, subject, rrsa.role_arn, registry.role_chain, origin))


async def _check_chain(
    minter: Minter,
    subject: str,
    beginning: str,
    role_chain: tuple[Role, ...],
    origin: ChainRoot = FUNCTION_ROOT,
) -> list[CheckResult]:
    findings: list[CheckResult] = []
    caller = beginning
    for number, role in enumerate(role_chain, 1):
        failure = await _failure(minter, role_chain[:number], origin)
        what = f"assume {role.arn}" + (f" as {caller}" if caller != beginning else "")
        findings.append(check_result(subject, what, failure, grant_assume_role(caller, role)))
        if failure:
            break
        caller = role.arn
    return findings


async def _failure(minter: Minter, part: tuple[Role, ...], origin: ChainRoot) -> Failure | None:
    answer = await attempt(minter.session(part, SETTINGS.session_duration, origin))
    return answer if isinstance(answer, Failure) else None


def _distrusts(failure: Failure) -> bool:
    """Whether the role's trust policy may be at fault, and not the cluster or the token."""
    return failure.service == "sts" and not failure.code.startswith(TOKEN_REFUSED)


async def _trust(rrsa: Rrsa, cluster: TokenSource) -> tuple[Grant, ...]:
    """The trust policy's statement. Who issues the cluster's tokens, a token itself says."""
    account = (rrsa.namespace, rrsa.service_account)
    token = await attempt(
        cluster.service_account_token(*account, OIDC_AUDIENCE, SETTINGS.identity_duration)
    )
    if isinstance(token, Failure):
        return ()
    try:
        claims = jwt.decode(token.get_secret_value(), options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return ()
    issuer = claims.get("iss")
    return grant_oidc_trust(rrsa, issuer) if isinstance(issuer, str) else ()
