"""What kube-controller-manager would do for the tests, where it is not beside the servers.

A standard envtest folder has etcd and kube-apiserver alone. Every namespace gets a default service
account, and a deleted namespace goes with its content. An object with finalizers keeps its
namespace terminating, as in a real cluster.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

import urllib3

from localkube.cluster import KubeCluster
from localkube.wire import Json

PERIOD_SECONDS = 0.1
READY_TIMEOUT_SECONDS = 30
CREATED, NOT_FOUND, CONFLICT, FORBIDDEN = 201, 404, 409, 403
CORE = "/api/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CONTENT = (
    (CORE, "secrets"),
    (CORE, "configmaps"),
    (CORE, "pods"),
    (CORE, "resourcequotas"),
    (CORE, "serviceaccounts"),
    (RBAC, "rolebindings"),
    (RBAC, "roles"),
)


class ControllerError(Exception):
    """The API server refused what a controller needs."""


@contextlib.contextmanager
def controlled(clusters: Sequence[KubeCluster]) -> Iterator[None]:
    """Controllers for these clusters, which have default service accounts on entry."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_run, args=(cluster, stop), name=f"controllers-{cluster.name}")
        for cluster in clusters
    ]
    for thread in threads:
        thread.start()
    try:
        for cluster in clusters:
            _wait_for_default_account(cluster)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _wait_for_default_account(cluster: KubeCluster) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while cluster.get_service_account("default", "default") is None:
        if time.monotonic() > deadline:
            raise ControllerError(f"{cluster.name} has no default service account in time")
        time.sleep(PERIOD_SECONDS)


def _run(cluster: KubeCluster, stop: threading.Event) -> None:
    while not stop.wait(PERIOD_SECONDS):
        with contextlib.suppress(urllib3.exceptions.HTTPError):  # the next round tries again
            reconcile(cluster)


def reconcile(cluster: KubeCluster) -> None:
    """Do what is to be done in each namespace, once."""
    namespaces = cluster.list_items("namespaces")
    accounts = cluster.expect(
        "GET", f"{CORE}/serviceaccounts", query={"fieldSelector": "metadata.name=default"}
    )["items"]
    have = {account["metadata"]["namespace"] for account in accounts}
    for namespace in namespaces:
        name = namespace["metadata"]["name"]
        if "deletionTimestamp" in namespace["metadata"]:
            _finish(cluster, namespace)
        elif name not in have:
            _create_account(cluster, name)


def _create_account(cluster: KubeCluster, namespace: str) -> None:
    path = f"{CORE}/namespaces/{namespace}/serviceaccounts"
    answer = cluster.request("POST", path, {"metadata": {"name": "default"}})
    # Somebody else created it, or the namespace is being deleted: the next round sees that.
    if answer.status not in (CREATED, NOT_FOUND, CONFLICT, FORBIDDEN):
        raise ControllerError(f"POST {path}: {answer.status} {answer.message}")


def _finish(cluster: KubeCluster, namespace: Json) -> None:
    """Delete the content of a namespace, and let the namespace go when nothing is left."""
    name = namespace["metadata"]["name"]
    paths = [f"{group}/namespaces/{name}/{plural}" for group, plural in CONTENT]
    for path in paths:
        cluster.expect("DELETE", path, {"gracePeriodSeconds": 0})
    if any(cluster.expect("GET", path, query={"limit": 1})["items"] for path in paths):
        return
    namespace["spec"]["finalizers"] = []
    # The namespace may have changed meanwhile: the next round tries again.
    cluster.request("PUT", f"{CORE}/namespaces/{name}/finalize", namespace)
