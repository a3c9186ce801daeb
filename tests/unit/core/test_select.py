from __future__ import annotations

import pytest

from acr_refresher.core.select import (
    LabelRequirement,
    NamespaceSelection,
    Operator,
    ServiceAccountSelection,
)

NAMESPACES = ("default", "team-a", "team-b", "sandbox-1", "kube-system", "kube-public")


@pytest.mark.parametrize(
    ("patterns", "excluded", "selected"),
    [
        pytest.param(("default",), (), {"default"}, id="exact"),
        pytest.param(("team-*",), (), {"team-a", "team-b"}, id="glob"),
        pytest.param(("team-[a]", "default"), (), {"team-a", "default"}, id="several"),
        pytest.param(
            ("all",), (), {"default", "team-a", "team-b", "sandbox-1"}, id="all-but-the-system's"
        ),
        pytest.param(
            ("*",), (), {"default", "team-a", "team-b", "sandbox-1"}, id="star-is-like-all"
        ),
        pytest.param(
            ("all", "kube-system"),
            ("sandbox-*", "default"),
            {"team-a", "team-b", "kube-system"},
            id="a-system-namespace-by-name-and-exclusions",
        ),
        pytest.param(("kube-*",), (), {"kube-system", "kube-public"}, id="system-glob"),
        pytest.param(("team-a",), ("team-*",), set(), id="exclusions-always-win"),
        pytest.param(("Team-a",), (), set(), id="case-counts"),
    ],
)
def test_namespaces_by_name(
    patterns: tuple[str, ...], excluded: tuple[str, ...], selected: set[str]
) -> None:
    selection = NamespaceSelection(patterns, excluded)
    assert {name for name in NAMESPACES if selection.selects(name, {})} == selected


LABELS = {"team": "a", "tier": "web"}


@pytest.mark.parametrize(
    ("requirement", "holds"),
    [
        (LabelRequirement("team", Operator.IN, ("a", "b")), True),
        (LabelRequirement("team", Operator.IN, ("b",)), False),
        (LabelRequirement("stage", Operator.IN, ("a",)), False),
        (LabelRequirement("team", Operator.NOT_IN, ("a",)), False),
        (LabelRequirement("team", Operator.NOT_IN, ("b",)), True),
        (LabelRequirement("stage", Operator.NOT_IN, ("a",)), True),
        (LabelRequirement("team", Operator.EXISTS), True),
        (LabelRequirement("stage", Operator.EXISTS), False),
        (LabelRequirement("team", Operator.DOES_NOT_EXIST), False),
        (LabelRequirement("stage", Operator.DOES_NOT_EXIST), True),
    ],
)
def test_a_label_requirement_holds_as_in_kubernetes(
    requirement: LabelRequirement, holds: bool
) -> None:
    assert requirement.holds(LABELS) is holds


def test_name_and_every_label_requirement_must_hold() -> None:
    selection = NamespaceSelection(
        ("all",),
        labels=(
            LabelRequirement("team", Operator.EXISTS),
            LabelRequirement("tier", Operator.IN, ("web",)),
        ),
    )
    assert selection.selects("x", LABELS)
    assert not selection.selects("x", {"team": "a"})
    assert not selection.selects("kube-system", LABELS)


def test_no_names_mean_every_service_account() -> None:
    assert ServiceAccountSelection().selects("default")
    assert not ServiceAccountSelection(("default",)).selects("other")
