"""`acr-refresher import`: the ACK credential helper's configuration as a config.yaml."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import yaml

from acr_refresher.cli.cluster import connected
from acr_refresher.cli.printable import printable
from acr_refresher.cli.refusal import refusing
from acr_refresher.cli.setup import region_problems
from acr_refresher.config import ConfigError, read_config
from acr_refresher.core.helper_config import Target, imported
from acr_refresher.inputs.helper_document import CONFIG_MAP, read_helper_document
from acr_refresher.inputs.problems import InvalidInput, Problem

HEADER = "# yaml-language-server: $schema=config.schema.json\n"
STDIN = "-"
NAMESPACE = "kube-system"


def import_helper(  # noqa: PLR0913  # a command has a parameter for each of its options
    file: Annotated[
        str,
        typer.Argument(
            help="The helper's ConfigMap as YAML or JSON, its data alone, or the managed add-on's"
            " JSON; - for standard input.",
            show_default=False,
        ),
    ] = "",
    *,
    from_cluster: Annotated[
        bool, typer.Option("--from-cluster", help=f"Read {NAMESPACE}/{CONFIG_MAP} in a cluster.")
    ] = False,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="With --from-cluster. Default: $KUBECONFIG.")
    ] = None,
    context: Annotated[str, typer.Option(help="The context to use in the kubeconfig.")] = "",
    cluster_name: Annotated[str, typer.Option(help="Our name for the cluster.")] = "",
    cluster_id: Annotated[str, typer.Option(help="Its ID, where it is an ACK cluster.")] = "",
    region: Annotated[str, typer.Option(help="Its region.")] = "",
) -> None:
    """Turn the ACK credential helper's configuration into a config.yaml.

    It goes to standard output; what is to be known or done about it, to standard error.
    """
    target = Target(cluster_name, cluster_id, region)
    with refusing():
        if wrong := tuple(region_problems(region)):
            raise InvalidInput(wrong)
        if bool(file) is from_cluster:
            remedy = "give either a file (- for standard input) or --from-cluster"
            raise InvalidInput([Problem("import", "does not know what to read", remedy)])
        text = asyncio.run(_config_map(kubeconfig, context)) if from_cluster else _read(file)
        found = imported(read_helper_document(text, file or CONFIG_MAP), target)
    document = HEADER + yaml.safe_dump(dict(found.document), sort_keys=False, allow_unicode=True)
    for line in (*found.remarks, *_still_to_do(document)):
        typer.echo(printable(line), err=True)
    typer.echo(document, nl=False)


async def _config_map(kubeconfig: Path | None, context: str) -> str:
    async with connected(kubeconfig, context) as kube:
        return json.dumps(await kube.read_config_map(NAMESPACE, CONFIG_MAP))


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        remedy = "give a file that can be read, or - for standard input"
        raise InvalidInput([Problem(file, f"cannot be read: {reason}", remedy)]) from None


def _still_to_do(document: str) -> Iterator[str]:
    """What the configuration lacks to be used as it is."""
    try:
        read_config(document, "config.yaml")
    except ConfigError as error:
        yield from (f"to be written by hand: {problem}" for problem in error.problems)
