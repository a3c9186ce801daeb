"""`acr-refresher schema`: the JSON Schema of config.yaml, for editors."""

from __future__ import annotations

import json

import typer

from acr_refresher.config.schema import json_schema


def schema() -> None:
    """Print the JSON Schema of config.yaml, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
