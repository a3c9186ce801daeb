"""Every cluster scenario of docs/scenarios.md, with exactly the permissions that it names."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from acr_refresher.core.model import AckAccess, Role
from acr_refresher.run.ports import Kubeconfig
from adapters.kubeapi import changed
from adapters.loopback import ConnectProxy, tcp_server
from demo.company import FUNCTION_ROLE, HOME, REGION
from demo.stage import Stage
from localcloud import world
from localcloud.ram_files import assume_policy, load_policy
from localkube.pki import Authority
from scenarios import SCENARIOS, by_name, scenario, staged, the_company, without_action
from sites import BrokenSite, Site, only, results

ACK = "cluster-ack"
SECRET = "cluster-kms-secret"
FILE = "cluster-kubeconfig"
PLUGIN = "cluster-credential-plugin"
WITHIN = "cluster-own"


# ---- ACK -----------------------------------------------------------------------------------------


def test_a_run_with_nothing_to_do_makes_three_lists_per_cluster_and_no_call_to_the_cloud(
    site: Site,
) -> None:
    shop, web = site.namespace("shop"), site.namespace("web", site.beijing)
    with staged(site, scenario(ACK)) as function:
        assert results(function.timer()) == {shop: "created", web: "created"}
        asked = {call.host: call for call in function.cloud.calls("DescribeClusterUserKubeconfig")}
        hangzhou = asked["cs.cn-hangzhou.aliyuncs.com"].parameters
        beijing = asked["cs.cn-beijing.aliyuncs.com"].parameters
        assert (hangzhou["PrivateIpAddress"], beijing["PrivateIpAddress"]) == ("true", "false")
        minutes = "TemporaryDurationMinutes"
        assert (hangzhou[minutes], beijing[minutes]) == ("120", "60")
        function.cloud.journal.clear()

        idle = function.timer()

        assert results(idle) == {shop: "unchanged", web: "unchanged"}
        assert [cluster["requests"] for cluster in idle["clusters"]] == [3, 3]
        assert function.cloud.calls() == []


def test_a_cached_kubeconfig_that_the_server_refuses_is_fetched_again_in_the_same_run(
    site: Site,
) -> None:
    shop = site.namespace("shop")
    with staged(site, scenario(ACK)) as function:
        cache_expired(function, site)
        report = function.timer()
        assert only(report, shop)["result"] == "created"
        assert len(function.cloud.calls("DescribeClusterUserKubeconfig")) == 2, "a call per cluster"


def cache_expired(function: Stage, site: Site) -> None:
    """Let the instance cache a kubeconfig whose credentials have expired."""
    role = Role(f"acs:ram::{HOME}:role/acr-refresher-cluster")
    access = AckAccess(
        "c1d00000000000000000000000000001",
        REGION,
        (role,),
        private=True,
        validity=timedelta(hours=2),
    )
    now = datetime.now(timezone.utc)
    expired = site.hangzhou.kubeconfig(validity=timedelta(hours=-1))
    kubeconfig = Kubeconfig(SecretStr(expired), now + timedelta(hours=1))
    cache = function.handler._instance().kubeconfig_cache
    cache.put(access, kubeconfig, now)
    assert cache.get(access, now)


def test_a_registered_cluster_is_served_like_a_managed_cluster(site: Site) -> None:
    shop = site.namespace("shop")
    there = the_company(site)
    registered = replace(there.clusters[0], cluster_type="ExternalKubernetes")
    with staged(site, scenario(ACK), replace(there, clusters=(registered,))) as function:
        assert only(function.invoke(clusters=["prod-hangzhou"]), shop)["result"] == "created"


def test_a_cluster_that_is_not_running_is_skipped_without_a_failure(site: Site) -> None:
    web = site.namespace("web", site.beijing)
    there = the_company(site)
    clusters = (replace(there.clusters[0], state="initial"), there.clusters[1])
    with staged(site, scenario(ACK), replace(there, clusters=clusters)) as function:
        report = function.timer()
    assert report["ok"]
    assert results(report) == {web: "created"}
    skipped = by_name(report)["prod-hangzhou"]
    assert "is in state initial" in skipped["skipped"]
    assert (skipped["ok"], skipped["failure"]) == (True, None)


# ---- outside ACK ---------------------------------------------------------------------------------


def with_secret(there: world.World, site: Site) -> world.World:
    """The data centre's kubeconfig is a KMS secret, and a role may read only this secret."""
    policy = load_policy(
        "kubeconfig-secret.policy",
        region=REGION,
        account=HOME,
        secret="kubeconfig/idc",
        key="key-default",
    )
    trust = load_policy("cluster-account-role.trust", function_role_arn=FUNCTION_ROLE)
    role = world.Role(HOME, "acr-refresher-secrets", trust, (policy,))
    secret = world.Secret(HOME, REGION, "kubeconfig/idc", site.hangzhou.kubeconfig())
    function, *others = there.roles
    function = replace(function, policies=(*function.policies, assume_policy(role.arn)))
    return replace(there, roles=(function, *others, role), secrets=(secret,))


