"""Secrets that version 0.1.0 wrote: they count, so that an upgrade renews nothing."""

from __future__ import annotations

from dataclasses import replace

from pydantic import SecretStr

from acr_refresher.core.model import Registry, Role, Rrsa, SecretState
from acr_refresher.core.outcome import Reconcile, Terms
from acr_refresher.core.plan import plan
from acr_refresher.core.reasons import Reason
from acr_refresher.core.renewal import decide
from acr_refresher.core.secret import SECRET_TYPE, inputs_digest
from factories import HOUR, MAIN, MINUTE, NOW, PARTNER, account, request, state, wanted

FULL = Registry(
    "rrsa",
    "cri-rrsa",
    "cn-shanghai",
    domains=("a.example.com", "b.example.com"),
    endpoints=("internet",),
    role_chain=(Role("acs:ram::2:role/a", "x-1"), Role("acs:ram::3:role/b")),
    rrsa=Rrsa("acs:ram::4:role/r", "acs:ram::4:oidc-provider/p"),
)
"""A registry with a value for each thing that a token is made from."""

AUTH = '{"auth":"Y3JfdGVtcF91c2VyOnRva2Vu"}'
FRESH = SecretState(
    namespace="default",
    name="acr-pull",
    uid="uid-default",
    resource_version="1",
    type=SECRET_TYPE,
    managed=True,
    immutable=False,
    annotations={
        "acr-refresher/expires-at": "2026-01-31T13:00:00Z",
        "acr-refresher/refreshed-at": "2026-01-31T12:00:00Z",
        "acr-refresher/run": "run-0",
        "acr-refresher/entries": (
            '[{"registry":"main","hosts":["main.example.com"],'
            '"expiresAt":"2026-01-31T13:00:00Z","inputs":"4c6827fef7da6cc3"},'
            '{"registry":"partner","hosts":["partner.example.com"],'
            '"expiresAt":"2026-01-31T14:00:00Z","inputs":"90ff90dca315091a"},'
            '{"registry":"rrsa","hosts":["a.example.com","b.example.com"],'
            '"expiresAt":"2026-01-31T15:00:00Z","inputs":"7e5d671950206c02"}]'
        ),
        "acr-refresher/content": "8846c3653a54f9640a10eba516dc055c7b2a026e3e35a55456eb9e679e53c5e8",
    },
    dockerconfigjson=SecretStr(
        f'{{"auths":{{"a.example.com":{AUTH},"b.example.com":{AUTH},'
        f'"main.example.com":{AUTH},"partner.example.com":{AUTH}}}}}'
    ),
)
CARRIED_OVER = SecretState(
    namespace="default",
    name="acr-pull",
    uid="uid-default",
    resource_version="1",
    type=SECRET_TYPE,
    managed=True,
    immutable=False,
    annotations={
        "acr-refresher/expires-at": "2026-01-31T13:00:00Z",
        "acr-refresher/refreshed-at": "2026-01-31T12:00:00Z",
        "acr-refresher/run": "run-0",
        "acr-refresher/entries": (
            '[{"registry":"main","hosts":["main.example.com"],'
            '"expiresAt":"2026-01-31T13:00:00Z","inputs":"4c6827fef7da6cc3"},'
            '{"registry":"partner","hosts":["partner.example.com"],'
            '"expiresAt":"2026-01-31T14:00:00Z","inputs":"doubted"}]'
        ),
        "acr-refresher/content": "dfbda46c13723a14861c3e70739e84f5cab39ad5f43231359f63e2e54111860c",
    },
    dockerconfigjson=SecretStr(
        f'{{"auths":{{"main.example.com":{AUTH},"partner.example.com":{AUTH}}}}}'
    ),
)
"""A secret whose second login was carried over from a secret that was changed from outside."""


def terms(*registries: Registry) -> Terms:
    return Terms(registries, request(), 15 * MINUTE, NOW)


def test_inputs_have_the_digests_that_0_1_0_wrote() -> None:
    digests = [inputs_digest(registry) for registry in (MAIN, PARTNER, FULL)]
    assert digests == ["4c6827fef7da6cc3", "90ff90dca315091a", "7e5d671950206c02"]


def test_repositories_count_in_any_order() -> None:
    """A change of the repositories renews, and leaving them out has the digest of 0.1.0."""
    narrow = replace(MAIN, repositories=("shop/*", "base/python"))
    assert inputs_digest(narrow) not in {inputs_digest(MAIN), inputs_digest(FULL)}
    assert inputs_digest(narrow) != inputs_digest(replace(MAIN, repositories=("shop/*",)))
    turned = replace(MAIN, repositories=("base/python", "shop/*"))
    assert inputs_digest(narrow) == inputs_digest(turned)


def test_a_fresh_secret_stays_fresh() -> None:
    assert decide(terms(MAIN, PARTNER, FULL), FRESH) is None


def test_an_upgrade_changes_nothing_in_a_cluster() -> None:
    found = state(FRESH, accounts=[account("default", "acr-pull")])
    [[action]] = plan((wanted(MAIN, PARTNER, FULL),), found, request(), NOW)
    assert isinstance(action, Reconcile)
    assert (action.apply, action.bind) == (None, ())
    assert [entry.expires_at - NOW for entry in action.entries] == [HOUR, 2 * HOUR, 3 * HOUR]


def test_the_mark_of_a_changed_secret_still_counts() -> None:
    apply = decide(terms(MAIN, PARTNER), CARRIED_OVER)
    assert apply
    assert (apply.reason, apply.mint) == (Reason.DATA_DRIFTED, (PARTNER,))
