"""Several pull secrets in one cluster, and namespaces that request registries."""

from __future__ import annotations

import pytest

from acr_refresher.core.model import (
    Cluster,
    ClusterState,
    Credential,
    KubeconfigAccess,
    PullSecret,
)
from acr_refresher.core.outcome import Action, Reconcile, Remove, Skip
from acr_refresher.core.plan import plan, secrets_in_scope
from acr_refresher.core.reasons import Reason, Result
from factories import (
    MAIN,
    NOW,
    PARTNER,
    account,
    credential,
    namespace,
    request,
    secret,
    state,
    wanted,
)

OURS = wanted(MAIN, name="main-pull", namespaces=("*",))
THEIRS = wanted(PARTNER, name="partner-pull", namespaces=("shop",))
ASKING = wanted(MAIN, namespaces=("shop",), allowed_on_request=(PARTNER,))
HELPERS = "acr-credential-secret-aggregation"


def planned(
    found: ClusterState, *secrets: PullSecret, **asked: object
) -> dict[str, tuple[Action, ...]]:
    groups = plan(secrets, found, request(**asked), NOW)
    return {group[0].namespace: group for group in groups}


def minted(action: Action) -> list[str]:
    assert isinstance(action, Reconcile)
    assert action.apply
    return [registry.name for registry in action.apply.mint]


def terms(action: Action) -> tuple[str, ...]:
    """The registries that the written secret covers; none where nothing is written."""
    assert isinstance(action, Reconcile)
    return tuple(each.name for each in action.apply.terms.registries) if action.apply else ()


# ---- several pull secrets ------------------------------------------------------------------------


def test_each_pull_secret_goes_where_it_is_wanted() -> None:
    groups = planned(state(namespaces=["shop", "web"]), OURS, THEIRS)
    assert [(each.secret, minted(each)) for each in groups["shop"]] == [
        ("main-pull", ["main"]),
        ("partner-pull", ["partner"]),
    ]
    assert [(each.secret, minted(each)) for each in groups["web"]] == [("main-pull", ["main"])]


def test_each_pull_secret_depends_on_the_secret_of_its_own_name() -> None:
    fresh = secret(credential(MAIN), namespace="shop", name="main-pull")
    strangers = secret(namespace="shop", name="partner-pull", managed=False)
    bound = account("default", "main-pull", namespace="shop")
    first, second = planned(
        state(fresh, strangers, namespaces=["shop"], accounts=[bound]), OURS, THEIRS
    )["shop"]
    assert isinstance(first, Reconcile)
    assert (first.apply, first.bind) == (None, ())
    assert isinstance(second, Skip)
    assert (second.result, second.reason) == (Result.CONFLICT, Reason.FOREIGN_SECRET)


def test_the_removal_guard_counts_each_pull_secret_for_itself() -> None:
    kept = [secret(namespace=f"n{i}", name="main-pull") for i in range(40)]
    names = [found.namespace for found in kept]
    old = [secret(credential(PARTNER), namespace=name, name="partner-pull") for name in names[:10]]
    groups = planned(state(*kept, *old, namespaces=names), OURS, THEIRS)
    assert groups["n0"][1] == Skip(
        "n0", "partner-pull", Result.FAILED, Reason.REMOVAL_BLOCKED, (credential(PARTNER).entry,)
    )
    assert isinstance(groups["n0"][0], Reconcile)


def test_a_request_for_some_registries_leaves_the_other_pull_secrets_alone() -> None:
    found = state(namespaces=["shop"])
    groups = planned(found, OURS, THEIRS, registries=("part*",))
    assert [each.secret for each in groups["shop"]] == ["partner-pull"]


@pytest.mark.parametrize(
    ("registries", "names"),
    [
        ((), ("main-pull", "partner-pull", "acr-pull")),
        (("main",), ("main-pull", "acr-pull")),
        (("partner",), ("partner-pull", "acr-pull")),
        (("other",), ()),
    ],
)
def test_only_pull_secrets_that_a_request_covers_are_listed(
    registries: tuple[str, ...], names: tuple[str, ...]
) -> None:
    cluster = Cluster("idc", KubeconfigAccess("idc"), (OURS, THEIRS, ASKING))
    assert secrets_in_scope(cluster, request(registries=registries)) == names


# ---- registries on request -----------------------------------------------------------------------


def test_a_selected_namespace_also_gets_what_it_requests() -> None:
    (action,) = planned(state(namespaces=[namespace("shop", "cri-partner")]), ASKING)["shop"]
    assert minted(action) == ["main", "partner"]
    assert action.warnings == ()