def test_a_kubeconfig_in_kms_is_read_with_its_role(site: Site) -> None:
    shop = site.namespace("shop")
    with staged(site, scenario(SECRET), with_secret(the_company(site), site)) as function:
        assert only(function.timer(), shop)["result"] == "created"
        function.cloud.journal.clear()
        assert only(function.timer(), shop)["result"] == "unchanged"
        assert function.cloud.calls() == []


@pytest.mark.parametrize("action", ["kms:GetSecretValue", "kms:Decrypt"])
def test_without_permission_for_the_kms_secret_a_run_fails(broken: BrokenSite, action: str) -> None:
    there = without_action(with_secret(the_company(broken), broken), action)
    with staged(broken, scenario(SECRET), there) as function:
        (cluster,) = function.invoke()["clusters"]
    assert cluster["failure"]["meaning"] == "denied"
    assert action in cluster["failure"]["message"]


def test_a_denied_kms_secret_is_reported_with_the_missing_permission(site: Site) -> None:
    document = scenario(SECRET)
    del document["clusters"][0]["kubeconfigSecret"]["assumeRoleARN"]
    with staged(site, document) as function:
        (cluster,) = function.invoke()["clusters"]
    assert cluster["failure"]["meaning"] == "denied"
    assert "Allow kms:GetSecretValue on it, and kms:Decrypt" in cluster["failure"]["message"]


def test_a_configured_proxy_and_certificate_authority_replace_those_of_the_kubeconfig(
    site: Site, tmp_path: Path
) -> None:
    shop = site.namespace("shop")
    wrong = changed(site.hangzhou.kubeconfig(), certificate_authority="/none.pem")
    wrong = changed(wrong, certificate_authority_data=None, proxy_url="socks5://elsewhere")
    (tmp_path / "idc.yaml").write_text(wrong)
    (tmp_path / "ca.pem").write_text(site.hangzhou.ca_pem)
    proxy = ConnectProxy(urlsplit(site.hangzhou.url).port or 0)
    document = scenario(FILE)
    (cluster,) = document["clusters"]
    with tcp_server(proxy) as port:
        cluster |= {
            "kubeconfig": str(tmp_path / "idc.yaml"),
            "certificateAuthority": str(tmp_path / "ca.pem"),
            "proxyUrl": cluster["proxyUrl"].replace(
                "proxy.idc.example.com:3128", f"127.0.0.1:{port}"
            ),
        }
        with staged(site, document) as function:
            assert only(function.timer(), shop)["result"] == "created"
    assert set(proxy.asked) == {urlsplit(site.hangzhou.url).netloc}


def test_a_server_with_a_certificate_of_another_authority_is_not_trusted(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "idc.yaml").write_text(site.hangzhou.kubeconfig())
    document = scenario(FILE)
    (cluster,) = document["clusters"]
    cluster |= {
        "kubeconfig": str(tmp_path / "idc.yaml"),
        "certificateAuthority": Authority("other").pem,
    }
    del cluster["proxyUrl"]
    with staged(site, document) as function:
        (outcome,) = function.invoke()["clusters"]
    assert "is not trusted (" in outcome["failure"]["message"]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_credential_plugin_runs_only_if_its_kubeconfig_is_trusted(
    site: Site, tmp_path: Path, trusted: bool
) -> None:
    shop = site.namespace("shop")
    version = "client.authentication.k8s.io/v1"
    status = {"token": site.hangzhou.access.tokens["acr-refresher"]}
    answer = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
    program = tmp_path / "plugin"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat <<'END'\n{answer}\nEND\n")
    program.chmod(0o700)
    kubeconfig = changed(
        site.hangzhou.token_kubeconfig(),
        "user",
        token=None,
        exec={"apiVersion": version, "command": "./plugin"},
    )
    (tmp_path / "plugin.yaml").write_text(kubeconfig)
    document = scenario(PLUGIN)
    document["clusters"][0] |= {"kubeconfig": str(tmp_path / "plugin.yaml"), "trusted": trusted}
    with staged(site, document) as function:
        report = function.invoke()
    assert results(report) == ({shop: "created"} if trusted else {})
    assert (tmp_path / "ran").exists() is trusted
    if not trusted:
        assert "user.exec is refused" in report["clusters"][0]["failure"]["message"]


def test_a_pod_serves_its_own_cluster(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = site.namespace("shop")
    (tmp_path / "ca.crt").write_text(site.hangzhou.ca_pem)
    (tmp_path / "token").write_text(site.hangzhou.access.tokens["acr-refresher"])
    host, _, port = site.hangzhou.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    with staged(site, scenario(WITHIN)) as function:
        monkeypatch.setattr("acr_refresher.wiring.SERVICE_ACCOUNT_FOLDER", tmp_path)
        assert only(function.timer(), shop)["result"] == "created"
        assert only(function.timer(), shop)["result"] == "unchanged"


def test_every_cluster_scenario_of_the_document_is_tested() -> None:
    shown = re.findall(r"^```yaml (cluster-[a-z-]+)$", SCENARIOS, re.MULTILINE)
    assert shown == [ACK, SECRET, FILE, PLUGIN, WITHIN]
