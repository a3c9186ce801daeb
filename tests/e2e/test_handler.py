"""The entry points, as Function Compute calls them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from acr_refresher.config.events import InvalidEvent
from acr_refresher.config.load import ConfigError
from acr_refresher.config.strict import InvalidInput
from acr_refresher.errors import Denied
from demo.company import FUNCTION_ROLE, HOME, REGION
from demo.stage import context_of, stage
from sites import Site, only, passwords, references, results

TIMER = b'{"triggerTime":"2026-01-01T00:00:00Z","triggerName":"t","payload":""}'


def test_credentials_in_the_environment_are_used(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The context of runtime python3.12 has no `credentials` and no `service`."""
    shop = site.namespace("shop")
    with site.function() as function:
        session = function.cloud.function_credentials(FUNCTION_ROLE)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", session.access_key_id)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", session.access_key_secret)
        monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", session.security_token)
        context = SimpleNamespace(request_id="1-a-b", region=REGION, account_id=HOME)
        function.handler.initialize(context)
        report = function.handler.handle(TIMER, context)
    assert results(report) == {shop: "created"}
    assert report["run"] == "1-a-b"


def test_without_a_role_the_function_fails_and_asks_for_a_role(site: Site) -> None:
    with site.function() as function, pytest.raises(Denied, match="give it a RAM role"):
        function.handler.handle(TIMER, SimpleNamespace(request_id="1"))


@pytest.mark.parametrize(
    ("event", "named"),
    [
        pytest.param(b"", ["is empty"], id="empty"),
        pytest.param(b"{", ["is not JSON"], id="not-json"),
        pytest.param(
            b'{"action":"refresh","force":"yes","cluster":["prod"],"reason":7}',
            ["force", "cluster", "did you mean clusters", "reason"],
            id="several-mistakes",
        ),
        pytest.param(
            b'{"action":"refresh","clusters":["prdo-*"],"registries":["man"]}',
            ["prdo-*", "prod-hangzhou", "did you mean main"],
            id="unknown-names",
        ),
    ],
)
def test_a_bad_event_is_refused_with_every_problem_and_nothing_is_done(
    site: Site, event: bytes, named: list[str]
) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        context = context_of(function.cloud.function_credentials(FUNCTION_ROLE), 600)
        with pytest.raises(InvalidEvent) as refused:
            function.handler.handle(event, context)
        assert function.cloud.calls() == []
    assert all(words in str(refused.value) for words in named)
    assert passwords(site.hangzhou, shop) == {}


def test_a_bad_config_is_refused_at_start_with_every_problem(site: Site) -> None:
    text = "registries: []\nclusters:\n- {name: a, kubeconfig: x.yaml, serviceaccount: default}\n"
    with site.function(text) as function, pytest.raises(ConfigError) as refused:
        function.handler.initialize(SimpleNamespace())
    assert len(refused.value.problems) >= 2
    assert "did you mean serviceAccount" in str(refused.value)


def test_secrets_that_can_expire_between_runs_are_refused_at_start(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACR_REFRESHER_TIMER", "@every 20m")
    with site.function() as function, pytest.raises(InvalidInput) as refused:
        function.handler.initialize(SimpleNamespace())
    assert "can expire between two runs" in str(refused.value)


def test_a_timer_of_which_no_run_may_fail_gives_a_warning_at_start(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACR_REFRESHER_TIMER", "@every 10m")
    with site.function() as function:
        function.handler.initialize(SimpleNamespace())
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["event"], line["level"]) == ("config.warning", "warning")
    assert line["path"] == "defaults.expiringThreshold"
    assert "ACR_REFRESHER_TIMER" in line["problem"]
    assert line["remedy"].startswith("make it 20m or more")


def test_an_invalid_schedule_is_refused_at_start(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACR_REFRESHER_TIMER", "10m")
    with site.function() as function, pytest.raises(InvalidInput, match="ACR_REFRESHER_TIMER"):
        function.handler.initialize(SimpleNamespace())


def test_the_example_config_works_unchanged(site: Site) -> None:
    """function/config.yaml, byte for byte, is what the README shows and the demo runs."""
    clusters = {
        "prod-hangzhou": site.hangzhou,
        "prod-beijing": site.beijing,
        "idc": site.hangzhou,
    }
    with stage(clusters) as function:
        report = function.invoke(clusters=["prod-*"], namespaces=["no-such-*"])
        assert report["ok"]
        assert [cluster["requests"] for cluster in report["clusters"]] == [3, 3]


def test_a_timers_payload_narrows_its_run(site: Site) -> None:
    shop = site.namespace("shop")
    site.namespace("web", site.beijing)
    with site.function() as function:
        report = function.timer(json.dumps({"clusters": ["prod-hangzhou"]}))
    assert results(report) == {shop: "created"}
    assert report["trigger"] == "timer:every-5-minutes"


def test_an_instance_works_again_after_a_stop_signal(site: Site) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        function.timer()
        function.handler.pre_stop(SimpleNamespace())
        assert only(function.invoke(force=True), shop)["result"] == "renewed"


def test_two_runs_at_once_do_no_harm(site: Site) -> None:
    """A timer event may be delivered twice, and its runs may overlap."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # this test's alone

    shop = site.namespace("shop", default=("theirs",))
    with site.function() as function, ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(function.timer) for _ in range(2)]
        assert all(run.result()["ok"] for run in runs)
    assert references(site.hangzhou, shop) == ["theirs", "acr-pull"]


def test_logs_have_flat_lines_for_every_cluster_and_run_and_no_secret(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        session = function.cloud.function_credentials(FUNCTION_ROLE)
        report = function.handler.handle(TIMER, context_of(session, 600))
        issued = [*function.cloud.sessions.values()]
        secrets = [
            *function.cloud.registry_tokens,
            *(session.access_key_secret for session in issued),
            *(session.security_token for session in issued),
        ]
    printed = capfd.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert printed.err == ""
    assert not [secret for secret in secrets if secret in printed.out + json.dumps(report)]
    by_event = {line["event"]: line for line in lines}
    assert {line["run"] for line in lines} == {report["run"]}
    assert by_event["secret.created"]["namespace"] == shop
    assert by_event["run.finished"]["secrets_created"] == 1
    assert by_event["cluster.served"]["requests"] > 0
    assert by_event["token.minted"]["request_id"]
    assert not [line for line in lines if any(isinstance(value, dict) for value in line.values())]
