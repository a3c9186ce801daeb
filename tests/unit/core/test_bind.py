from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.core.bind import (
    has_reference,
    missing_accounts,
    selected_accounts,
    with_reference,
    without_reference,
)
from acr_refresher.core.select import ServiceAccountSelection
from factories import account

references = st.lists(st.sampled_from(["theirs", "also-theirs", "acr-pull", "x"])).map(tuple)


@given(references)
def test_binding_adds_our_reference_once_and_keeps_the_others_in_place(
    before: tuple[str, ...],
) -> None:
    after = with_reference(account("default", *before), "acr-pull").image_pull_secrets
    assert after == (before if "acr-pull" in before else (*before, "acr-pull"))


@given(references)
def test_unbinding_removes_our_reference_and_keeps_the_order_of_the_others(
    before: tuple[str, ...],
) -> None:
    after = without_reference(account("default", *before), "acr-pull")
    assert not has_reference(after, "acr-pull")
    assert after.image_pull_secrets == tuple(name for name in before if name != "acr-pull")


def test_named_accounts_are_selected_and_missing_accounts_are_reported() -> None:
    there = (account("runner"), account("default"), account("other"))
    named = ServiceAccountSelection(("default", "runner", "later"))
    assert [one.name for one in selected_accounts(there, named)] == ["default", "runner"]
    assert missing_accounts(there, named) == ("later",)


def test_no_names_select_all_accounts_of_the_namespace() -> None:
    there = (account("runner"), account("default"))
    assert [one.name for one in selected_accounts(there, ServiceAccountSelection())] == [
        "default",
        "runner",
    ]
    assert missing_accounts(there, ServiceAccountSelection()) == ()
