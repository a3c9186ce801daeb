"""`acr-refresher import`: converts the ACK credential helper's configuration into a config.yaml."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import SecretStr

from acr_refresher import __version__
from acr_refresher.cli.exit import exit_on_errors
from acr_refresher.cli.options import Missing
from acr_refresher.cli.render import sanitize
from acr_refresher.cli.session import region_problems
from acr_refresher.config.helper_document import CONFIG_MAP, read_helper_document
from acr_refresher.config.load import ConfigError, read_config
from acr_refresher.config.strict import InvalidInput, Problem
from acr_refresher.core.ack_helper import Target, convert_helper_config
from acr_refresher.errors import Invalid
from acr_refresher.kube.api import KubernetesConnector
from acr_refresher.kube.files import in_time, resolve_references
from acr_refresher.kube.kubeconfig import with_context

VARIABLE = "KUBECONFIG"
HEADER = "# yaml-language-server: $schema=config.schema.json\n"
STDIN = "-"
NAMESPACE = "kube-system"


def import_helper(  # noqa: PLR0913  # a command has a parameter for each of its options
    file: Annotated[
        str,
        typer.Argument(
            help="The helper's ConfigMap as YAML or JSON, only its data, or the JSON of the managed"
            " add-on. Use - for standard input.",
            show_default=False,
        ),
    ] = "",
    *,
    from_cluster: Annotated[
        bool, typer.Option("--from-cluster", help=f"Read {NAMESPACE}/{CONFIG_MAP} from a cluster.")
    ] = False,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="With --from-cluster. Default: $KUBECONFIG.")
    ] = None,
    context: Annotated[str, typer.Option(help="The kubeconfig's context to use.")] = "",
    cluster_name: Annotated[str, typer.Option(help="The cluster's name in config.yaml.")] = "",
    cluster_id: Annotated[str, typer.Option(help="The ID of an ACK cluster.")] = "",
    region: Annotated[str, typer.Option(help="The cluster's region.")] = "",
) -> None:
    """Convert the ACK credential helper's configuration into a config.yaml.

    The config.yaml is printed to standard output, remarks about it to standard error.
    """
    target = Target(cluster_name, cluster_id, region)
    with exit_on_errors():
        if wrong := tuple(region_problems(region)):
            raise InvalidInput(wrong)
        if bool(file) is from_cluster:
            remedy = "Name either a file (- for standard input) or --from-cluster"
            raise InvalidInput([Missing("source", "Nothing to import", remedy)])
        text = asyncio.run(_config_map(kubeconfig, context)) if from_cluster else _read(file)
        found = convert_helper_config(read_helper_document(text, file or CONFIG_MAP), target)
    document = HEADER + yaml.safe_dump(dict(found.document), sort_keys=False, allow_unicode=True)
    for line in (*found.remarks, *_to_do(document)):
        typer.echo(sanitize(line), err=True)
    typer.echo(document, nl=False)


async def _config_map(kubeconfig: Path | None, context: str) -> str:
    """The ConfigMap in the context's cluster, as JSON. Raises InvalidInput, PortError.

    The kubeconfig is the operator's own, so it is trusted: the files that it names are read, and
    its plugin is started.
    """
    first = os.environ.get(VARIABLE, "").split(os.pathsep)[0]  # it may name several files
    path = kubeconfig or (Path(first) if first else Path.home() / ".kube" / "config")
    with _readable(str(path), f"name another file with --kubeconfig or ${VARIABLE}"):
        document = await in_time(f"kubeconfig {path}", path.read_text, "utf-8")
    chosen = _in_context(SecretStr(document), context, path)
    opened = await resolve_references(chosen, path.parent, os.environ)
    kube = KubernetesConnector(__version__).connect(opened)
    try:
        return json.dumps(await kube.read_config_map(NAMESPACE, CONFIG_MAP))
    finally:
        await kube.close()


def _in_context(document: SecretStr, context: str, path: Path) -> SecretStr:
    if not context:
        return document
    try:
        return with_context(document, context)
    except Invalid as error:
        remedy = "use one that works with kubectl"
        raise InvalidInput([Problem(str(path), f"is not a kubeconfig: {error}", remedy)]) from None


def _read(file: str) -> str:
    with _readable(file, "name another file, or - for standard input"):
        return sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")


@contextmanager
def _readable(file: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InvalidInput([Problem(file, f"cannot be read: {reason}", remedy)]) from None


def _to_do(document: str) -> Iterator[str]:
    """What must be added to the configuration before it can be used."""
    try:
        read_config(document, "config.yaml")
    except ConfigError as error:
        yield from (f"to do: {problem}" for problem in error.problems)
