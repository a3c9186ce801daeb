"""A configuration and a timer: which settings let a pull secret expire, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from acr_refresher.config.load import read_config
from acr_refresher.config.strict import InvalidInput
from acr_refresher.config.timer import parse_timer, timer_warnings

MAIN = {"name": "main", "instanceId": "cri-main", "regionId": "cn-hangzhou"}
LONG = {"name": "long", "instanceId": "cri-long", "regionId": "cn-beijing", "expireDuration": 43200}


def warnings(schedule: str, *clusters: dict[str, Any], **document: Any) -> list[str]:
    named = [
        {"name": f"c-{index}", "kubeconfig": f"{index}.yaml", **cluster}
        for index, cluster in enumerate(clusters)
    ]
    text = yaml.safe_dump({"registries": [MAIN], "clusters": named, **document})
    timings = read_config(text, "config.yaml").timings
    return [str(each) for each in timer_warnings(timings, parse_timer(schedule, "s.yaml"))]


def problems(schedule: str, *clusters: dict[str, Any], **document: Any) -> list[str]:
    with pytest.raises(InvalidInput) as refusal:
        warnings(schedule, *clusters, **document)
    return [str(each) for each in refusal.value.problems]


def paths(found: list[str]) -> list[str]:
    return [line.split(":")[0] for line in found]


def test_the_defaults_have_no_risk() -> None:
    assert warnings("@every 5m", {}, {"expiringThreshold": "10m"}) == []


def test_a_secret_that_can_expire_between_runs_is_refused() -> None:
    (found,) = problems("@every 20m", {"expiringThreshold": "10m"})
    assert found == (
        "clusters[0].expiringThreshold: is 10m, less than the 20m between runs of the timer"
        " (@every 20m, s.yaml): a pull secret can expire between two runs; make it 40m or more, or"
        " let the timer run every 5m or more often"
    )


def test_a_secret_that_expires_after_one_failed_run_is_a_warning() -> None:
    (found,) = warnings("0 */10 * * * *", {})
    assert found == (
        "defaults.expiringThreshold: is 15m by default, less than 20m, two periods of the timer"
        " (0 */10 * * * *, s.yaml): a pull secret expires if one run fails; make it 20m or more, or"
        " let the timer run every 7m30s or more often"
    )


def test_a_token_that_is_shorter_than_a_period_is_refused() -> None:
    """A higher threshold would not help, so the remedy does not name one."""
    duration, threshold = problems("@every 1h", {})
    assert duration == (
        "registries[0].expireDuration: is 1h by default, not more than the 1h between runs of"
        " the timer (@every 1h, s.yaml): a pull secret expires before the next run; let the timer"
        " run every 7m30s or more often"
    )
    assert threshold.endswith(
        "can expire between two runs; let the timer run every 7m30s or more often"
    )


def test_renewing_in_every_run_is_a_warning() -> None:
    (found,) = warnings("@every 5m", {"expiringThreshold": "2h"})
    assert found == (
        "clusters[0].expiringThreshold: is 2h, not less than registries[0].expireDuration: every"
        " run renews every pull secret; make it less than 1h"
    )


def test_a_short_token_is_a_warning_for_any_threshold() -> None:
    found = warnings("@every 30m", {"expiringThreshold": "2h"})
    assert paths(found) == ["registries[0].expireDuration", "clusters[0].expiringThreshold"]
    assert "if one run fails" in found[0]
    assert found[0].endswith("let the timer run every 20m or more often")


def test_each_place_is_named_once() -> None:
    """Two clusters share a default; another cluster has its own threshold."""
    found = problems(
        "@every 20m",
        {},
        {},
        {"expiringThreshold": "5m"},
        {"pullSecrets": [{"secretName": "a", "expiringThreshold": "6m"}, {"secretName": "b"}]},
        discover=[{"regions": ["cn-hangzhou"], "expiringThreshold": "7m"}],
        defaults={"expiringThreshold": "10m"},
    )
    assert paths(found) == [
        "defaults.expiringThreshold",
        "clusters[2].expiringThreshold",
        "clusters[3].pullSecrets[0].expiringThreshold",
        "discover[0].expiringThreshold",
    ]


def test_shared_pull_secrets_are_named_with_their_path() -> None:
    shared = [{"secretName": "a", "expiringThreshold": "5m"}, {"secretName": "b"}]
    found = problems("@every 20m", {}, {}, defaults={"pullSecrets": shared})
    assert paths(found) == [
        "defaults.pullSecrets[0].expiringThreshold",
        "defaults.expiringThreshold",
    ]


def test_only_the_registries_of_a_secret_count() -> None:
    """Registries that a namespace may request count, too."""
    both = [MAIN, LONG]
    long_lived = {"registries": "long", "expiringThreshold": "2h30m"}
    assert warnings("@every 1h", long_lived, registries=both) == []
    found = problems("@every 1h", {**long_lived, "grantable": "main"}, registries=both)
    assert paths(found) == ["registries[0].expireDuration"]
