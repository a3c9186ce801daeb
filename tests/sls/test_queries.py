"""Every query of infra/sls, asked of what real runs wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import duckdb
import pytest
from alibabacloud_sls20201230.models import CreateAlertRequest, Dashboard, Index

from sls.conftest import Written
from sls.logstore import Logstore, Row, columns, definition, definitions

CHARTS = {chart["title"]: chart for chart in definition("dashboard")["charts"]}
LINES = {title: chart for title, chart in CHARTS.items() if chart["type"] == "line"}
ALERTS = definitions("alert")


def test_the_outcomes_index_names_the_fields_that_runs_write_and_no_others(
    written: Written,
) -> None:
    found = {name for record in written.outcomes for name in record if not name.startswith("__")}
    assert found == set(definition("index.outcomes")["keys"])


def test_the_function_index_names_keys_that_the_lines_have(written: Written) -> None:
    found = {f"message.{name}" for line in written.lines for name in line}
    indexed = set(columns(definition("index.function")))
    assert indexed - {"functionName", "instanceID"} <= found


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_a_chart_shows_what_its_query_finds(chart: Mapping[str, Any], written: Written) -> None:
    rows = shown(chart, written)
    assert rows
    axes = {*chart["display"]["xAxis"], *chart["display"]["yAxis"]}
    assert axes <= set(rows[0])
    assert not [row for row in rows if None in (row[axis] for axis in axes)]


def test_clusters_are_counted_by_their_latest_state(written: Written) -> None:
    rows = shown(CHARTS["clusters-by-state"], written)
    assert {row["state"]: row["how_many"] for row in rows} == {"attention": 2}


@pytest.mark.parametrize("chart", LINES.values(), ids=LINES)
def test_each_line_has_a_column_and_a_point_a_tick(
    chart: Mapping[str, Any], written: Written
) -> None:
    rows = shown(chart, written)
    ticks = [row["tick"] for row in rows]
    assert ticks == sorted(set(ticks))
    assert chart["display"]["xAxis"] == ["tick"]
    assert list(rows[0]) == ["tick", *chart["display"]["yAxis"]]


def test_tokens_are_counted(written: Written) -> None:
    rows = shown(CHARTS["tokens-minted"], written)
    assert sum(row["tokens"] for row in rows) == 3  # of main twice, of partner once


def test_throttled_calls_are_counted_by_service_though_a_retry_helped(written: Written) -> None:
    rows = shown(CHARTS["throttled-calls"], written)
    total = {name: sum(row[name] for row in rows) for name in rows[0] if name != "tick"}
    assert total == {"sts": 1, "cr": 4, "cs": 0, "kms": 0}


def test_renewals_and_failures_add_up_to_the_runs(written: Written) -> None:
    rows = shown(CHARTS["renewals-and-failures"], written)
    total = {name: sum(row[name] for row in rows) for name in rows[0] if name != "tick"}
    assert total == {"created": 2, "renewed": 0, "degraded": 3, "conflict": 1, "failed": 0}


def test_what_needs_attention_says_why_and_whom_to_ask(written: Written) -> None:
    rows = shown(CHARTS["what-needs-attention"], written)
    cluster = next(row for row in rows if row["kind"] == "cluster")
    assert (cluster["cluster"], cluster["error"]) == ("prod-beijing", "denied")
    assert cluster["last_request_id"]
    assert "cs:DescribeClusterUserKubeconfig" in cluster["last_message"]


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alerts_query_runs_and_its_words_name_what_it_finds(
    alert: Mapping[str, Any], written: Written
) -> None:
    [query] = alert["configuration"]["queryList"]
    store = written.logstore(query["store"])
    store.ask(query["query"], query["start"])
    head = query["query"].rpartition("SELECT ")[2].partition(" FROM ")[0]
    for annotation in alert["configuration"]["annotations"]:
        for part in annotation["value"].split("${")[1:]:
            assert part.partition("}")[0] in head


QUERIES = {
    **{title: chart["search"]["query"] for title, chart in CHARTS.items()},
    **{name: alert["configuration"]["queryList"][0]["query"] for name, alert in ALERTS.items()},
}


def test_both_alerts_about_secrets_mean_the_same_by_a_registered_cluster() -> None:
    ends = "GROUP BY n.cluster), "
    meanings = {QUERIES[name].partition(ends)[:2] for name in ("expiry", "pulls-fail")}
    [(meaning, found)] = meanings
    assert found
    assert "registered AS (" in meaning


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_no_column_has_a_fields_name(query: str) -> None:
    """WHERE, GROUP BY and HAVING could mean either."""
    fields = {name for index in definitions("index").values() for name in columns(index)}
    assert not fields.intersection(re.findall(r"\bAS (\w+)", query))


@pytest.mark.parametrize(
    "query",
    ["kind: run | SELECT nope FROM log", "nope: run | SELECT count(*) FROM log"],
    ids=["selected", "searched"],
)
def test_a_field_that_does_not_exist_is_noticed(query: str, written: Written) -> None:
    with pytest.raises(duckdb.Error, match="nope"):
        written.logstore("outcomes").ask(query)


DOCUMENTS = {
    **{name: (Index, each) for name, each in definitions("index").items()},
    "dashboard": (Dashboard, definition("dashboard")),
    **{name: (CreateAlertRequest, each) for name, each in ALERTS.items()},
}


@pytest.mark.parametrize(("model", "document"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_is_a_request_of_the_api(model: Any, document: Mapping[str, Any]) -> None:
    """Nothing in it is unknown to the SDK's models, which drop what they do not know."""
    read = model().from_map(document)
    read.validate()
    assert filled(read.to_map()) == filled(document)


def filled(value: Any) -> Any:
    """Without empty lists and mappings, which the models add."""
    if isinstance(value, dict):
        kept = {name: filled(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each not in ({}, [])}
    return [filled(each) for each in value] if isinstance(value, list) else value


def shown(chart: Mapping[str, Any], written: Written) -> list[Row]:
    search = chart["search"]
    store: Logstore = written.logstore(search["logstore"])
    return store.ask(search["query"], search["start"])
