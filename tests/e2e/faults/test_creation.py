"""Runs that overlap while a pull secret is created: no valid login is lost."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud import faults
from localkube.double import Fault
from sites import MAIN_HOSTS, PARTNER_HOSTS, SECRET, BrokenSite, only, passwords

SECRETS = f"/secrets/{SECRET}"
ALL_HOSTS = sorted((*MAIN_HOSTS, *PARTNER_HOSTS))
DENIED = faults.ApiError(403, "NoPermission", "You are not authorized to do this action.")
ROTATION: dict[str, Any] = {"registries": ["main"], "force": True}


def test_a_rotation_of_one_registry_creates_a_missing_secret_with_all(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    with broken.function() as function:
        assert only(function.invoke(registries=["main"]), shop)["result"] == "created"
    assert sorted(passwords(broken.hangzhou, shop)) == ALL_HOSTS


@pytest.mark.parametrize("asked", [ROTATION, {}], ids=["rotation", "run"])
def test_a_run_that_saw_no_secret_leaves_no_login_out_that_another_run_wrote(
    broken: BrokenSite, asked: dict[str, Any]
) -> None:
    shop = broken.namespace("shop")
    with broken.function() as function:
        at_write = Fault("PATCH", f"{shop}{SECRETS}", meanwhile=function.invoke)
        broken.hangzhou.faults.add(at_write)
        outcome = only(function.invoke(**asked), shop)
    assert outcome["failures"] == []
    assert sorted(passwords(broken.hangzhou, shop)) == ALL_HOSTS


def test_a_secret_that_a_list_does_not_show_is_not_overwritten_with_fewer_logins(
    broken: BrokenSite,
) -> None:
    """A registry cannot be minted just then: before the secret is created, it is read by name."""
    shop = broken.namespace("shop")
    with broken.function() as function:

        def created_by_another_run() -> None:
            function.invoke()
            function.cloud.faults.inject(
                "GetAuthorizationToken", DENIED, times=None, host="cn-beijing"
            )

        # The accounts are listed after the Secrets: the list of Secrets is then out of date.
        listed = Fault("GET", "/api/v1/serviceaccounts", meanwhile=created_by_another_run)
        broken.hangzhou.faults.add(listed)
        before = only(function.invoke(), shop)
        tokens = passwords(broken.hangzhou, shop)
    assert before["result"] != "created"
    assert sorted(tokens) == ALL_HOSTS


def test_a_secret_with_fewer_logins_is_created_where_there_is_none(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.cloud.faults.inject("GetAuthorizationToken", DENIED, times=None, host="cn-beijing")
        report = function.invoke()
    assert only(report, shop)["result"] == "incomplete"
    assert report["clusters"][0]["requests"] == 6  # three lists, the read by name, two writes
    assert sorted(passwords(broken.hangzhou, shop)) == MAIN_HOSTS
