"""A cluster whose API server answers with what a terminal would obey."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from localkube.double import Fault
from localkube.double.api import Reply, Request
from operators import command
from sites import BrokenSite

EVIL = "\x1b]0;owned\x07\x9b2J"


@dataclass
class Cursing(Fault):
    """A refusal that names such a user."""

    def reply(self, _request: Request) -> Reply:
        """As RBAC words it."""
        message = f'User "{EVIL}" cannot list resource "secrets" in API group ""'
        return Reply(403, json.dumps({"kind": "Status", "message": message}).encode())


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("plan", "-o", "json"),
        ("refresh",),
        ("refresh", "-o", "json"),
        ("status",),
        ("status", "-o", "json"),
        ("check",),
        ("check", "-o", "json"),
        ("unregister", "prod-hangzhou", "--yes"),
    ],
    ids=" ".join,
)
def test_what_it_says_is_neither_shown_nor_obeyed(
    broken: BrokenSite, arguments: tuple[str, ...]
) -> None:
    broken.hangzhou.faults.add(Cursing(times=None))
    with broken.function() as function:
        result = command(function, *arguments)
    assert result.exit_code == 1
    printed = result.stdout + result.stderr
    assert "owned" not in printed
    assert all(line.isprintable() for line in printed.split("\n"))


def test_an_entry_that_cannot_be_printed_is_drift(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    place = f"/api/v1/namespaces/{shop}/secrets/acr-pull"
    with broken.function() as function:
        function.timer()
        entries = broken.hangzhou.expect("GET", place)["metadata"]["annotations"][
            "acr-refresher/entries"
        ]
        changed = [{**each, "hosts": [*each["hosts"], EVIL]} for each in json.loads(entries)]
        annotations = {"acr-refresher/entries": json.dumps(changed)}
        merge = "application/merge-patch+json"
        body = {"metadata": {"annotations": annotations}}
        broken.hangzhou.expect("PATCH", place, body, content_type=merge)
        printed = command(function, "status", "--cluster", "prod-h*").stdout
        report = function.timer()
    assert printed.splitlines()[2].split()[:3] == ["drifted", "prod-hangzhou", shop]
    assert all(line.isprintable() for line in printed.splitlines())
    assert [each["result"] for each in report["clusters"][0]["secrets"]] == ["renewed"]
