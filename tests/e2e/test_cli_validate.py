"""`acr-refresher validate --online`: what only the cloud can say of a configuration."""

from __future__ import annotations

from typing import Any

from localcloud.faults import BadGateway
from operators import command
from sites import CLUSTERS, REGISTRIES, Site, config_of

ACME = "acme-registry.cn-hangzhou.cr.aliyuncs.com"


def test_instances_and_domains_that_exist_are_well(site: Site) -> None:
    registries: list[dict[str, Any]] = [{**REGISTRIES[0], "domains": [ACME]}, REGISTRIES[1]]
    with site.function(config_of({}, registries, CLUSTERS)) as function:
        result = command(function, "validate", str(function.folder / "config.yaml"), "--online")
    assert (result.exit_code, result.stdout) == (0, "ok: 2 clusters, 2 registries\n")


def test_every_instance_and_domain_that_does_not_exist_is_named(site: Site) -> None:
    registries: list[dict[str, Any]] = [
        {**REGISTRIES[0], "domains": [ACME, "images.elsewhere.example"]},
        {**REGISTRIES[1], "instanceId": "cri-nosuch0000000001"},
    ]
    with site.function(config_of({}, registries, CLUSTERS)) as function:
        result = command(function, "validate", str(function.folder / "config.yaml"), "--online")
    assert result.exit_code == 2
    domain, instance = result.stderr.splitlines()
    assert domain.startswith("registries[0].domains[1]: images.elsewhere.example is not a domain")
    assert ACME in domain
    assert instance.startswith("registries[1]: cannot be read: ")
    assert "cri-nosuch0000000001" in instance


def test_a_cloud_that_does_not_answer_is_no_mistake_in_the_instance(site: Site) -> None:
    with site.function(config_of({}, REGISTRIES[:1], CLUSTERS)) as function:
        function.cloud.faults.inject("ListInstanceEndpoint", BadGateway(), times=None)
        result = command(function, "validate", str(function.folder / "config.yaml"), "--online")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("registries[0]: no answer from the cloud: cr:ListInstance")
    assert result.stderr.endswith("the configuration may be right: try again\n")


def test_a_mistake_counts_before_an_outage(site: Site) -> None:
    registries: list[dict[str, Any]] = [
        {**REGISTRIES[0], "domains": ["images.elsewhere.example"]},
        REGISTRIES[1],
    ]
    with site.function(config_of({}, registries, CLUSTERS)) as function:
        function.cloud.faults.inject("AssumeRole", BadGateway(), times=None)
        result = command(function, "validate", str(function.folder / "config.yaml"), "--online")
    mistake, outage = result.stderr.splitlines()
    assert result.exit_code == 2
    assert mistake.startswith("registries[0].domains[0]: ")
    assert outage.startswith("registries[1]: no answer from the cloud: ")


def test_without_it_the_cloud_is_not_asked(site: Site) -> None:
    with site.function() as function:
        result = command(function, "validate", str(function.folder / "config.yaml"))
        assert function.cloud.calls() == []
    assert result.exit_code == 0
