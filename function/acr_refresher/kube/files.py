"""Kubeconfigs from files: beside the configuration, or made of a pod's own service account."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from acr_refresher.core.model import InClusterAccess, KubeconfigAccess
from acr_refresher.errors import Denied, Gone, Invalid, Unreachable
from acr_refresher.kube.kubeconfig import current, encoded, kubeconfig_of
from acr_refresher.run.ports import Kubeconfig, KubeconfigFiles

REFERENCES = (  # to a file, and the field that holds the same itself
    ("certificate-authority", "certificate-authority-data"),
    ("client-certificate", "client-certificate-data"),
    ("client-key", "client-key-data"),
)


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod that this may run in: its environment and the folder of its service account."""

    service_account: Path
    environ: Mapping[str, str]


class LocalKubeconfigs(KubeconfigFiles):
    """Kubeconfigs by their path relative to a folder, that of the configuration; and the pod's."""

    def __init__(self, folder: Path, pod: Pod) -> None:
        self._folder = folder
        self._pod = pod

    async def kubeconfig(self, access: KubeconfigAccess | InClusterAccess) -> Kubeconfig:
        """Inert in any case. Raises Gone, Denied, Invalid, Unreachable (I/O)."""
        # A mounted file system may be slow: the other clusters do not wait for it.
        if isinstance(access, InClusterAccess):
            return await asyncio.to_thread(_of_pod, self._pod)
        path = self._folder / access.path
        document = SecretStr(await asyncio.to_thread(_read, path, "kubeconfig"))
        if not access.trusted:
            return Kubeconfig(document)
        return await resolve_references(document, path.parent, self._pod.environ)


def _of_pod(pod: Pod) -> Kubeconfig:
    """What Kubernetes gives to a pod. The token is renewed there, so it is read for each run.

    https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
    """
    host = pod.environ.get("KUBERNETES_SERVICE_HOST")
    port = pod.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise Invalid(
            "this runs in no pod: inCluster needs KUBERNETES_SERVICE_HOST and _PORT in the"
            " environment",
            service="files",
        )
    host = f"[{host}]" if ":" in host else host
    ca_pem = _read(pod.service_account / "ca.crt", "certificate authority")
    token = _read(pod.service_account / "token", "service account token").strip()
    server = {"server": f"https://{host}:{port}", "certificate-authority-data": encoded(ca_pem)}
    return kubeconfig_of(server, {"token": token})


async def resolve_references(
    document: SecretStr, folder: Path, environ: Mapping[str, str]
) -> Kubeconfig:
    """A trusted kubeconfig with the files that it refers to, and its plugin's answer, put in."""
    cluster, user = current(document)
    await asyncio.to_thread(_embed_files, folder, cluster, user)
    if spec := user.pop("exec", None):
        from acr_refresher.kube.plugin import run_plugin  # noqa: PLC0415  # rare

        user |= await run_plugin(spec, cluster, folder, environ)
    return kubeconfig_of(cluster, user)


def _embed_files(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> None:
    """Put content in place of references. Data beside a reference goes before it, but for tokens.

    So it is with kubectl: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.
    """
    for fields in (cluster, user):
        for reference, data in REFERENCES:
            path = fields.pop(reference, None)
            if path and not fields.get(data):
                fields[data] = encoded(_read(folder / str(path), reference))
    if path := user.pop("tokenFile", None):
        user["token"] = _read(folder / str(path), "token").strip()


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Gone(f"there is no {what} {path}: put it there", service="files") from error
    except PermissionError as error:
        message = f"{what} {path} cannot be read: check its permissions"
        raise Denied(message, service="files") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{what} {path} is not UTF-8 text", service="files") from error
    except OSError as error:
        message = f"{what} {path} cannot be read: {error.strerror}"
        raise Unreachable(message, service="files") from error
