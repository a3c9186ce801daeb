"""A logstore in memory, which runs the queries of infra/sls.

A query is `SEARCH | SQL`. DuckDB runs the SQL: it is as strict as SLS about columns, types and
grouping, and the few functions that it lacks are defined here. Only fields that the index names
can be queried.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from string import Template
from typing import Any

import duckdb

FOLDER = Path(__file__).resolve().parents[2] / "infra" / "sls"
QUERIES = FOLDER / "queries"
TYPES = {"text": "VARCHAR", "long": "BIGINT"}
FUNCTIONS = """
CREATE MACRO from_unixtime(seconds) AS make_timestamp(CAST(seconds AS BIGINT) * 1000000);
CREATE MACRO to_unixtime(moment) AS epoch(moment);
CREATE MACRO date_format(moment, format) AS strftime(moment, replace(format, '%i', '%M'));
CREATE MACRO approx_percentile(value, share) AS approx_quantile(value, share);
"""
_TERM = re.compile(r"([a-z_.]+): ([a-z_.-]+)")

Row = dict[str, Any]


def query(name: str) -> str:
    """The query in a file of infra/sls, such as `queries/alert.expiry.sql`, as Terraform sends it.

    deploy/test_terraform_plan.py compares this with Terraform's plan.
    """
    parts = {path.stem: path.read_text("utf-8").strip() for path in QUERIES.glob("parts/*.sql")}
    text = Template((FOLDER / name).read_text("utf-8")).substitute(parts)
    lines = (line.strip() for line in text.splitlines())
    return " ".join(line for line in lines if line and not line.startswith("--"))


def document(name: str) -> dict[str, Any]:
    """A JSON file of infra/sls as it is, such as `index.outcomes`."""
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return read


def definition(name: str) -> dict[str, Any]:
    """A JSON file of infra/sls as Terraform sends it: each query replaces the name of its file."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text, object_hook=_with_query)
    return read


def definitions(kind: str) -> dict[str, dict[str, Any]]:
    """All definitions of a kind by name: `expiry` is in `alert.expiry.json`."""
    names = sorted(path.stem for path in FOLDER.glob(f"{kind}.*.json"))
    return {name.removeprefix(f"{kind}."): definition(name) for name in names}


def columns(index: Mapping[str, Any]) -> dict[str, str]:
    """The fields of an index with their SQL types, `message.event` for a key in JSON."""
    found: dict[str, str] = {}
    for name, key in index["keys"].items():
        if key["type"] == "json":
            found |= {f"{name}.{k}": TYPES[each["type"]] for k, each in key["json_keys"].items()}
        else:
            found[name] = TYPES[key["type"]]
    return found


class Logstore:
    """One logstore at a moment."""

    def __init__(
        self, index: Mapping[str, Any], records: Iterable[Mapping[str, Any]], now: datetime
    ) -> None:
        self._now = int(now.timestamp())
        self._sql = duckdb.connect()
        self._sql.execute(FUNCTIONS)
        self._sql.execute(f"CREATE MACRO now() AS from_unixtime({self._now})")
        fields = {"__time__": "BIGINT", **columns(index)}
        declared = ", ".join(f'"{name}" {kind}' for name, kind in fields.items())
        self._sql.execute(f"CREATE TABLE records ({declared})")
        rows = [{name: record.get(name) for name in fields} for record in records]
        self._sql.execute(
            "INSERT INTO records SELECT unnest(from_json_strict(?, ?), recursive := true)",
            [json.dumps(rows), json.dumps([fields])],
        )

    def ask(self, query: str, start: str = "-86400s") -> list[Row]:
        """The rows that a query returns. Raises duckdb.Error when the SQL is wrong."""
        search, _, statement = query.partition(" | ")
        since = self._now - int(start.strip("-s"))
        self._sql.execute(
            f"CREATE OR REPLACE VIEW log AS SELECT * FROM records"  # noqa: S608  # ours
            f" WHERE __time__ BETWEEN {since} AND {self._now} AND {_condition(search)}"
        )
        asked = self._sql.execute(statement)
        names = [column[0] for column in asked.description or ()]
        return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]


def _with_query(read: dict[str, Any]) -> dict[str, Any]:
    """A JSON object, with the query in place of the name of its file."""
    return {**read, "query": query(read["query"])} if "query" in read else read


def _condition(search: str) -> str:
    if search == "*":
        return "true"
    terms = [_TERM.fullmatch(term) for term in search.split(" and ")]
    if None in terms:
        raise ValueError(f"the search {search!r} is not understood")
    return " AND ".join(f"\"{term[1]}\" = '{term[2]}'" for term in terms if term)