def test_another_namespace_gets_only_what_it_requests() -> None:
    (action,) = planned(state(namespaces=[namespace("lab", "cri-partner")]), ASKING)["lab"]
    assert minted(action) == ["partner"]


@pytest.mark.parametrize("held", [(), (credential(MAIN),)], ids=["no secrets", "equal secrets"])
def test_a_namespace_does_not_get_what_another_requests(
    held: tuple[Credential, ...],
) -> None:
    """Namespaces that hold the same are decided together only if they are to have the same."""
    names = ("asking", "plain", "asking-too")
    want = wanted(MAIN, namespaces=("all",), allowed_on_request=(PARTNER,))
    found = state(
        *(secret(*held, namespace=name) for name in names if held),
        namespaces=[
            namespace("asking", "cri-partner"), "plain", namespace("asking-too", "cri-partner")
        ],
    )  # fmt: skip
    groups = planned(found, want)
    given = {name: terms(group[0]) for name, group in groups.items()}
    assert given == {
        "asking": ("main", "partner"),
        "plain": () if held else ("main",),
        "asking-too": ("main", "partner"),
    }


def test_a_requested_registry_is_not_added_twice() -> None:
    want = wanted(MAIN, namespaces=("shop",), allowed_on_request=(MAIN,))
    (action,) = planned(state(namespaces=[namespace("shop", "cri-main")]), want)["shop"]
    assert minted(action) == ["main"]


def test_a_requested_registry_is_removed_with_the_annotation() -> None:
    held = secret(credential(MAIN), credential(PARTNER), namespace="shop")
    (action,) = planned(state(held, namespaces=["shop"]), ASKING)["shop"]
    assert isinstance(action, Reconcile)
    assert action.apply
    assert action.apply.reason is Reason.REGISTRY_REMOVED
    lab = secret(credential(PARTNER), namespace="lab")
    (action,) = planned(state(lab, namespaces=["lab"]), ASKING, force=True)["lab"]
    assert isinstance(action, Remove)


def test_a_request_that_is_not_grantable_causes_a_warning() -> None:
    (action,) = planned(state(namespaces=[namespace("shop", "cri-x")]), ASKING)["shop"]
    assert minted(action) == ["main"]
    assert ["cri-x" in warning for warning in action.warnings] == [True]


def test_a_namespace_that_gets_nothing_is_skipped_with_the_reason() -> None:
    (action,) = planned(state(namespaces=[namespace("lab", "cri-x")]), ASKING, ASKING)["lab"]
    assert isinstance(action, Skip)
    assert (action.result, action.reason) == (Result.SKIPPED, Reason.NOT_GRANTABLE)
    assert ["cri-x" in warning for warning in action.warnings] == [True]


@pytest.mark.parametrize(
    ("lab", "want"),
    [
        pytest.param(namespace("lab", "cri-x"), OURS, id="nothing is grantable"),
        pytest.param(namespace("lab", "cri-x", terminating=True), ASKING, id="it is ending"),
        pytest.param(
            namespace("lab", "cri-partner"),
            wanted(MAIN, excluded=("lab",), allowed_on_request=(PARTNER,)),
            id="it is left out by name",
        ),
        pytest.param(namespace("lab"), ASKING, id="it asks for nothing"),
    ],
)
def test_a_namespace_without_grantable_registries_has_no_action(
    lab: object, want: PullSecret
) -> None:
    selected = wanted(MAIN, namespaces=("shop",)) if want is OURS else want
    assert planned(state(namespaces=[lab]), selected) == {}  # type: ignore[list-item]  # each is a namespace


def test_a_registry_that_another_pull_secret_grants_causes_no_warning() -> None:
    found = state(namespaces=[namespace("shop", "cri-partner")])
    first, second = planned(found, OURS, ASKING)["shop"]
    assert (first.warnings, minted(second)) == ((), ["main", "partner"])


def test_a_request_for_some_registries_has_no_warnings_about_others() -> None:
    found = state(namespaces=[namespace("lab", "cri-partner")])
    assert planned(found, ASKING, registries=("main",)) == {}


# ---- competing controllers ----------------------------------------------------------------------


def test_the_helpers_binding_causes_one_warning_per_namespace() -> None:
    accounts = [account("default", HELPERS, namespace="shop")]
    groups = planned(state(namespaces=["shop", "web"], accounts=accounts), OURS, THEIRS)
    first, second = groups["shop"]
    assert "also bound to default:" in first.warnings[0]
    assert second.warnings == ()
    assert groups["web"][0].warnings == ()
