"""What is written in which order, and what is left undone where a step of it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from acr_refresher.core.contention import IMMUTABLE, Repair, Repaired
from acr_refresher.core.model import (
    Credential,
    NamespaceState,
    Registry,
    SecretContent,
    SecretState,
    ServiceAccountState,
)
from acr_refresher.core.outcome import Action, ApplySecret, Reconcile, Remove, SecretOutcome, Terms
from acr_refresher.core.reasons import Reason
from acr_refresher.errors import Conflict, Denied, Gone, PortError
from acr_refresher.run.apply import Applier
from acr_refresher.run.contents import Contents
from acr_refresher.run.ports import AppliedSecret, TokenSource
from acr_refresher.run.tokens import Minter
from acr_refresher.settings import SETTINGS
from factories import (
    MAIN,
    MINUTE,
    NOW,
    PARTNER,
    account,
    as_written,
    credential,
    logins,
    namespace,
    request,
    secret,
)
from runs import Kube
from virtual_time import in_virtual_time

DENIED = Denied("no right", service="kube", code="403")
GONE = Gone("not there", service="kube", code="404")
CONFLICT = Conflict("somebody was faster", service="kube", code="409")
ACCOUNTS = (account("builder", "theirs"), account("default"))
BOUND = ["bind builder: theirs acr-pull", "bind default: acr-pull"]
HOSTS_OF_MAIN = credential(MAIN).entry.hosts
UNBOUND = ["bind builder: theirs", "bind default: "]


@dataclass
class Cluster(Kube):
    """Tells what it was asked, in order, and answers some of it with errors, each time it comes."""

    errors: Mapping[str, PortError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    """The version that each written or deleted Secret had to have."""
    mutated: Mapping[str, object] = field(default_factory=dict)
    """What policies of the cluster change in each written Secret."""
    stands: ServiceAccountState = field(default_factory=account)
    """The service account as it is read again."""

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        self.versions.append(resource_version)
        self._told("apply", name, f" of {uid}" if uid else "")
        written = as_written(namespace, name, content, **self.mutated)
        return AppliedSecret(written, created=uid is None)

    async def delete_secret(
        self, namespace: str, name: str, uid: str, resource_version: str
    ) -> None:
        del namespace
        self.versions.append(resource_version)
        self._told("delete", name, f" of {uid}")

    async def find_namespace(self, name: str) -> NamespaceState | None:
        self._told("find", f"namespace {name}")
        return namespace(name) if name in self.names else None

    async def find_service_account(self, namespace: str, name: str) -> ServiceAccountState | None:
        del namespace
        self._told("find", f"account {name}")
        return self.stands if self.stands.name == name else None

    async def read_secret(self, namespace: str, name: str) -> SecretState | None:
        self._told("read", f"{namespace}/{name}")
        return None

    async def read_service_account(self, namespace: str, name: str) -> ServiceAccountState:
        del namespace
        self._told("read", name)
        return self.stands

    async def patch_service_account(self, account: ServiceAccountState) -> ServiceAccountState:
        self._told("bind", account.name, f": {' '.join(account.image_pull_secrets)}")
        return account

    def _told(self, what: str, name: str, more: str = "") -> None:
        self.asked.append(f"{what} {name}{more}")
        if error := self.errors.get(f"{what} {name}"):
            raise error


@dataclass
class Tokens:
    """A double of the Minter. It has no token for the registries in `errors`."""

    errors: Mapping[str, PortError]

    async def credential(
        self, registry: Registry, cluster: TokenSource | None, own: object
    ) -> Credential:
        del cluster, own
        if error := self.errors.get(f"mint {registry.name}"):
            raise error
        return credential(registry)


def served(
    uid: str | None = None,
    *mint: Registry,
    replace: bool = False,
    fallback: tuple[Credential, ...] = (),
) -> Reconcile:
    reason = Reason.NEAR_EXPIRY if uid else Reason.SECRET_MISSING
    mint = mint or (MAIN,)
    terms = Terms(mint, request(), timedelta(minutes=15), NOW)
    return Reconcile(
        namespace="default",
        secret="acr-pull",
        uid=uid,
        resource_version="7" if uid else None,
        apply=ApplySecret(terms, reason, mint, (), fallback, replace),
        bind=ACCOUNTS,
        service_accounts=("builder", "default"),
        waiting_for=(),
        entries=(),
    )


CLEARED = Remove("default", "acr-pull", (account("builder", "theirs", "acr-pull"),
    account("default", "acr-pull")), "uid-1", "7")  # fmt: skip


def applied(action: Action, cluster: Cluster, tokens: Tokens | None = None) -> SecretOutcome:
    minter = cast("Minter", tokens or Tokens(cluster.errors))

    async def apply(_: object) -> SecretOutcome:
        contents = Contents(cluster, minter, NOW, "run-7")
        return await Applier.of(cluster, contents).apply(action)

    return in_virtual_time(apply)


def came_of(outcome: SecretOutcome) -> tuple[str, tuple[str, ...]]:
    return outcome.result.value, tuple(each.meaning for each in outcome.failures)


@pytest.mark.parametrize(
    ("action", "asked", "result"),
    [
        pytest.param(served(), ["apply acr-pull", *BOUND], "created", id="created"),
        pytest.param(served("uid-1"), ["apply acr-pull of uid-1", *BOUND], "renewed", id="renewed"),
        pytest.param(
            served("uid-1", replace=True),
            ["delete acr-pull of uid-1", "apply acr-pull", *BOUND],
            "renewed",
            id="replaced",
        ),
        pytest.param(CLEARED, [*UNBOUND, "delete acr-pull of uid-1"], "removed", id="removed"),
    ],
)
def test_the_secret_is_written_first_and_deleted_last(
    action: Action, asked: list[str], result: str
) -> None:
    cluster = Cluster()
    outcome = applied(action, cluster)
    assert cluster.asked == asked
    assert came_of(outcome) == (result, ())


@pytest.mark.parametrize(
    ("action", "errors", "asked", "came"),
    [
        pytest.param(
            served(), {"mint main": DENIED}, [], ("failed", ("denied",)),
            id="a secret that could not be minted is not created, nor bound",
        ),
        pytest.param(
            served(), {"apply acr-pull": DENIED}, ["apply acr-pull"], ("failed", ("denied",)),
            id="nor is one bound that could not be created",
        ),
        pytest.param(
            served("uid-1"), {"apply acr-pull": CONFLICT},
            ["apply acr-pull of uid-1", "read default/acr-pull"],
            ("conflict", ("conflict",)),
            id="nor one in whose place another stands",
        ),
        pytest.param(
            served("uid-1"), {"mint main": DENIED}, BOUND, ("failed", ("denied",)),
            id="what is there is bound, though it could not be renewed",
        ),
        pytest.param(
            served("uid-1", MAIN, PARTNER, fallback=(credential(PARTNER),)),
            {"mint partner": DENIED}, ["apply acr-pull of uid-1", *BOUND],
            ("incomplete", ("denied",)),
            id="one registry of two",
        ),
        pytest.param(
            served("uid-1", MAIN, PARTNER, fallback=(credential(PARTNER, hosts=HOSTS_OF_MAIN),)),
            {"mint partner": DENIED}, ["apply acr-pull of uid-1", *BOUND],
            ("incomplete", ("denied",)),
            id="a host belongs to the registry that gives a token for it",
        ),
        pytest.param(
            served(), {"bind builder": DENIED}, ["apply acr-pull", *BOUND],
            ("failed", ("denied",)),
            id="one account of two",
        ),
        pytest.param(
            served("uid-1", replace=True), {"delete acr-pull": DENIED},
            ["delete acr-pull of uid-1"], ("failed", ("denied",)),
            id="one that could not be deleted is not replaced",
        ),
        pytest.param(
            CLEARED, {"bind builder": DENIED}, UNBOUND, ("failed", ("denied",)),
            id="one that is still referred to is not deleted",
        ),
        pytest.param(
            CLEARED, {"delete acr-pull": DENIED}, [*UNBOUND, "delete acr-pull of uid-1"],
            ("failed", ("denied",)),
            id="a secret that could not be deleted is reported",
        ),
    ],
)  # fmt: skip
def test_what_a_failed_step_leaves_undone(
    action: Action,
    errors: Mapping[str, PortError],
    asked: list[str],
    came: tuple[str, tuple[str, ...]],
) -> None:
    cluster = Cluster(errors=errors)
    outcome = applied(action, cluster)
    assert cluster.asked == asked
    assert came_of(outcome) == came


OF_TWO = served("uid-1", MAIN, PARTNER, fallback=(credential(PARTNER),))
PARTNER_DENIED = {"mint partner": DENIED}


@pytest.mark.parametrize(
    ("action", "errors", "versions"),
    [
        pytest.param(OF_TWO, PARTNER_DENIED, ["7"], id="with a credential that is carried over"),
        pytest.param(OF_TWO, {}, ["7"], id="with new credentials only"),
        pytest.param(
            served("uid-1", MAIN, PARTNER, replace=True, fallback=(credential(PARTNER),)),
            PARTNER_DENIED, ["7", None],
            id="a Secret that is replaced is deleted in that version",
        ),
    ],
)  # fmt: skip
def test_a_secret_must_be_as_it_was_read_when_it_is_written(
    action: Reconcile, errors: Mapping[str, PortError], versions: list[str | None]
) -> None:
    cluster = Cluster(errors=errors)
    applied(replace(action, resource_version="7"), cluster)
    assert cluster.versions == versions


@dataclass
class Overtaken(Cluster):
    """Another run writes the Secret first, as often as `conflicts` says: `found` is its work."""

    found: SecretState | None = None
    conflicts: int = 1
    refusal: PortError = CONFLICT

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        written = await super().apply_secret(namespace, name, content, uid, resource_version)
        if len(self.versions) <= self.conflicts:
            raise self.refusal
        return written

    async def read_secret(self, namespace: str, name: str) -> SecretState | None:
        self._told("read", f"{namespace}/{name}")
        return self.found


WRITE, READ = "apply acr-pull of uid-default", "read default/acr-pull"
DUE = replace(secret(credential(MAIN, MINUTE), credential(PARTNER)), resource_version="8")
FRESH = replace(secret(credential(MAIN), credential(PARTNER)), resource_version="8")


@pytest.mark.parametrize(
    ("meanwhile", "asked", "came"),
    [
        pytest.param(
            {"found": DUE}, [WRITE, READ, WRITE, *BOUND], ("renewed", ()),
            id="what is still due is renewed",
        ),
        pytest.param(
            {"found": FRESH}, [WRITE, READ, *BOUND], ("bound", ()),
            id="what the other run has renewed is left alone, and bound",
        ),
        pytest.param(
            {"found": DUE, "conflicts": 2}, [WRITE, READ, WRITE, READ], ("conflict", ("conflict",)),
            id="a second conflict is final",
        ),
        pytest.param(
            {"found": None}, [WRITE, READ], ("conflict", ("denied", "conflict")),
            id="nor is one written that another run has deleted",
        ),
        pytest.param(
            {"found": DUE, "errors": {READ: DENIED}}, [WRITE, READ],
            ("conflict", ("denied", "conflict")),
            id="where it cannot be read the conflict is reported",
        ),
        pytest.param(
            {"found": DUE, "refusal": DENIED}, [WRITE], ("failed", ("denied", "denied")),
            id="another refusal says nothing of another run",
        ),
    ],
)  # fmt: skip
def test_a_secret_that_another_run_has_written_meanwhile_is_decided_again(
    meanwhile: dict[str, Any], asked: list[str], came: tuple[str, tuple[str, ...]]
) -> None:
    action = served("uid-default", MAIN, PARTNER, fallback=(credential(PARTNER),))
    cluster = Overtaken(**meanwhile)
    cluster.errors = {**PARTNER_DENIED, **cluster.errors}
    outcome = applied(replace(action, resource_version="7"), cluster)
    assert cluster.asked == asked
    assert came_of(outcome) == came
    assert cluster.versions == ["7", "8"][: asked.count(WRITE)]


@dataclass
class ChangedBeforeDeletion(Cluster):
    """The Secret is another version than was read: `found` is what it is now."""

    found: SecretState | None = None

    async def delete_secret(
        self, namespace: str, name: str, uid: str, resource_version: str
    ) -> None:
        await super().delete_secret(namespace, name, uid, resource_version)
        if self.found is None or resource_version != self.found.resource_version:
            raise CONFLICT

    async def read_secret(self, namespace: str, name: str) -> SecretState | None:
        del namespace, name
        return self.found


OURS_NOW = replace(secret(), uid="uid-1", resource_version="8")


@pytest.mark.parametrize(
    ("found", "versions", "came"),
    [
        pytest.param(OURS_NOW, ["7", "8"], ("removed", ()), id="another run renewed it"),
        pytest.param(None, ["7"], ("removed", ()), id="another run deleted it"),
        pytest.param(
            replace(OURS_NOW, managed=False), ["7"], ("conflict", ("conflict",)),
            id="somebody took our label off",
        ),
        pytest.param(
            replace(OURS_NOW, uid="another"), ["7"], ("conflict", ("conflict",)),
            id="somebody replaced it",
        ),
    ],
)  # fmt: skip
def test_a_secret_that_changed_before_it_was_deleted_is_deleted_only_if_it_is_still_ours(
    found: SecretState | None, versions: list[str], came: tuple[str, tuple[str, ...]]
) -> None:
    cluster = ChangedBeforeDeletion(found=found)
    assert came_of(applied(CLEARED, cluster)) == came
    assert cluster.versions == versions


@pytest.mark.parametrize(
    ("action", "result"), [(served(), "created"), (CLEARED, "removed")], ids=["bound", "unbound"]
)
def test_an_account_that_was_deleted_meanwhile_is_no_failure(action: Action, result: str) -> None:
    outcome = applied(action, Cluster(errors={"bind builder": GONE}))
    assert came_of(outcome) == (result, ())
    assert "builder" not in (*outcome.bound, *outcome.service_accounts)


def test_an_account_that_somebody_else_changed_is_read_anew_five_times_at_most() -> None:
    stands = account("builder", "theirs", "newer")
    cluster = Cluster(errors={"bind builder": CONFLICT}, stands=stands)
    outcome = applied(served(), cluster)
    assert came_of(outcome) == ("failed", ("conflict",))
    assert outcome.failures[0].subject == "service account builder"
    tries = [each for each in cluster.asked if each.startswith("bind builder")]
    assert tries == ["bind builder: theirs acr-pull", *["bind builder: theirs newer acr-pull"] * 4]
    assert len(tries) == SETTINGS.binding_attempts
    assert outcome.bound == ("default",)


def test_an_account_that_an_overlapping_run_bound_is_left_as_it_is() -> None:
    stands = account("builder", "theirs", "acr-pull")
    cluster = Cluster(errors={"bind builder": CONFLICT}, stands=stands)
    assert came_of(applied(served(), cluster)) == ("created", ())
    assert cluster.asked.count("bind builder: theirs acr-pull") == 1


def test_a_binding_that_fails_is_reported_where_the_secret_is_fresh() -> None:
    fresh = replace(served("uid-1"), apply=None)
    outcome = applied(fresh, Cluster(errors={"bind builder": DENIED}))
    assert came_of(outcome) == ("failed", ("denied",))
    assert outcome.bound == ("default",)


def test_the_warnings_about_a_token_are_those_of_the_secret() -> None:
    class Warned(Tokens):
        async def credential(
            self, registry: Registry, cluster: TokenSource | None, own: object
        ) -> Credential:
            return replace(await super().credential(registry, cluster, own), warnings=("short",))

    outcome = applied(served(), Cluster(), Warned({}))
    assert outcome.warnings == ("short",)


@dataclass
class Watched(Overtaken):
    """It keeps what was written, as logins by host."""

    passwords: list[dict[str, str]] = field(default_factory=list)

    async def apply_secret(
        self,
        namespace: str,
        name: str,
        content: SecretContent,
        uid: str | None,
        resource_version: str | None = None,
    ) -> AppliedSecret:
        self.passwords.append(logins(content.dockerconfigjson))
        return await super().apply_secret(namespace, name, content, uid, resource_version)


def test_a_second_decision_carries_over_what_the_other_run_has_written() -> None:
    newer = secret(credential(MAIN, MINUTE), credential(PARTNER, password="newer"))
    cluster = Watched(found=replace(newer, resource_version="8"), errors=PARTNER_DENIED)
    action = served("uid-default", MAIN, PARTNER, fallback=(credential(PARTNER, password="older"),))

    async def made_and_applied(_: object) -> SecretOutcome:
        minter = cast("Minter", Tokens(cluster.errors))
        applier = Applier.of(cluster, Contents(cluster, minter, NOW, "run-7"))
        await applier.contents.make([action])
        return await applier.apply(action)

    in_virtual_time(made_and_applied)
    assert [written["partner.example.com"] for written in cluster.passwords] == ["older", "newer"]


# ---- competing controllers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mutated", "named"),
    [({"immutable": True}, "immutable"), ({"managed": False}, "managed-by")],
)
@pytest.mark.parametrize("uid", [None, "uid-1"], ids=["created", "renewed"])
def test_what_the_cluster_changes_in_a_write_is_contended_at_once(
    uid: str | None, mutated: Mapping[str, object], named: str
) -> None:
    cluster = Cluster(mutated=mutated)
    outcome = applied(served(uid), cluster)
    assert came_of(outcome) == ("contended", ())
    assert named in outcome.warnings[0]
    assert outcome.bound == ("builder", "default")


def test_an_immutable_secret_that_was_replaced_by_a_mutable_one_is_contended_no_more() -> None:
    action = replace(served("uid-1", replace=True), contended=(IMMUTABLE,))
    assert came_of(applied(action, Cluster())) == ("renewed", ())
    still = applied(action, Cluster(mutated={"immutable": True}))
    assert came_of(still) == ("contended", ())
    assert len(still.warnings) == 1


def reverted() -> Reconcile:
    """A fresh secret from which service accounts were unbound."""
    action = served("uid-1")
    assert action.apply
    apply = replace(
        action.apply,
        reason=Reason.BINDING_REVERTED,
        mint=(),
        kept=(credential(),),
        repairs=((Repaired.BINDING, Repair(1, NOW)),),
    )
    return replace(action, apply=apply)


@pytest.mark.parametrize(
    ("errors", "asked", "came"),
    [
        pytest.param({}, [*BOUND, "apply acr-pull of uid-1"], ("bound", ()), id="counted"),
        pytest.param(
            {"apply acr-pull": DENIED}, [*BOUND, "apply acr-pull of uid-1"], ("bound", ()),
            id="a count that is refused is no failure",
        ),
        pytest.param(
            {"bind builder": DENIED, "bind default": DENIED}, BOUND,
            ("failed", ("denied", "denied")),
            id="what was not bound is not counted",
        ),
    ],
)  # fmt: skip
def test_accounts_are_bound_again_before_that_is_counted(
    errors: Mapping[str, PortError], asked: list[str], came: tuple[str, tuple[str, ...]]
) -> None:
    cluster = Cluster(errors=errors)
    outcome = applied(reverted(), cluster)
    assert cluster.asked == asked
    assert came_of(outcome) == came
    assert outcome.reason is Reason.BINDING_REVERTED
