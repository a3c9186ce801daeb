"""Checks of role chains, role by role: those of the caller, and those of a cluster (RRSA)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from itertools import chain

import jwt

from acr_refresher.cli.check_rights import (
    CheckResult,
    Grant,
    Verdict,
    attempt,
    check_result,
    grant_assume_role,
    grant_oidc_trust,
)
from acr_refresher.cloud.sts import StsClient
from acr_refresher.core.model import Registry, Role, Rrsa
from acr_refresher.core.outcome import Failure
from acr_refresher.run.ports import OIDC_AUDIENCE, CloudCredentials, TokenSource
from acr_refresher.run.retry import retrying
from acr_refresher.run.tokens import FUNCTION_ROOT, ChainRoot, Minter
from acr_refresher.settings import SETTINGS

_SESSION = re.compile(r"acs:(?:ram|sts)::(?P<account>\d+):(?:assumed-)?role/(?P<role>[^/]+)/.+")
_ROOT = re.compile(r"acs:ram::\d+:root")
TOKEN_REFUSED = "AuthenticationFail.OIDCToken"  # noqa: S105  # an error code
"""The prefix of the codes of a token that the OIDC provider refuses, whatever the role trusts."""


async def check_caller(sts: StsClient, credentials: CloudCredentials) -> tuple[str, CheckResult]:
    """The ARN that policies name the caller by, empty if unknown, and the result of the check."""
    answer = await attempt(retrying(lambda: sts.caller_arn(credentials)))
    if isinstance(answer, Failure):
        return "", check_result("caller", "sts:GetCallerIdentity", answer)
    arn = policy_principal(answer)
    if _ROOT.fullmatch(arn):
        why = "an account itself cannot assume a role: use the credentials of a RAM user or role"
        return arn, CheckResult("caller", arn, Verdict.WARNING, why)
    return arn, CheckResult("caller", arn)


def policy_principal(arn: str) -> str:
    """The role of a role session. Any other identity is its own principal."""
    session = _SESSION.fullmatch(arn)
    return f"acs:ram::{session['account']}:role/{session['role']}" if session else arn


async def check_role_chains(
    minter: Minter, caller: str, chains: Iterable[tuple[Role, ...]]
) -> tuple[CheckResult, ...]:
    """Try each role of each chain, up to the chain's first role that cannot be assumed."""
    tried = (_check_chain(minter, "roles", caller, each) for each in dict.fromkeys(chains))
    return tuple(dict.fromkeys(chain.from_iterable(await asyncio.gather(*tried))))


async def check_rrsa_chain(
    minter: Minter, subject: str, registry: Registry, rrsa: Rrsa, cluster: TokenSource
) -> tuple[CheckResult, ...]:
    """Try the role of RRSA with the cluster's own identity, then each role after it."""
    root = ChainRoot(rrsa, cluster)
    failure = await _failure(minter, (), root)
    grants = await _trust(rrsa, cluster) if failure and _distrusts(failure) else ()
    account = f"{rrsa.namespace}/{rrsa.service_account}"
    first = check_result(
        subject, f"assume {rrsa.role_arn} as service account {account}", failure, grants
    )
    if failure:
        return (first,)
    return (first, *await _check_chain(minter, subject, rrsa.role_arn, registry.role_chain, root))


async def _check_chain(
    minter: Minter,
    subject: str,
    first_caller: str,
    role_chain: tuple[Role, ...],
    root: ChainRoot = FUNCTION_ROOT,
) -> list[CheckResult]:
    results: list[CheckResult] = []
    caller = first_caller
    for number, role in enumerate(role_chain, 1):
        failure = await _failure(minter, role_chain[:number], root)
        what = f"assume {role.arn}" + (f" as {caller}" if caller != first_caller else "")
        results.append(check_result(subject, what, failure, grant_assume_role(caller, role)))
        if failure:
            break
        caller = role.arn
    return results


async def _failure(minter: Minter, roles: tuple[Role, ...], root: ChainRoot) -> Failure | None:
    answer = await attempt(minter.session(roles, SETTINGS.session_duration, root))
    return answer if isinstance(answer, Failure) else None


def _distrusts(failure: Failure) -> bool:
    """Whether the role's trust policy may be wrong, rather than the cluster or the token."""
    return failure.service == "sts" and not failure.code.startswith(TOKEN_REFUSED)


async def _trust(rrsa: Rrsa, cluster: TokenSource) -> tuple[Grant, ...]:
    """The statement for the trust policy. A token of the cluster names its issuer."""
    account = (rrsa.namespace, rrsa.service_account)
    duration = SETTINGS.identity_duration
    token = await attempt(cluster.service_account_token(*account, OIDC_AUDIENCE, duration))
    if isinstance(token, Failure):
        return ()
    try:
        claims = jwt.decode(token.get_secret_value(), options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return ()
    issuer = claims.get("iss")
    return grant_oidc_trust(rrsa, issuer) if isinstance(issuer, str) else ()
