"""Authentication by certificate, by token, and without credentials."""

import base64
import datetime as dt
import ssl
import tempfile
from pathlib import Path

import pytest
import urllib3
import yaml

from contract.requests import (
    US,
)
from localkube import KubeCluster
from localkube.cluster import ANONYMOUS, Bearer


class TestIdentity:
    def test_by_kubeconfig(self, cluster: KubeCluster) -> None:
        status, message = list_namespaces_with(cluster.kubeconfig("somebody"))
        assert status == 403
        assert 'User "somebody" cannot list resource "namespaces"' in message

    def test_by_group(self, cluster: KubeCluster) -> None:
        status, _ = list_namespaces_with(cluster.kubeconfig("root", ["system:masters"]))
        assert status == 200

    def test_by_expired_certificate(self, cluster: KubeCluster) -> None:
        expired = cluster.kubeconfig(US, validity=dt.timedelta(hours=-1))
        assert list_namespaces_with(expired) == (401, "Unauthorized")

    def test_by_token(self, cluster: KubeCluster) -> None:
        assert list_namespaces_with(cluster.token_kubeconfig(US))[0] == 200

    def test_by_wrong_token(self, cluster: KubeCluster) -> None:
        answer = cluster.request("GET", "/api/v1/namespaces", as_user=Bearer("wrong"))
        assert (answer.status, answer.reason) == (401, "Unauthorized")
        assert answer.message == "Unauthorized"

    def test_without_credentials(self, cluster: KubeCluster) -> None:
        answer = cluster.request("GET", "/api/v1/namespaces", as_user=ANONYMOUS)
        assert answer.status == 403
        assert 'User "system:anonymous" cannot list' in answer.message

    @pytest.mark.parametrize("path", ["/readyz", "/version"])
    def test_is_not_needed_for(self, cluster: KubeCluster, path: str) -> None:
        assert cluster.request("GET", path, as_user=ANONYMOUS).status == 200


def list_namespaces_with(kubeconfig: str) -> tuple[int, str]:
    """List namespaces like any client with this kubeconfig. Returns status and message."""
    config = yaml.safe_load(kubeconfig)
    [cluster], [user] = config["clusters"], config["users"]
    authority = base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    credentials = user["user"]
    headers = {}
    if "token" in credentials:
        headers["Authorization"] = f"Bearer {credentials['token']}"
    else:
        with tempfile.TemporaryDirectory() as folder:
            pair = Path(folder, "pair.pem")
            pair.write_bytes(
                base64.b64decode(credentials["client-certificate-data"])
                + base64.b64decode(credentials["client-key-data"])
            )
            context.load_cert_chain(pair)
    with urllib3.PoolManager(ssl_context=context, retries=False) as pool:
        url = f"{cluster['cluster']['server']}/api/v1/namespaces"
        response = pool.request("GET", url, headers=headers)
    return response.status, response.json().get("message", "")
