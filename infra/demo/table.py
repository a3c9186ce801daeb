"""A run's report as a table."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

COLOURS = {"created": "green", "renewed": "green", "bound": "green", "waiting": "yellow"}


def table(report: dict[str, Any]) -> Table:
    """One row per secret; the first row of a cluster has its name."""
    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in (
        "cluster",
        "namespace",
        "secret",
        "service accounts",
        "registry hosts",
        "outcome",
        "expires in",
    ):
        drawn.add_column(heading, no_wrap=True)
    for cluster in report["clusters"]:
        for place, secret in enumerate(cluster["secrets"]):
            drawn.add_row(
                "" if place else cluster["cluster"],
                secret["namespace"],
                secret["secret"],
                _accounts(secret),
                _hosts(secret["registryHosts"]),
                _outcome(secret),
                _time_left(secret["expiresAt"]),
                end_section=place + 1 == len(cluster["secrets"]),
            )
    return drawn


def _accounts(secret: dict[str, Any]) -> str:
    missing = [f"({name} awaited)" for name in secret["waitingFor"]]
    return "\n".join([*secret["serviceAccounts"], *missing])


def _hosts(hosts: list[str]) -> str:
    return "\n".join(hosts)


def _outcome(secret: dict[str, Any]) -> str:
    colour = COLOURS.get(secret["result"], "default")
    return f"[{colour}]{secret['result']}[/]\n({secret['reason']})"


def _time_left(expires_at: str | None) -> str:
    if expires_at is None:
        return "-"
    at = datetime.strptime(expires_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    seconds = round((at - datetime.now(timezone.utc)).total_seconds())
    return f"{seconds // 60}m {seconds % 60:02}s"
