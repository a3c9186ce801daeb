"""The vocabulary of outcomes, and the words of other versions."""

from __future__ import annotations

import pytest

from acr_refresher.core.reasons import FAILING, Reason, Result


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    assert reason.words


@pytest.mark.parametrize(
    "reason",
    [
        Reason.FOREIGN_SECRET,
        Reason.REMOVAL_BLOCKED,
        Reason.NOT_GRANTABLE,
        Reason.CHANGED_MEANWHILE,
        Reason.NAMESPACE_UNREADABLE,
    ],
)
def test_a_reason_that_needs_a_person_has_a_remedy(reason: Reason) -> None:
    assert reason.remedy


def test_the_words_of_version_0_1_0_are_known() -> None:
    assert Result("degraded") is Result.INCOMPLETE
    assert Reason("removal-guard") is Reason.REMOVAL_BLOCKED


def test_a_word_of_a_newer_version_is_kept() -> None:
    assert Reason("quota-exceeded") == Reason("quota-exceeded")
    assert (Reason("quota-exceeded").value, Reason("quota-exceeded").words) == (
        "quota-exceeded",
        "quota-exceeded",
    )
    assert Result("postponed").value == "postponed"
    assert Result("postponed") not in FAILING
    assert "quota-exceeded" not in list(Reason)


@pytest.mark.parametrize("value", [7, None, "\x1b[2J"])
def test_a_value_that_is_not_printable_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        Reason(value)  # type: ignore[arg-type]  # it comes from JSON


@pytest.mark.parametrize("member", [*Result, *Reason, Reason("quota-exceeded")])
def test_a_member_is_the_string_that_users_read(member: Result | Reason) -> None:
    assert str.__str__(member) == member.value
    assert member == member.value
