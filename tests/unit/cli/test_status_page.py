"""What the page of `status --html` holds, whatever the annotations of secrets say."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest

from acr_refresher.cli.status_page import status_page
from acr_refresher.core.secret_status import FleetStatus, SecretStatus, State
from factories import MINUTE, NOW

FIRST = datetime.min.replace(tzinfo=timezone.utc)
LAST = datetime.max.replace(tzinfo=timezone.utc)


def page(*times: tuple[datetime | None, datetime | None]) -> str:
    """The page of a secret for each time of refresh and expiry."""
    secrets = tuple(
        SecretStatus(
            cluster="prod",
            namespace=f"team-{number}",
            secret="acr-pull",
            state=State.FRESH,
            refreshed_at=refreshed_at,
            expires_at=expires_at,
        )
        for number, (refreshed_at, expires_at) in enumerate(times)
    )
    return status_page(FleetStatus(NOW, secrets))


def marks(document: str) -> list[float]:
    """Where the marks stand on the timeline, in percent."""
    return [float(left) for left in re.findall(r'class="mark".*?left:([\d.]+)%', document)]


def test_every_state_has_a_colour_in_light_and_dark() -> None:
    text = status_page(FleetStatus(NOW, ()))
    for state in State:
        assert text.count(f"--{state.value}: #") == 2
        assert f'[data-state="{state.value}"] {{ --of: var(--{state.value}); }}' in text


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = page((NOW, NOW + 50 * MINUTE))
    assert "default-src 'none'" in text
    assert not re.findall(r"https?://|@import|url\(|<link|src=", text)


def test_a_page_of_nothing() -> None:
    assert "No secret here has an expiry" in status_page(FleetStatus(NOW, ()))


@pytest.mark.parametrize("refreshed_at", [None, FIRST, NOW, LAST])
@pytest.mark.parametrize("expires_at", [None, FIRST, NOW, LAST])
def test_any_time_has_a_row(refreshed_at: datetime | None, expires_at: datetime | None) -> None:
    document = page((refreshed_at, expires_at), (NOW, NOW + 50 * MINUTE))
    assert "team-0" in document
    assert all(0 <= left <= 100 for left in marks(document))


def test_a_far_expiry_stands_at_the_edge_and_does_not_squeeze_the_others() -> None:
    first, second, edge = marks(
        page((NOW, NOW + timedelta(days=1)), (NOW, NOW + timedelta(days=6)), (NOW, LAST))
    )
    assert edge == 100
    assert edge - second > 10
    assert second - first > 50
