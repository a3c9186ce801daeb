"""Every query of infra/sls runs against the records of real runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from alibabacloud_sls20201230.models import CreateAlertRequest, Dashboard, Index

from sls.conftest import Written
from sls.history import NAMES_OF_0_1_0, as_0_1_0
from sls.logstore import (
    FOLDER,
    QUERIES,
    Logstore,
    Row,
    columns,
    definition,
    definitions,
    document,
    query,
)

CHARTS = {chart["title"]: chart for chart in definition("dashboard")["charts"]}
LINES = {title: chart for title, chart in CHARTS.items() if chart["type"] == "line"}
ALERTS = definitions("alert")


def test_the_outcomes_index_names_the_fields_that_runs_write_and_no_others(
    written: Written,
) -> None:
    found = {name for record in written.outcomes for name in record if not name.startswith("__")}
    queried = set(definition("index.outcomes")["keys"])
    assert found == queried - set(NAMES_OF_0_1_0.values())


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
def test_each_line_has_a_column_and_a_point_per_period(
    chart: Mapping[str, Any], written: Written
) -> None:
    rows = shown(chart, written)
    periods = [row["period"] for row in rows]
    assert periods == sorted(set(periods))
    assert chart["display"]["xAxis"] == ["period"]
    assert list(rows[0]) == ["period", *chart["display"]["yAxis"]]


def test_tokens_are_counted(written: Written) -> None:
    rows = shown(CHARTS["tokens-minted"], written)
    assert sum(row["tokens"] for row in rows) == 3  # of main twice, of partner once


def test_throttled_calls_are_counted_by_service_though_a_retry_helped(written: Written) -> None:
    rows = shown(CHARTS["throttled-calls"], written)
    total = {name: sum(row[name] for row in rows) for name in rows[0] if name != "period"}
    assert total == {"sts": 1, "cr": 4, "cs": 0, "kms": 0}


@pytest.mark.parametrize("written_by", ["this version", "0.1.0"])
def test_renewals_and_failures_add_up_to_the_runs(written: Written, written_by: str) -> None:
    if written_by == "0.1.0":
        written = replace(written, outcomes=as_0_1_0(written.outcomes))
    rows = shown(CHARTS["renewals-and-failures"], written)
    total = {name: sum(row[name] for row in rows) for name in rows[0] if name != "period"}
    failing = {"incomplete": 3, "kept": 0, "conflict": 1, "contended": 0, "failed": 0}
    assert total == {"created": 2, "renewed": 0, **failing}


def test_the_attention_chart_shows_the_cause_and_the_request_id(written: Written) -> None:
    rows = shown(CHARTS["what-needs-attention"], written)
    cluster = next(row for row in rows if row["kind"] == "cluster")
    assert (cluster["cluster"], cluster["error"]) == ("prod-beijing", "denied")
    assert cluster["last_request_id"]
    assert "cs:DescribeClusterUserKubeconfig" in cluster["last_message"]


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alerts_query_runs_and_its_texts_use_the_columns(
    alert: Mapping[str, Any], written: Written
) -> None:
    [each] = alert["configuration"]["queryList"]
    store = written.logstore(each["store"])
    store.ask(each["query"], each["start"])
    head = each["query"].rpartition("SELECT ")[2].partition(" FROM ")[0]
    for annotation in alert["configuration"]["annotations"]:
        for part in annotation["value"].split("${")[1:]:
            assert part.partition("}")[0] in head


FILES = {path.stem: path for path in sorted(QUERIES.glob("*.sql"))}
SENT = {name: query(f"queries/{name}.sql") for name in FILES}
"""The queries as Terraform sends them, by the names of their files."""


def test_every_file_is_the_query_of_the_alert_or_the_chart_that_it_is_named_after() -> None:
    charts = document("dashboard")["charts"]
    used = {f"chart.{chart['title']}": chart["search"]["query"] for chart in charts}
    for path in FOLDER.glob("alert.*.json"):
        [each] = document(path.stem)["configuration"]["queryList"]
        used[path.stem] = each["query"]
    assert used == {name: f"queries/{name}.sql" for name in FILES}


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_a_file_begins_with_what_the_query_finds(path: Path) -> None:
    assert path.read_text("utf-8").startswith("-- ")


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_no_comment_is_sent(sent: str) -> None:
    """A comment after SQL on the same line would hide all the SQL that follows."""
    assert "--" not in sent
    assert "\n" not in sent
    assert "${" not in sent


def test_both_alerts_about_secrets_mean_the_same_by_a_registered_cluster() -> None:
    ends = "GROUP BY c.cluster ), "
    meanings = {SENT[f"alert.{name}"].partition(ends)[:2] for name in ("expiry", "pulls-fail")}
    [(meaning, found)] = meanings
    assert found
    assert "registered AS (" in meaning


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_no_column_has_a_fields_name(sent: str) -> None:
    """WHERE, GROUP BY and HAVING could mean either."""
    fields = {name for index in definitions("index").values() for name in columns(index)}
    assert not fields.intersection(re.findall(r"\bAS (\w+)", sent))


@pytest.mark.parametrize(
    "wrong",
    ["kind: run | SELECT nope FROM log", "nope: run | SELECT count(*) FROM log"],
    ids=["selected", "searched"],
)
def test_a_field_that_does_not_exist_is_noticed(wrong: str, written: Written) -> None:
    with pytest.raises(duckdb.Error, match="nope"):
        written.logstore("outcomes").ask(wrong)


DOCUMENTS = {
    **{name: (Index, each) for name, each in definitions("index").items()},
    "dashboard": (Dashboard, definition("dashboard")),
    **{name: (CreateAlertRequest, each) for name, each in ALERTS.items()},
}


@pytest.mark.parametrize(("model", "sent"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_is_a_request_of_the_api(model: Any, sent: Mapping[str, Any]) -> None:
    """The SDK's models know every key: they would drop an unknown key."""
    read = model().from_map(sent)
    read.validate()
    assert filled(read.to_map()) == filled(sent)


def filled(value: Any) -> Any:
    """The value without the empty lists and mappings that the models add."""
    if isinstance(value, dict):
        kept = {name: filled(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each not in ({}, [])}
    return [filled(each) for each in value] if isinstance(value, list) else value


def shown(chart: Mapping[str, Any], written: Written) -> list[Row]:
    search = chart["search"]
    store: Logstore = written.logstore(search["logstore"])
    return store.ask(search["query"], search["start"])
