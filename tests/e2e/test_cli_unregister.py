"""`acr-refresher unregister`: nothing of ours stays, everything of others does."""

from __future__ import annotations

import os
import pty
import signal

import pytest

from acr_refresher.cli.unregister import INTERRUPTED
from localcloud.faults import BadGateway
from localkube.double import Fault
from operators import at_a_terminal, command, interrupted_at, printed_secrets, process
from scenarios import scenario, staged
from sites import CLUSTERS, BrokenSite, Site, config_of, passwords, references

STATEMENT = (
    "This deletes 1 pull secret in prod-hangzhou and removes 1 reference from service accounts."
)
QUESTION = f"{STATEMENT} Continue?"


def test_everything_of_ours_goes_and_nothing_else(site: Site) -> None:
    shop = site.namespace("shop", default=("theirs",), builder=())
    foreign = site.namespace("foreign", default=("acr-pull",))
    site.hangzhou.create_secret(foreign, "acr-pull", stringData={"a": "b"})
    web = site.namespace("web", site.beijing)
    with site.function(serviceAccount="*") as function:
        function.invoke()
        result = command(function, "unregister", "prod-hangzhou", "--yes")
        again = command(function, "unregister", "prod-hangzhou", "--yes")
    assert (result.exit_code, result.stderr, printed_secrets(function, result)) == (0, "", [])
    assert result.stdout.splitlines() == [
        f"- {shop}/acr-pull  removed",
        "Done: 1 removed, 0 failed.",
    ]
    assert again.stdout == "Cluster prod-hangzhou has no pull secret of acr-refresher.\n"
    assert site.hangzhou.get_secret(shop, "acr-pull") is None
    assert references(site.hangzhou, shop) == ["theirs"]
    assert references(site.hangzhou, shop, "builder") == []
    assert site.hangzhou.get_secret(foreign, "acr-pull") is not None
    assert references(site.hangzhou, foreign) == ["acr-pull"]
    assert passwords(site.beijing, web) != {}


def test_all_pull_secrets_of_a_cluster_go(site: Site) -> None:
    pull_secrets = [
        {"secretName": "main-pull", "registries": ["main"]},
        {"secretName": "partner-pull", "registries": ["partner"]},
    ]
    cluster = {**CLUSTERS[0], "pullSecrets": pull_secrets}
    config = config_of({"watchNamespace": f"{site.prefix}-*"}, clusters=[cluster])
    shop = site.namespace("shop", default=("theirs",))
    site.hangzhou.apply_rbac(secret_names=("main-pull", "partner-pull"))
    with site.function(config) as function:
        function.invoke()
        assert references(site.hangzhou, shop) == ["theirs", "main-pull", "partner-pull"]
        result = command(function, "unregister", "prod-hangzhou", "--yes")
    assert (result.exit_code, "2 removed, 0 failed" in result.stdout) == (0, True)
    assert references(site.hangzhou, shop) == ["theirs"]
    assert site.hangzhou.get_secret(shop, "main-pull") is None
    assert site.hangzhou.get_secret(shop, "partner-pull") is None


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_it_asks_first_at_a_terminal(broken: BrokenSite, typed: str, code: int) -> None:
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.invoke()
        done = at_a_terminal(function, typed, "unregister", "prod-hangzhou")
    assert done.returncode == code
    assert QUESTION in done.stderr
    assert (passwords(broken.hangzhou, shop) == {}) is (code == 0)
    assert (references(broken.hangzhou, shop) == []) is (code == 0)


def test_without_a_terminal_it_must_be_confirmed_with_yes(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.invoke()
        result = command(function, "unregister", "prod-hangzhou")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{STATEMENT} stdin is not a terminal, so confirm with --yes.\n"
    assert passwords(broken.hangzhou, shop) != {}


def test_ctrl_c_at_the_question_changes_nothing(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    keyboard, terminal = pty.openpty()
    with broken.function() as function:
        function.invoke()
        with process(function, "unregister", "prod-hangzhou", stdin=terminal) as running:
            assert running.stderr
            asked = running.stderr.read(len(QUESTION))
            running.send_signal(signal.SIGINT)
            message = running.communicate()[1]
    os.close(keyboard)
    os.close(terminal)
    assert (asked, running.returncode) == (QUESTION, 130)
    assert message.splitlines()[-1].endswith("Interrupted. Nothing was changed.")
    assert "Traceback" not in message
    assert passwords(broken.hangzhou, shop) != {}


def test_ctrl_c_meanwhile_tells_what_may_have_been_done(broken: BrokenSite) -> None:
    broken.namespace("shop")
    with broken.function() as function:
        function.invoke()
        done = interrupted_at(
            broken.hangzhou, "DELETE", function, "unregister", "prod-hangzhou", "--yes"
        )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == f"Interrupted. {INTERRUPTED}\n"


def test_what_was_interrupted_is_finished_by_another(broken: BrokenSite) -> None:
    names = [broken.namespace(f"shop-{number}") for number in range(3)]
    broken.hangzhou.faults.add(Fault("DELETE", names[1], status=403))
    with broken.function() as function:
        function.invoke()
        first = command(function, "unregister", "prod-hangzhou", "--yes")
        assert (first.exit_code, "2 removed, 1 failed" in first.stdout) == (1, True)
        assert references(broken.hangzhou, names[1]) == []
        second = command(function, "unregister", "prod-hangzhou", "--yes")
    assert (second.exit_code, "1 removed, 0 failed" in second.stdout) == (0, True)
    assert [passwords(broken.hangzhou, name) for name in names] == [{}, {}, {}]


def test_a_secret_that_is_still_referred_to_stays(broken: BrokenSite) -> None:
    shop = broken.namespace("shop")
    with broken.function() as function:
        function.invoke()
        broken.hangzhou.faults.add(Fault("PATCH", f"{shop}/serviceaccounts", status=403))
        result = command(function, "unregister", "prod-hangzhou", "--yes")
    assert result.exit_code == 1
    assert f"! {shop}/acr-pull  service account default: PATCH" in result.stdout
    assert passwords(broken.hangzhou, shop) != {}


def test_a_cluster_that_cannot_be_reached(broken: BrokenSite) -> None:
    broken.hangzhou.faults.add(Fault("GET", "/api/v1/secrets", status=403))
    with broken.function() as function:
        result = command(function, "unregister", "prod-hangzhou", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("GET /api/v1/secrets")


def test_a_name_that_is_no_clusters(broken: BrokenSite) -> None:
    with broken.function() as function:
        result = command(function, "unregister", "prod-hangzhuo", "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "prod-hangzhuo: no such cluster; did you mean prod-hangzhou?\n"


def test_a_name_that_an_unread_list_may_have_is_no_mistake(broken: BrokenSite) -> None:
    with staged(broken, scenario("clusters-discovered")) as function:
        function.cloud.faults.inject("DescribeClustersV1", BadGateway(), times=None)
        result = command(function, "unregister", "prod-hangzhuo", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "; cluster prod-hangzhuo may be in this list" in result.stderr
