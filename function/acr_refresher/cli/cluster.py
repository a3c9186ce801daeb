"""The cluster that an operator's own kubeconfig leads to.

It is the operator's, so it is trusted: files that it names are read, and its plugin is run.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from pydantic import SecretStr

from acr_refresher import __version__
from acr_refresher.adapters.files import resolved
from acr_refresher.adapters.kube import KubernetesApi, KubernetesConnector
from acr_refresher.adapters.kube_tls import TlsClients
from acr_refresher.inputs.problems import InvalidInput, Problem

VARIABLE = "KUBECONFIG"


@asynccontextmanager
async def connected(kubeconfig: Path | None, context: str) -> AsyncIterator[KubernetesApi]:
    """The cluster of a context, or of the current one. Raises InvalidInput, PortError."""
    path = kubeconfig or _usual_path(os.environ)
    document = _in_context(_read(path), context, path)
    opened = await resolved(SecretStr(document), path.parent, os.environ)
    kube = KubernetesConnector(__version__, TlsClients()).connect(opened)
    try:
        yield kube
    finally:
        await kube.close()


def _usual_path(environ: Mapping[str, str]) -> Path:
    """As kubectl finds it, but for the merging of several files."""
    first = environ.get(VARIABLE, "").split(os.pathsep)[0]
    return Path(first) if first else Path.home() / ".kube" / "config"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        remedy = f"name another with --kubeconfig or ${VARIABLE}"
        raise InvalidInput([Problem(str(path), f"cannot be read: {reason}", remedy)]) from None


def _in_context(document: str, context: str, path: Path) -> str:
    if not context:
        return document
    try:
        return yaml.safe_dump({**yaml.safe_load(document), "current-context": context})
    except (yaml.YAMLError, TypeError):
        problem = Problem(str(path), "is not a kubeconfig", "give one that kubectl can use")
        raise InvalidInput([problem]) from None
