"""The resources of RAM actions, and what is said about those that no document names."""

from __future__ import annotations

from acr_refresher.core.ram_actions import ALL_RESOURCES, ASSUMED, RESOURCES, assumption


def test_tokens_can_be_allowed_on_all_resources_only() -> None:
    assert RESOURCES["cr:GetAuthorizationToken"] == ALL_RESOURCES


def test_a_refusal_of_an_action_whose_resource_is_assumed_says_what_to_try() -> None:
    for action in ASSUMED:
        assert f"No document names the resource of {action}." in assumption(action)
        assert "If it is allowed there and still refused, allow it on *" in assumption(action)


def test_nothing_is_said_about_documented_actions() -> None:
    assert assumption("cr:GetAuthorizationToken") == ""
