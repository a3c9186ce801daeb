"""The time-outs add up: what is inside ends before what is around it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from acr_refresher.settings import SETTINGS

ROOT = Path(__file__).parents[2]


def deployed_timeout() -> timedelta:
    """The function's timeout as s.yaml deploys it."""
    document = yaml.safe_load((ROOT / "s.yaml").read_text(encoding="utf-8"))
    timeout = document["resources"]["acr-refresher"]["props"]["timeout"]
    assert timeout == "${vars.period}"
    return timedelta(seconds=document["vars"]["period"])


@pytest.mark.parametrize("function", [SETTINGS.function_timeout, deployed_timeout()])
def test_the_times_within_a_run_add_up(function: timedelta) -> None:
    kept_back = SETTINGS.report_time + SETTINGS.wind_up_time
    assert SETTINGS.kube_request_timeout < SETTINGS.cluster_timeout
    assert SETTINGS.plugin_timeout < SETTINGS.cluster_timeout
    assert SETTINGS.file_timeout < SETTINGS.cluster_timeout
    assert SETTINGS.cluster_timeout < function - kept_back
    begin = (function - SETTINGS.report_time) / 2
    assert SETTINGS.cluster_timeout + SETTINGS.wind_up_time < begin, "clusters begin half the time"


def test_a_request_to_the_cloud_ends_within_the_time_of_its_attempts() -> None:
    request = SETTINGS.cloud_connect_timeout + SETTINGS.cloud_read_timeout
    assert 2 * request < SETTINGS.retry_timeout, "at least two attempts that take all their time"
    assert 2 * SETTINGS.kube_request_timeout < SETTINGS.retry_timeout
    assert SETTINGS.retry_longest_wait < SETTINGS.retry_timeout - request
    assert SETTINGS.retry_timeout < deployed_timeout() / 4, "a list of clusters has a quarter"


def test_writing_the_outcomes_fits_into_what_is_kept_back() -> None:
    assert SETTINGS.publish_time_min < SETTINGS.report_time
    assert SETTINGS.publish_time_max < deployed_timeout() / 2
    assert SETTINGS.shard_start_timeout < deployed_timeout() / 2


def test_ranges_hold_their_defaults() -> None:
    assert SETTINGS.cluster_timeout_min <= SETTINGS.cluster_timeout <= SETTINGS.cluster_timeout_max
    shortest, longest = SETTINGS.kubeconfig_duration_min, SETTINGS.kubeconfig_duration_max
    assert shortest <= SETTINGS.kubeconfig_duration <= longest
    assert SETTINGS.kubeconfig_margin < shortest
    assert SETTINGS.expiring_threshold < SETTINGS.expiring_threshold_max
    assert SETTINGS.objects_per_connection <= SETTINGS.objects_on_one_connection
