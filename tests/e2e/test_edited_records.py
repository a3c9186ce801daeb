"""Pull secrets whose record somebody forged, with a checksum to match: ours again after one run."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta, timezone

import pytest

from localkube import KubeCluster
from sites import MAIN_HOSTS, PARTNER_HOSTS, SECRET, Site, only, passwords

IN_AN_HOUR = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def forge(cluster: KubeCluster, namespace: str, entries: list[dict[str, object]]) -> None:
    """Write logins of a stranger for the hosts of these entries, as acr-refresher writes them."""
    login = {"auth": base64.b64encode(b"cr_temp_user:theirs").decode()}
    hosts = [str(host) for entry in entries for host in entry["hosts"]]  # type: ignore[attr-defined]  # a list
    auths = dict.fromkeys(sorted(hosts), login)
    document = json.dumps({"auths": auths}, separators=(",", ":"))
    recorded = json.dumps(entries, separators=(",", ":"))
    annotations = {
        "acr-refresher/entries": recorded,
        "acr-refresher/content": hashlib.sha256(f"{recorded}\n{document}".encode()).hexdigest(),
    }
    data = {".dockerconfigjson": base64.b64encode(document.encode()).decode()}
    cluster.expect(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/secrets/{SECRET}",
        {"metadata": {"annotations": annotations}, "data": data},
        content_type="application/merge-patch+json",
    )


@pytest.mark.parametrize(
    "ends",
    ["9999-12-31T23:59:59Z", "2027-12-31T23:59:59Z", IN_AN_HOUR],
    ids=["never", "next year", "in an hour"],
)
def test_a_partner_that_claims_the_hosts_of_main_gets_only_its_own(site: Site, ends: str) -> None:
    shop = site.namespace("shop")
    with site.function() as function:
        function.timer()
        secret = site.hangzhou.get_secret(shop, SECRET)
        assert secret
        recorded = json.loads(secret["metadata"]["annotations"]["acr-refresher/entries"])
        partner = next(entry for entry in recorded if entry["registry"] == "partner")
        forge(site.hangzhou, shop, [{**partner, "hosts": MAIN_HOSTS, "expiresAt": ends}])
        assert set(passwords(site.hangzhou, shop).values()) == {"theirs"}
        outcome = only(function.timer(), shop)
        idle = only(function.timer(), shop)
    assert (outcome["result"], idle["result"]) == ("renewed", "unchanged")
    held = passwords(site.hangzhou, shop)
    assert sorted(held) == sorted(MAIN_HOSTS + PARTNER_HOSTS)
    assert "theirs" not in held.values()
