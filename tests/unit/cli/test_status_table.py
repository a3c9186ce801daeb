"""The status on terminals of several widths."""

from __future__ import annotations

import re

import pytest

from acr_refresher.cli.render import show
from acr_refresher.cli.status import status_view
from acr_refresher.core.secret_status import FleetStatus, SecretStatus, State
from factories import MINUTE, NOW

HOSTS = (
    "acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com",
    "acme-registry.cn-hangzhou.cr.aliyuncs.com",
    "partner-registry.cn-beijing.cr.aliyuncs.com",
)
ACCOUNTS = tuple(f"builder-{number}" for number in range(12))
LONG = "a-namespace-whose-name-is-as-long-as-one-may-be-sixty-three-abc"


def standing(namespace: str, state: State = State.FRESH) -> SecretStatus:
    return SecretStatus(
        cluster="prod-hangzhou",
        namespace=namespace,
        secret="acr-pull",
        state=state,
        hosts=HOSTS,
        service_accounts=ACCOUNTS,
        refreshed_at=NOW - 10 * MINUTE,
        expires_at=NOW + 50 * MINUTE,
    )


def shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int,
    *namespaces: str,
) -> list[str]:
    """The lines on a terminal so wide."""
    environ = {"COLUMNS": str(width), "FORCE_COLOR": "1", "TERM": "xterm"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    missing = SecretStatus(cluster="idc", namespace="new", secret="acr-pull", state=State.MISSING)
    show(*status_view(FleetStatus(NOW, (missing, *map(standing, namespaces)))))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    lines = [line.rstrip() for line in plain.splitlines()]
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_value_is_there_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    lines = shown(monkeypatch, capsys, width, *(f"shop-{number}" for number in range(5)))
    words = [word.strip(",") for line in lines for word in line.split()]
    for host in HOSTS:
        assert words.count(host) == 5
    for account in ACCOUNTS:
        assert words.count(account) == 5
    for value in ("missing", "idc", "50m", "10m"):
        assert value in words
    assert len([word for word in words if word == "prod-hangzhou"]) == 5
    assert len(lines) < 50


def test_a_table_where_it_has_room_and_paragraphs_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(monkeypatch, capsys, 200, "shop")[0].split()[:2] == ["state", "cluster"]
    assert shown(monkeypatch, capsys, 80, "shop")[:4] == [
        "missing  idc new/acr-pull",
        "fresh    prod-hangzhou shop/acr-pull",
        "         expires in 50m 00s, minted 10m 00s ago",
        "         service accounts: builder-0, builder-1, builder-2, builder-3,",
    ]


def test_the_table_is_left_where_a_column_too_little_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At its least width no word of it is broken."""
    tables = {
        width: lines
        for width in range(100, 200)
        if (lines := shown(monkeypatch, capsys, width, "shop"))[0].startswith("state")
    }
    narrowest = tables[min(tables)]
    assert all(any(word in line for line in narrowest) for word in (*HOSTS, *ACCOUNTS))
    assert "…" not in "".join(narrowest)


def test_a_name_longer_than_a_line_goes_on_in_the_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, 60, LONG)
    assert LONG in "".join(line.strip() for line in lines)
