"""One real kube-apiserver of 200 namespaces: against bare clients, and against kubectl."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count, cycle, islice, permutations
from pathlib import Path
from typing import Any

from bench.child import CLIENT_CORE, SERVER_CORE, Ask, Json, child, starting_on
from bench.figures import AT_LEAST, EXACTLY, Figure, compared
from bench.fleet import (
    FIRST,
    ROTATION,
    STRANGERS_SECRET,
    Fleet,
    cluster_names,
    folder_for,
    kubeconfig_path,
    namespace_names,
)
from localkube import KubeCluster, control_plane
from localkube.rbac import USER

NAMESPACES = 200
CONNECTIONS = 16
ROUNDS, FIRST_ROUNDS = 24, 3
WRITE_RATE_LIMIT, KUBECTL_LIMIT = 0.9, 50

WRK_SECONDS = 1
WRK_SCRIPT = Path(__file__).with_name("writes.lua")
KUBECTL_NAMESPACES = 10
"""How many of the namespaces the loop is run for: it takes the same for each."""

MERGE = "application/merge-patch+json"
_numbers = count(1)


def figures() -> Iterator[Figure]:
    """First runs, then rotations, each in turn with what it is compared with."""
    with _api_server() as cluster, _deployed(cluster) as fleet:
        for namespace in namespace_names(NAMESPACES):
            cluster.create_namespace(namespace)
            cluster.create_service_account(namespace, "default", [STRANGERS_SECRET])
        with fleet.instance() as instance, child("bench.clients", CLIENT_CORE) as clients:
            yield from _first_runs(cluster, fleet, instance)
            yield from _rotations(cluster, fleet, instance, clients)


@contextmanager
def _api_server() -> Iterator[KubeCluster]:
    """On a core of its own: no cluster's API server shares a machine with the function."""
    with ExitStack() as running:
        with starting_on(SERVER_CORE):
            [cluster] = running.enter_context(control_plane(cluster_names(1)))
        yield cluster


@contextmanager
def _deployed(cluster: KubeCluster) -> Iterator[Fleet]:
    cluster.apply_rbac()
    with folder_for(1) as folder, child("bench.servers", SERVER_CORE) as servers:
        # A token, as wrk sends no client certificate, which costs the server more a request.
        kubeconfig = cluster.token_kubeconfig()
        kubeconfig_path(folder, cluster.name).write_text(kubeconfig, encoding="utf-8")
        opened = servers("open", folder=str(folder), clusters=0, namespaces=0)
        yield Fleet(1, NAMESPACES, folder, opened["proxy"], opened["credentials"])


def _first_runs(cluster: KubeCluster, fleet: Fleet, instance: Ask) -> Iterator[Figure]:
    walls, loops = [], []
    fleet.handle(instance, FIRST)
    for _ in range(FIRST_ROUNDS):
        _undo(cluster)
        first = fleet.handle(instance, FIRST)
        walls.append(first["wall_s"])
        if shutil.which("kubectl"):
            loops.append(_kubectl_loop(cluster))
    asked, of = first["requests"], f"{NAMESPACES} namespaces, real API server"
    limit = 3 + 2 * NAMESPACES
    yield Figure(f"first run, {of}: requests", asked, "requests", limit=limit, bound=EXACTLY)
    if loops:
        name = f"first runs in the time of one kubectl loop (from {KUBECTL_NAMESPACES} namespaces)"
        yield compared(name, "s", loops, walls, KUBECTL_LIMIT, AT_LEAST)
    else:
        yield Figure(f"first run, {of} (no kubectl here to compare with)", walls[-1], "s")


def _rotations(cluster: KubeCluster, fleet: Fleet, instance: Ask, clients: Ask) -> Iterator[Figure]:
    secret = _secret(cluster)
    one = {**ROTATION, "namespaces": namespace_names(1)}
    asked = []

    def ours() -> tuple[float, float]:
        """The writes alone, as of the others: the visit's time less that of lists and tokens."""
        rotation, least = fleet.handle(instance, ROTATION), fleet.handle(instance, one)
        asked.append(rotation["requests"])
        return NAMESPACES - 1, rotation["visits_s"] - least["visits_s"]

    def bare() -> tuple[float, float]:
        sent = fleet.send(clients, "bare", _changed(secret), at_once=CONNECTIONS)
        return NAMESPACES, sent["writing_s"]

    writers = {"ours": ours, "bare aiohttp": bare}
    if shutil.which("wrk"):
        writers["wrk"] = lambda: _wrk(cluster, secret)
    measured = _in_turn(writers)
    name = f"rotation, {NAMESPACES} namespaces, real API server: requests"
    yield Figure(name, asked[-1], "requests", limit=3 + NAMESPACES, bound=EXACTLY)
    for title in list(writers)[1:]:
        yield measured["ours"].against(title, measured[title])


