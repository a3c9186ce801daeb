from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from acr_refresher.core.model import Entry, Registry, Role, SecretState
from acr_refresher.core.outcome import Terms
from acr_refresher.core.reasons import Reason
from acr_refresher.core.renewal import renewal_reason
from acr_refresher.core.secret import SECRET_TYPE, UNTRUSTED
from factories import HOUR, MAIN, MINUTE, NOW, credential, request, secret


@dataclass(frozen=True)
class Facts:
    registry: Registry
    secret: SecretState | None
    entry: Entry | None
    intact: bool
    force: bool
    threshold: timedelta

    def reason(self) -> Reason | None:
        terms = Terms((self.registry,), request(force=self.force), self.threshold, NOW)
        retyped = self.secret is not None and self.secret.type != SECRET_TYPE
        facts = (terms, self.registry, self.secret, self.entry)
        return renewal_reason(*facts, changed=not self.intact, retyped=retyped)


FRESH = Facts(
    registry=MAIN,
    secret=secret(),
    entry=credential().entry,
    intact=True,
    force=False,
    threshold=15 * MINUTE,
)


def expiring(left: timedelta) -> Facts:
    return replace(FRESH, entry=credential(expires_in=left).entry)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param(FRESH, None, id="fresh"),
        pytest.param(replace(FRESH, secret=None), Reason.SECRET_MISSING, id="no-secret"),
        pytest.param(
            replace(FRESH, secret=secret(type_="Opaque")), Reason.WRONG_TYPE, id="another-type"
        ),
        pytest.param(
            replace(FRESH, secret=secret(immutable=True)), None, id="immutable-is-replaced-when-due"
        ),
        pytest.param(replace(FRESH, intact=False), Reason.DATA_DRIFTED, id="edited"),
        pytest.param(
            replace(FRESH, entry=replace(credential().entry, inputs=UNTRUSTED)),
            Reason.DATA_DRIFTED,
            id="from-an-edited-one",
        ),
        pytest.param(replace(FRESH, entry=None), Reason.REGISTRY_MISSING, id="new-registry"),
        pytest.param(
            replace(FRESH, registry=replace(MAIN, instance_id="cri-other")),
            Reason.INPUTS_CHANGED,
            id="another-instance",
        ),
        pytest.param(
            replace(FRESH, registry=replace(MAIN, region_id="cn-beijing")),
            Reason.INPUTS_CHANGED,
            id="another-region",
        ),
        pytest.param(
            replace(FRESH, registry=replace(MAIN, domains=("a.example.com",))),
            Reason.INPUTS_CHANGED,
            id="other-domains",
        ),
        pytest.param(
            replace(FRESH, registry=replace(MAIN, role_chain=(Role("acs:ram::2:role/x"),))),
            Reason.INPUTS_CHANGED,
            id="another-role",
        ),
        pytest.param(
            replace(FRESH, registry=replace(MAIN, session_duration=12 * HOUR)),
            None,
            id="a-longer-validity-takes-effect-at-the-next-renewal",
        ),
        pytest.param(replace(FRESH, force=True), Reason.FORCED, id="forced"),
        pytest.param(expiring(timedelta()), Reason.EXPIRED, id="expires-this-very-moment"),
        pytest.param(expiring(-HOUR), Reason.EXPIRED, id="expired"),
        pytest.param(expiring(15 * MINUTE), Reason.NEAR_EXPIRY, id="at-the-threshold"),
        pytest.param(expiring(15 * MINUTE + timedelta(seconds=1)), None, id="before-the-threshold"),
    ],
)
def test_an_entry_is_renewed_for_the_reason_that_applies(
    facts: Facts, reason: Reason | None
) -> None:
    assert facts.reason() is reason


def test_the_most_important_reason_wins() -> None:
    """With everything wrong at once, mending the first finding shows the next."""
    everything = Facts(
        registry=Registry("main", "cri-new", "cn-beijing"),
        secret=None,
        entry=None,
        intact=False,
        force=True,
        threshold=HOUR,
    )
    found = []
    for mend in (
        {},
        {"secret": secret(type_="Opaque")},
        {"secret": secret()},
        {"intact": True},
        {"entry": credential(expires_in=-HOUR).entry},
        {"registry": MAIN},
        {"force": False},
        {"entry": credential(expires_in=MINUTE).entry},
        {"entry": credential(expires_in=2 * HOUR).entry},
    ):
        everything = replace(everything, **mend)
        found.append(everything.reason())
    assert found == [
        Reason.SECRET_MISSING,
        Reason.WRONG_TYPE,
        Reason.DATA_DRIFTED,
        Reason.REGISTRY_MISSING,
        Reason.INPUTS_CHANGED,
        Reason.FORCED,
        Reason.EXPIRED,
        Reason.NEAR_EXPIRY,
        None,
    ]
    assert list(Reason)[:8] == found[:8], "the enum lists reasons in the order of the checks"
