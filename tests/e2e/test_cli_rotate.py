"""`acr-refresher rotate`: the deployed function is invoked through Function Compute."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from demo.company import HOME, REGION
from demo.platform import S_FC2_YAML, S_YAML, on_function_compute
from demo.stage import Stage
from localcloud.fc.deployed import DeployedFunction
from localkube.double import Fault
from operators import at_a_terminal, command, printed_secrets
from sites import BrokenSite, config_of, passwords, results

THREE, TWO = "acr-refresher", "acr-refresher/acr-refresher"
EVERYTHING = {"action": "refresh", "force": True}
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@dataclass(frozen=True)
class Deployment:
    stage: Stage
    there: DeployedFunction

    def rotate(self, *arguments: str) -> Result:
        """Of the deployed function, which is the only one in the account."""
        described = self.there.description
        name = f"{described.service}/{described.name}" if described.service else described.name
        options = ("--function", name, "--account", HOME, *arguments)
        return command(self.stage, "rotate", *options)

    @property
    def event(self) -> Any:
        """What the function was invoked with, once."""
        (event,) = self.there.events
        return json.loads(event)


@contextmanager
def deployment(
    broken: BrokenSite, file: Path = S_YAML, config: str | None = None, **changes: Any
) -> Iterator[Deployment]:
    with broken.function(config) as stage, on_function_compute(stage, file, **changes) as there:
        yield Deployment(stage, there)


@pytest.mark.parametrize("file", [S_YAML, S_FC2_YAML], ids=["3.0", "2.0"])
def test_everything_is_minted_anew_and_reported_as_refresh_does(
    broken: BrokenSite, file: Path
) -> None:
    shop, web = broken.namespace("shop"), broken.namespace("web", broken.beijing)
    with deployment(broken, file) as here:
        first = here.rotate("--yes")
        before = passwords(broken.hangzhou, shop)
        second = here.rotate("--yes", "--reason", "leak", "-o", "json")
        assert printed_secrets(here.stage, first) == []
        events = [json.loads(event) for event in here.there.events]
        assert here.there.instances_started == 1
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.splitlines()[0] == "prod-beijing"
    assert first.stdout.splitlines()[-1].startswith("Done: 2 created, 0 renewed")
    report = json.loads(second.stdout)
    assert results(report) == {shop: "renewed", web: "renewed"}
    assert (report["reason"], report["trigger"], report["force"]) == ("leak", "manual", True)
    assert set(before) == set(passwords(broken.hangzhou, shop))
    assert before != passwords(broken.hangzhou, shop)
    assert events == [EVERYTHING, {**EVERYTHING, "reason": "leak"}]


def documented() -> tuple[str, list[str]]:
    """An event for `s invoke` and the arguments of `rotate` that are the same, it says."""
    text = OPERATIONS.read_text(encoding="utf-8")
    (event, rotation) = re.findall(
        r"^s invoke -e '(.*\"force\".*)'\nbin/acr-refresher (rotate .*)$", text, re.MULTILINE
    )[0]
    return event, shlex.split(rotation)


def test_it_is_the_same_as_the_invocation_that_is_documented(broken: BrokenSite) -> None:
    event, arguments = documented()
    shop, web = broken.namespace("shop"), broken.namespace("web", broken.beijing)
    with deployment(broken) as here:
        rotated = command(here.stage, *arguments, "--account", HOME, "-o", "json")
        invoked = here.there.invoke(event.encode(), "by-s-invoke")
        assert [json.loads(each) for each in here.there.events] == [json.loads(event)] * 2
    by_rotate, by_s = json.loads(rotated.stdout), json.loads(invoked.body)
    assert results(by_rotate) == {shop: "created", web: "created"}
    assert results(by_s) == {shop: "renewed", web: "renewed"}
    assert by_rotate.keys() == by_s.keys()
    for same in ("trigger", "reason", "force", "dryRun", "ok", "failing"):
        assert by_rotate[same] == by_s[same]


def test_it_can_be_narrowed_down(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    broken.namespace("web", broken.beijing)
    options = ("--cluster", "prod-h*", "--namespace", f"{broken.prefix}-s*", "--registry", "main")
    with deployment(broken) as here:
        report = json.loads(here.rotate(*options, "-o", "json").stdout)
        assert here.event == {
            **EVERYTHING,
            "clusters": ["prod-h*"],
            "namespaces": [f"{broken.prefix}-s*"],
            "registries": ["main"],
        }
    assert results(report) == {shop: "created"}


@pytest.mark.parametrize("file", [S_YAML, S_FC2_YAML], ids=["3.0", "2.0"])
def test_it_need_not_be_waited_for(broken: BrokenSite, file: Path) -> None:
    shop = broken.namespace("shop")
    with deployment(broken, file) as here:
        shown = here.rotate("--async", "--yes")
        as_json = json.loads(here.rotate("--async", "--yes", "-o", "json").stdout)
        here.there.wait_until_idle()
        tasks = {task.id: task.state for task in here.there.tasks}
    assert shown.exit_code == 0
    started = re.fullmatch(r"Started as task (rotate-[0-9a-f-]{36})\.\n", shown.stdout)
    assert started is not None
    assert tasks == {started[1]: "Succeeded", as_json["task"]: "Succeeded"}
    assert passwords(broken.hangzhou, shop) != {}


@pytest.mark.parametrize("file", [S_YAML, S_FC2_YAML], ids=["3.0", "2.0"])
def test_where_shards_serve_the_clusters_their_tasks_are_told(
    broken: BrokenSite, file: Path
) -> None:
    shop = broken.namespace("shop")
    text = f"{config_of({'watchNamespace': f'{broken.prefix}-*'})}shardSize: 1\n"
    with deployment(broken, file, text) as here:
        shown = here.rotate("--yes")
        here.there.wait_until_idle()
        tasks = sorted(task.id for task in here.there.tasks)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[:2] == [f"= {task}  1 cluster  started" for task in tasks]
    assert shown.stdout.endswith(", 2 clusters delegated.\n")
    assert len(tasks) == 2
    assert passwords(broken.hangzhou, shop) != {}


def test_a_version_can_be_named(broken: BrokenSite) -> None:
    broken.namespace("shop")
    with deployment(broken, S_FC2_YAML, qualifiers=("prod",)) as here:
        assert here.rotate("--yes", "--qualifier", "prod").exit_code == 0
        gone = here.rotate("--yes", "--qualifier", "test")
    assert gone.exit_code == 1
    assert (
        "function acr-refresher/acr-refresher (test) in cn-hangzhou does not exist" in gone.stderr
    )


@pytest.mark.parametrize("file", [S_YAML, S_FC2_YAML], ids=["3.0", "2.0"])
def test_what_an_alias_starts_is_of_that_alias_too(broken: BrokenSite, file: Path) -> None:
    broken.namespace("shop")
    text = f"{config_of({'watchNamespace': f'{broken.prefix}-*'})}shardSize: 1\n"
    with deployment(broken, file, text, qualifiers=("prod",)) as here:
        shown = here.rotate("--yes", "--qualifier", "prod")
        here.there.wait_until_idle()
        started = [(task.qualifier, task.state) for task in here.there.tasks]
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert started == [("prod", "Succeeded")] * 2


def test_one_broken_cluster_fails_the_command_and_the_others_are_served(
    broken: BrokenSite,
) -> None:
    broken.namespace("shop")
    web = broken.namespace("web", broken.beijing)
    broken.hangzhou.faults.add(Fault("GET", "/api/v1/namespaces", status=403, times=99))
    with deployment(broken) as here:
        shown, as_json = here.rotate("--yes"), here.rotate("--yes", "-o", "json")
    assert (shown.exit_code, as_json.exit_code) == (1, 1)
    assert "! denied: GET /api/v1/namespaces" in shown.stdout
    assert "1 of 2 clusters failed" in shown.stdout
    assert json.loads(as_json.stdout)["failing"] == ["prod-hangzhou"]
    assert passwords(broken.beijing, web) != {}


def test_a_function_that_fails_is_told_in_its_own_words(broken: BrokenSite) -> None:
    with deployment(broken) as here:
        result = here.rotate("--cluster", "prdo-*")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("function acr-refresher failed: InvalidEvent: ")
    assert 'no cluster matches "prdo-*"; use one of: prod-hangzhou' in result.stderr
    assert "Traceback" not in result.output


def test_without_the_right_to_invoke_it_says_which(broken: BrokenSite) -> None:
    """The policy of infra/ram names one function."""
    with deployment(broken, name="another") as here:
        result = here.rotate("--yes")
        assert here.there.events == []
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Allow fc:InvokeFunction on acs:fc:{REGION}:{HOME}:functions/another" in result.stderr


def test_another_function_is_not_taken_for_ours(broken: BrokenSite, tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text("def handle(event, context): return {'ok': True}\n")
    with deployment(broken, code=tmp_path, initializer=None, pre_stop=None) as here:
        result = here.rotate("--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the function did not return a report: is it acr-refresher?" in result.stderr


OLDER = """import json
def handle(event, context):
    return {"run": "r", "trigger": "manual", "reason": "", "force": True, "dryRun": False,
        "startedAt": "2026-01-31T12:00:00Z", "clockSkewSeconds": None, "ok": %(ok)s,
        "failing": [], "results": {"%(result)s": 1}, "outcomesUnsent": 0, "deferred": [],
        "handedOn": [], "clusters": [{"cluster": "prod", "ok": %(ok)s, "failure": None,
            "skipped": "", "warnings": [], "requests": 5, "durationMs": 80, "secrets": [
                {"namespace": "shop", "secret": "acr-pull", "result": "%(result)s",
                 "reason": "forced", "registryHosts": [], "serviceAccounts": [], "bound": [],
                 "waitingFor": [], "expiresAt": None, "failures": [], "warnings": []}]}]}