def _in_turn(writers: Mapping[str, Callable[[], tuple[float, float]]]) -> dict[str, _Writing]:
    """Each has its turn in each round, in every order: the API server cleans up after the last."""
    measured = {title: _Writing() for title in writers}
    for order in islice(cycle(permutations(writers)), ROUNDS):
        for title in order:
            measured[title].add(*writers[title]())
    return measured


@dataclass
class _Writing:
    """All rounds together: one by itself is off by a third, as the API server has its pauses."""

    writes: float = 0
    seconds: float = 0

    def add(self, writes: float, seconds: float) -> None:
        self.writes += writes
        self.seconds += seconds

    def against(self, title: str, floor: _Writing) -> Figure:
        """Writes a second, of both."""
        rate, bare = self.writes / self.seconds, floor.writes / floor.seconds
        name = f"write rate, real API server: rotation against {title}"
        return Figure(name, rate, "/s", bare, rate / bare, WRITE_RATE_LIMIT, AT_LEAST)


# ---- the kubectl loop of CronJobs ----------------------------------------------------------------


def _kubectl_loop(cluster: KubeCluster) -> float:
    """Seconds for all namespaces, scaled up from the first few."""
    with tempfile.TemporaryDirectory(prefix="acr-refresher-bench-") as folder:
        kubeconfig = Path(folder, "kubeconfig")
        kubeconfig.write_text(cluster.kubeconfig("admin", ["system:masters"]), encoding="utf-8")
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        began = time.perf_counter()
        for namespace in namespace_names(KUBECTL_NAMESPACES):
            _kubectl_writes(namespace, environment)
        return (time.perf_counter() - began) * NAMESPACES / KUBECTL_NAMESPACES


def _kubectl_writes(namespace: str, environment: dict[str, str]) -> None:
    def kubectl(*arguments: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(  # noqa: S603  # arguments of our own
            ["kubectl", "-n", namespace, *arguments],  # noqa: S607  # whichever is installed
            input=stdin,
            env=environment,
            check=True,
            capture_output=True,
        ).stdout

    login = (
        "--docker-server=acme.example",
        "--docker-username=u",
        f"--docker-password=p{next(_numbers)}",
    )
    create = ("create", "secret", "docker-registry", "from-kubectl", *login)
    manifest = kubectl(*create, "--dry-run=client", "-o", "yaml")
    kubectl("apply", "-f", "-", stdin=manifest)
    patch = {"imagePullSecrets": [{"name": "from-kubectl"}]}
    kubectl("patch", "serviceaccount", "default", "-p", json.dumps(patch))


# ---- wrk -----------------------------------------------------------------------------------------


def _wrk(cluster: KubeCluster, secret: Json) -> tuple[float, float]:
    """Writes, and the seconds that they took."""
    body = copy.deepcopy(secret)
    body["metadata"] |= {"namespace": "NAMESPACE"}
    body["metadata"]["annotations"] |= {"bench": "NUMBER"}
    with tempfile.NamedTemporaryFile("w") as file:
        json.dump(body, file)
        file.flush()
        variables = {
            "BENCH_BODY": file.name,
            "BENCH_NAMESPACES": str(NAMESPACES),
            "BENCH_TOKEN": cluster.access.tokens[USER],
        }
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{WRK_SECONDS}s", "-s", str(WRK_SCRIPT)]
        with starting_on(CLIENT_CORE):
            printed = subprocess.run(  # noqa: S603  # arguments of our own
                [*command, cluster.url],
                env={**os.environ, **variables},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
    measured = json.loads(printed.splitlines()[-1])
    if measured["failed"]:
        raise RuntimeError(f"wrk: {measured['failed']} of {measured['requests']} writes failed")
    return measured["requests"], measured["seconds"]


# ---- the cluster ---------------------------------------------------------------------------------


def _undo(cluster: KubeCluster) -> None:
    """As before the first run."""
    patch = {"imagePullSecrets": [{"name": STRANGERS_SECRET}]}
    for namespace in namespace_names(NAMESPACES):
        path = f"/api/v1/namespaces/{namespace}"
        cluster.expect("DELETE", f"{path}/secrets/acr-pull")
        account = f"{path}/serviceaccounts/default"
        cluster.expect("PATCH", account, patch, content_type=MERGE)


def _secret(cluster: KubeCluster) -> Json:
    """A pull secret as it is in the cluster, without what the API server adds."""
    found = cluster.get_secret(namespace_names(1)[0], "acr-pull") or {}
    metadata = {key: found["metadata"][key] for key in ("name", "labels", "annotations")}
    typed = {"apiVersion": "v1", "kind": "Secret", "type": found["type"]}
    return {**typed, "metadata": metadata, "data": found["data"]}


def _changed(secret: Json) -> Json:
    """Another one: what changes nothing is cheaper for the server."""
    changed: dict[str, Any] = copy.deepcopy(secret)
    changed["metadata"]["annotations"]["bench"] = str(next(_numbers))
    return changed
