"""Real Kubernetes control planes on this machine: one etcd, an API server for each cluster.

    with control_plane(["prod-a", "prod-b"], controllers=["prod-a"]) as (prod_a, prod_b):
        prod_a.create_namespace("shop")

An API server takes 3 to 5 s to start and about 250 MiB.
"""

import contextlib
import functools
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from cryptography.hazmat.primitives.asymmetric import ec

from localkube.assets import Version, find_assets, version_of
from localkube.cluster import ANONYMOUS, Access, KubeCluster
from localkube.controllers import controlled
from localkube.pki import Authority, private_pem, public_pem
from localkube.rbac import USER

CONTROLLER_MANAGER = "kube-controller-manager"  # a standard envtest folder has none
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 10
POLL_SECONDS = 0.05
LOG_TAIL_CHARACTERS = 2000


class StartError(Exception):
    """A server did not start; the message holds the end of its log."""


@dataclass
class _Servers:
    """The child processes of one control plane, ended together."""

    assets: Path
    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, binary: str, name: str, flags: Sequence[str]) -> "_Server":
        """Start a server that logs to the folder."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  # our own binary and flags
                [self.assets / binary, *flags],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                # Half the memory for a little more CPU: many servers stand side by side.
                env={**os.environ, "GOGC": "50"},
            )
        self.running.append(process)
        return _Server(name, process, log)

    def stop(self) -> None:
        """End all: ask first, then kill. Clients of etcd end before it does."""
        for process in self.running:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for process in reversed(self.running):
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class _Server:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait for readiness.

        Raises:
            StartError: the server ended, or is not ready in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not ready():
            if self.process.poll() is not None:
                raise StartError(f"{self.name} ended at start:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} is not ready in time:\n{self._log_tail()}")
            time.sleep(POLL_SECONDS)

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]


@contextlib.contextmanager
def control_plane(
    names: Sequence[str],
    *,
    controllers: Collection[str] = (),
    token_users: Sequence[str] = (USER,),
    flags: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[list[KubeCluster]]:
    """Real clusters of these names, ready to use; gone on exit, whatever happens.

    Args:
        names: the clusters, in the order in which they are given back.
        controllers: those that also run the namespace and service account controllers, so that
            namespaces get default service accounts and really go when deleted. They are
            kube-controller-manager's where it is beside the servers, else ``controllers``.
        token_users: users that have a bearer token besides any client certificate.
        flags: more flags for the API server of a cluster.

    Raises:
        AssetsError: the servers' binaries are not available.
        StartError: a server did not start.
    """
    assets = find_assets()
    version = version_of(assets)
    access = Access(Authority(), {user: secrets.token_urlsafe() for user in token_users})
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="localkube-")))
        cleanup.callback(access.close)
        servers = _Servers(assets, folder)
        cleanup.callback(servers.stop)

        _write_credentials(folder, access)
        etcd = _start_etcd(servers)
        started = []
        for name in names:
            own_flags = (flags or {}).get(name, ())
            started.append(_start_api_server(servers, name, etcd, version, access, own_flags))
        for cluster, server in started:
            server.wait_until(functools.partial(_is_ready, cluster))
        clusters = [cluster for cluster, _ in started]
        served = [cluster for cluster in clusters if cluster.name in controllers]
        if (assets / CONTROLLER_MANAGER).is_file():
            _run_controllers(servers, served, version)
        else:
            cleanup.enter_context(controlled(served))
        yield clusters


def _start_etcd(servers: _Servers) -> str:
    url, peer_url = _free_url("http"), _free_url("http")
    etcd = servers.start(
        "etcd",
        "etcd",
        [
            "--name=default",
            "--data-dir=etcd",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            "--unsafe-no-fsync",
        ],
    )
    with urllib3.PoolManager(retries=False, timeout=1) as pool:
        etcd.wait_until(lambda: _answers_200(pool, f"{url}/health"))
    return url


def _start_api_server(
    servers: _Servers,
    name: str,
    etcd_url: str,
    version: Version,
    access: Access,
    flags: Sequence[str],
) -> tuple[KubeCluster, _Server]:
    url = _free_url("https")
    if version < (1, 22):  # later it is always on; Pods cannot be created without it
        flags = ["--feature-gates=BoundServiceAccountTokenVolume=true", *flags]
    server = servers.start(
        "kube-apiserver",
        f"kube-apiserver-{name}",
        [
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={url.rpartition(':')[2]}",
            f"--etcd-servers={etcd_url}",
            f"--etcd-prefix=/{name}",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--client-ca-file=ca.crt",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--service-account-key-file=service-account.pub",
            "--service-account-signing-key-file=service-account.key",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
            "--endpoint-reconciler-type=none",
            *flags,
        ],
    )
    return KubeCluster(name, url, access), server


def _run_controllers(servers: _Servers, clusters: Sequence[KubeCluster], version: Version) -> None:
    """Controllers for these clusters, ready when a first default service account is there."""
    started = [(cluster, _start_controllers(servers, cluster, version)) for cluster in clusters]
    for cluster, server in started:
        server.wait_until(functools.partial(_has_default_service_account, cluster))


def _start_controllers(servers: _Servers, cluster: KubeCluster, version: Version) -> _Server:
    kubeconfig = servers.folder / f"{cluster.name}.kubeconfig"
    kubeconfig.write_text(cluster.kubeconfig("controllers", ["system:masters"]))
    flags = ["--port=0"] if version < (1, 24) else []  # the insecure port, gone since
    return servers.start(
        CONTROLLER_MANAGER,
        f"kube-controller-manager-{cluster.name}",
        [
            f"--kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={_free_url('https').rpartition(':')[2]}",
            f"--cert-dir={servers.folder}/controllers-{cluster.name}",
            "--controllers=namespace,serviceaccount,root-ca-cert-publisher",
            "--service-account-private-key-file=service-account.key",
            "--root-ca-file=ca.crt",
            "--leader-elect=false",
            "--use-service-account-credentials=false",
            *flags,
        ],
    )


def _write_credentials(folder: Path, access: Access) -> None:
    """The files that the servers are started with, in a folder that only we may read."""
    server = access.authority.server_certificate()
    service_accounts = ec.generate_private_key(ec.SECP256R1())
    tokens = [f'{token},{user},{user},""\n' for user, token in access.tokens.items()]
    for name, content in {
        "ca.crt": access.authority.pem,
        "server.crt": server.certificate,
        "server.key": server.key,
        "service-account.key": private_pem(service_accounts),
        "service-account.pub": public_pem(service_accounts),
        "tokens.csv": "".join(tokens),
    }.items():
        (folder / name).write_text(content)


def _has_default_service_account(cluster: KubeCluster) -> bool:
    return cluster.get_service_account("default", "default") is not None


def _is_ready(cluster: KubeCluster) -> bool:
    """Whether it serves users too: at first, its authorizer denies what its roles allow."""
    return _answers_200(cluster.access.pool(), f"{cluster.url}/readyz") and _serves_users(cluster)


def _serves_users(cluster: KubeCluster) -> bool:
    """Whether the roles that every server begins with have an effect.

    Everybody may read the version, and every known user may ask for its own rights.
    """
    review = {"spec": {"resourceAttributes": {"verb": "list", "resource": "namespaces"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    return (
        cluster.request("GET", "/version", as_user=ANONYMOUS).status == 200
        and cluster.request("POST", path, review, as_user=USER).status == 201
    )


def _answers_200(pool: urllib3.PoolManager, url: str) -> bool:
    try:
        return pool.request("GET", url).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _free_url(scheme: str) -> str:
    """A URL on a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"{scheme}://127.0.0.1:{probe.getsockname()[1]}"
