"""The function as Function Compute would run it, before a local cloud and local clusters."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from demo.company import FUNCTION_ROLE, HOME, REGION, company
from localcloud.cloud import Cloud
from localcloud.server import serving
from localcloud.sessions import Session
from localkube.cluster import KubeCluster

CODE_ROOT = Path(__file__).resolve().parents[2] / "function"
CONFIG = CODE_ROOT / "config.yaml"


@dataclass(frozen=True)
class Stage:
    """A deployed function, by its entry points, and its surroundings."""

    cloud: Cloud
    clusters: Mapping[str, KubeCluster]
    folder: Path
    handler: ModuleType

    def timer(self, payload: str = "") -> dict[str, Any]:
        """Invoke as the timer trigger does. Raises what the handler raises."""
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {"triggerTime": now, "triggerName": "every-5-minutes", "payload": payload}
        return self._handle(event)

    def invoke(self, *, timeout_seconds: float = 600, **event: object) -> dict[str, Any]:
        """Invoke by hand, with the function's timeout. Raises what the handler raises."""
        return self._handle({"action": "refresh", **event}, timeout_seconds)

    def _handle(self, event: Mapping[str, object], timeout_seconds: float = 600) -> dict[str, Any]:
        session = self.cloud.function_credentials(FUNCTION_ROLE)
        context = context_of(session, timeout_seconds)
        report = self.handler.handle(json.dumps(event).encode(), context)
        read: dict[str, Any] = json.loads(json.dumps(report))
        return read


@contextmanager
def stage(clusters: Mapping[str, KubeCluster], config: str | None = None) -> Iterator[Stage]:
    """The function in the company's cloud, with function/config.yaml or another text of one."""
    cloud = Cloud(company(clusters))
    with serving(cloud) as proxy, deployed(cloud, proxy, clusters, config) as function:
        yield function


@contextmanager
def deployed(
    cloud: Cloud,
    proxy: str,
    clusters: Mapping[str, KubeCluster],
    config: str | None = None,
    registry_ca: Path | None = None,
) -> Iterator[Stage]:
    """The function, deployed to a cloud that is being served; all gone on exit.

    Each cluster's kubeconfig is beside the configuration, as `kubeconfigs/NAME.yaml`. Registries
    on this machine are reached with `registry_ca`.
    """
    with ExitStack() as scene:
        folder = Path(scene.enter_context(tempfile.TemporaryDirectory(prefix="acr-refresher-")))
        _write_config(folder, config, clusters)
        variables = {
            "ACR_REFRESHER_CONFIG": str(folder / "config.yaml"),
            "ACR_REFRESHER_LOCAL_CLOUD": proxy,
            "ACR_REFRESHER_REGISTRY_CA": str(registry_ca or ""),
        }
        scene.enter_context(_environment(variables))
        handler = load_function()
        scene.callback(handler.pre_stop, None)
        yield Stage(cloud, clusters, folder, handler)


def load_function() -> ModuleType:
    """The handler as a new instance loads it: nothing cached from an earlier one."""
    if str(CODE_ROOT) not in sys.path:
        sys.path.insert(0, str(CODE_ROOT))
    spec = importlib.util.spec_from_file_location("handler", CODE_ROOT / "handler.py")
    if spec is None or spec.loader is None:
        raise ImportError(CODE_ROOT / "handler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def context_of(session: Session, timeout_seconds: float) -> SimpleNamespace:
    """The context object of runtimes up to python3.10."""
    return SimpleNamespace(
        request_id=str(uuid.uuid4()),
        credentials=SimpleNamespace(
            access_key_id=session.access_key_id,
            access_key_secret=session.access_key_secret,
            security_token=session.security_token,
        ),
        function=SimpleNamespace(
            name="acr-refresher", handler="handler.handle", memory=512, timeout=timeout_seconds
        ),
        region=REGION,
        account_id=HOME,
    )


def _write_config(folder: Path, config: str | None, clusters: Mapping[str, KubeCluster]) -> None:
    if config is None:
        shutil.copy(CONFIG, folder / "config.yaml")
    else:
        (folder / "config.yaml").write_text(config, encoding="utf-8")
    kubeconfigs = folder / "kubeconfigs"
    kubeconfigs.mkdir()
    for name, cluster in clusters.items():
        file = kubeconfigs / f"{name}.yaml"
        file.touch(mode=0o600)
        file.write_text(cluster.kubeconfig(), encoding="utf-8")


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
