from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from factories import account

references = st.lists(st.sampled_from(["theirs", "also-theirs", "acr-pull", "x"])).map(tuple)


@given(references)
def test_binding_adds_our_reference_once_and_keeps_the_others_in_place(
    before: tuple[str, ...],
) -> None:
    after = account("default", *before).with_reference("acr-pull").image_pull_secrets
    assert after == (before if "acr-pull" in before else (*before, "acr-pull"))


@given(references)
def test_unbinding_removes_our_reference_and_keeps_the_order_of_the_others(
    before: tuple[str, ...],
) -> None:
    after = account("default", *before).without_reference("acr-pull")
    assert not after.refers_to("acr-pull")
    assert after.image_pull_secrets == tuple(name for name in before if name != "acr-pull")
