"""Which alerts of infra/sls fire, and what their queries find."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sls.logstore import Logstore, Row, definition, definitions

Alerts = Mapping[str, Mapping[str, Any]]

ALERTS: Alerts = definitions("alert")
INDEX = definition("index.outcomes")


def rows(
    records: Iterable[Mapping[str, Any]], now: datetime, alerts: Alerts = ALERTS
) -> dict[str, list[Row]]:
    """The rows that each alert finds at that moment, by the names of the alerts that fire."""
    store = Logstore(INDEX, records, now)
    found = {}
    for name, alert in alerts.items():
        configuration = alert["configuration"]
        [severity] = configuration["severityConfigurations"]
        assert severity["evalCondition"] == {"condition": "", "countCondition": "__count__ > 0"}
        [query] = configuration["queryList"]
        found[name] = store.ask(query["query"], query["start"])
    return {name: each for name, each in found.items() if each}
