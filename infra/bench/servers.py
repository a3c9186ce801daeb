"""A fleet's API servers and its cloud, in a process of their own: `python -m bench.servers`.

Each namespace has a service account that already refers to a secret of another tool.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.child import Json, answer_questions
from bench.fleet import STRANGERS_SECRET, cluster_names, kubeconfig_path, namespace_names
from demo.company import FUNCTION_ROLE, company
from localcloud.cloud import Cloud
from localcloud.logs import Logs, Record
from localcloud.server import serving
from localkube.double import DoubleCluster, api_doubles


class Unkept(Logs):
    """Of millions of records the bench asks for none."""

    def add(self, project: str, logstore: str, records: Iterable[Record]) -> None:
        del project, logstore, records


@dataclass
class Servers:
    """What is being served."""

    scene: ExitStack
    cloud: Cloud = field(default_factory=lambda: Cloud(company({}), logs=Unkept()))
    clusters: list[DoubleCluster] = field(default_factory=list)

    def open(self, folder: str, clusters: int, namespaces: int) -> Json:
        """Serve the cloud and that many clusters, whose kubeconfigs go into the folder."""
        names = cluster_names(clusters)
        self.clusters = self.scene.enter_context(api_doubles(names)) if names else []
        for cluster in self.clusters:
            cluster.apply_rbac()
            _load(cluster, namespace_names(namespaces))
            kubeconfig_path(Path(folder), cluster.name).write_text(cluster.kubeconfig())
        session = self.cloud.function_credentials(FUNCTION_ROLE)
        keys = ("access_key_id", "access_key_secret", "security_token")
        return {
            "proxy": self.scene.enter_context(serving(self.cloud)),
            "credentials": {key: getattr(session, key) for key in keys},
        }

    def delay(self, seconds: float) -> Json:
        """Let every request to a cluster take so much longer."""
        for cluster in self.clusters:
            cluster.faults.latency = seconds
        return {}

    def count(self) -> Json:
        """The requests since this was last asked: to the clusters, and to the cloud by API."""
        requests = sum(len(cluster.journal) for cluster in self.clusters)
        for cluster in self.clusters:
            cluster.journal.clear()
        calls = Counter(call.action for call in self.cloud.calls())
        self.cloud.journal.clear()
        return {"requests": requests, "calls": calls}

    def secret(self) -> Json:
        """A pull secret as it is in a cluster, without what the API server adds."""
        found = self.clusters[0].list_items("secrets")[0]
        kept = {key: found["metadata"][key] for key in ("name", "labels", "annotations")}
        typed = {"apiVersion": "v1", "kind": "Secret", "type": found["type"]}
        return {**typed, "metadata": kept, "data": found["data"]}


def _load(cluster: DoubleCluster, namespaces: Sequence[str]) -> None:
    for name in namespaces:
        cluster.load(
            {"kind": "Namespace", "metadata": {"name": name}},
            {
                "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": name},
                "imagePullSecrets": [{"name": STRANGERS_SECRET}],
            },
        )


if __name__ == "__main__":
    with ExitStack() as scene:
        servers = Servers(scene)
        answer_questions(
            {
                "open": servers.open,
                "delay": servers.delay,
                "count": servers.count,
                "secret": servers.secret,
            }
        )