"""


@pytest.mark.parametrize(("result", "code"), [("renewed", 0), ("degraded", 1)])
def test_the_report_of_an_older_function_decides_how_the_command_ends(
    broken: BrokenSite, tmp_path: Path, result: str, code: int
) -> None:
    """Version 0.1.0 says `handedOn` and `degraded`, and has fewer keys."""
    (tmp_path / "handler.py").write_text(OLDER % {"ok": code == 0, "result": result})
    with deployment(broken, code=tmp_path, initializer=None, pre_stop=None) as here:
        shown = here.rotate("--yes")
    assert (shown.exit_code, shown.stderr) == (code, "")
    verb = "renewed" if code == 0 else "incomplete"
    assert f"shop/acr-pull  {verb}" in shown.stdout


def test_a_namespace_that_matches_nothing_fails(broken: BrokenSite) -> None:
    broken.namespace("shop")
    with deployment(broken) as here:
        result = here.rotate("--namespace", "teem-web")
    assert result.exit_code == 1
    assert result.stderr == "No namespace matches --namespace teem-web. Nothing was changed.\n"


def test_without_a_terminal_everything_must_be_confirmed_with_yes(broken: BrokenSite) -> None:
    with deployment(broken) as here:
        result = here.rotate()
        assert here.there.events == []
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "This renews every pull secret of every cluster that acr-refresher serves. stdin is not a"
        " terminal, so confirm with --yes, or select with --cluster, --namespace or --registry.\n"
    )


@pytest.mark.parametrize(("typed", "code", "invoked"), [("y", 0, 1), ("n", 1, 0), ("", 1, 0)])
def test_at_a_terminal_everything_is_confirmed(
    broken: BrokenSite, typed: str, code: int, invoked: int
) -> None:
    broken.namespace("shop")
    with deployment(broken) as here:
        done = at_a_terminal(here.stage, typed, "rotate", "--function", THREE, "--account", HOME)
        assert len(here.there.events) == invoked
    assert done.returncode == code
    assert (
        "This renews every pull secret of every cluster that acr-refresher serves. Continue?"
        in (done.stderr)
    )
    assert "Traceback" not in done.stderr
