"""Kubeconfigs from files: beside config.yaml, or from the service account of our own pod."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from acr_refresher.core.model import InClusterAccess, KubeconfigAccess
from acr_refresher.errors import Denied, Gone, Invalid, Unreachable
from acr_refresher.kube.kubeconfig import current, encoded, kubeconfig_of
from acr_refresher.run.concurrency import in_own_thread
from acr_refresher.run.ports import Kubeconfig, KubeconfigFiles
from acr_refresher.settings import SETTINGS

T = TypeVar("T")

REFERENCES = (  # the field that names a file, and the field that has the content
    ("certificate-authority", "certificate-authority-data"),
    ("client-certificate", "client-certificate-data"),
    ("client-key", "client-key-data"),
)


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod that we may run in: its environment and the folder of its service account."""

    service_account: Path
    environ: Mapping[str, str]


class LocalKubeconfigs(KubeconfigFiles):
    """Kubeconfigs by their path relative to the folder of config.yaml, and the pod's own."""

    def __init__(self, folder: Path, pod: Pod) -> None:
        self._folder = folder
        self._pod = pod

    async def kubeconfig(self, access: KubeconfigAccess | InClusterAccess) -> Kubeconfig:
        """A kubeconfig without references. Raises Gone, Denied, Invalid, Unreachable (I/O)."""
        if isinstance(access, InClusterAccess):
            return await in_time("the pod's service account", _of_pod, self._pod)
        path = self._folder / access.path
        document = SecretStr(await in_time(f"kubeconfig {path}", _read, path, "kubeconfig"))
        if not access.trusted:
            return Kubeconfig(document)
        return await resolve_references(document, path.parent, self._pod.environ)


async def in_time(what: str, read: Callable[..., T], *arguments: Any) -> T:
    """Read files on a file system that may hang. Raises Unreachable, and what `read` raises.

    Neither other clusters nor the end of the run wait for it.
    """
    limit = SETTINGS.file_timeout.total_seconds()
    try:
        return await asyncio.wait_for(in_own_thread(read, *arguments), limit)
    except asyncio.TimeoutError:
        message = f"{what} could not be read within {limit:g} s: does the file system hang?"
        raise Unreachable(message, service="files") from None


def _of_pod(pod: Pod) -> Kubeconfig:
    """The kubeconfig of a pod. Kubernetes renews the token there, so it is read in each run.

    https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
    """
    host = pod.environ.get("KUBERNETES_SERVICE_HOST")
    port = pod.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise Invalid(
            "inCluster works only in a pod: KUBERNETES_SERVICE_HOST and _PORT are not in the"
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
    """A trusted kubeconfig in which the content of files and the plugin's answer are inserted."""
    cluster, user = current(document)
    named = f"a file in {folder} that the kubeconfig names"
    await in_time(named, _embed_files, folder, cluster, user)
    if spec := user.pop("exec", None):
        from acr_refresher.kube.plugin import run_plugin  # noqa: PLC0415  # rare

        user |= await run_plugin(spec, cluster, folder, environ)
    return kubeconfig_of(cluster, user)


def _embed_files(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> None:
    """Replace references by content. Data takes precedence over a reference, except for tokens.

    kubectl does the same: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.
    """
    for fields in (cluster, user):
        for reference, data in REFERENCES:
            path = fields.pop(reference, None)
            if path and not fields.get(data):
                fields[data] = encoded(_read(folder / str(path), reference))
    if path := user.pop("tokenFile", None):
        user["token"] = _read(folder / str(path), "token").strip()


def _read(path: Path, what: str) -> str:
    """The text of a file. It is never read beyond the limit: others may write a mounted file."""
    try:
        with path.open(encoding="utf-8") as file:
            content = file.read(SETTINGS.kubeconfig_characters + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Gone(f"{what} {path} does not exist", service="files") from error
    except PermissionError as error:
        message = f"{what} {path} cannot be read. Check its permissions."
        raise Denied(message, service="files") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{what} {path} is not UTF-8 text", service="files") from error
    except ValueError as error:
        raise Invalid(f"{what}: not the path of a file", service="files") from error
    except OSError as error:
        message = f"{what} {path} cannot be read: {error.strerror}"
        raise Unreachable(message, service="files") from error
    if len(content) > SETTINGS.kubeconfig_characters:
        message = f"{what} {path} has more than {SETTINGS.kubeconfig_characters} characters"
        raise Invalid(message, service="files")
    return content
