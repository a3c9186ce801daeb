"""An operator at the command line: own credentials in the environment, and a command's result."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from acr_refresher.cli.app import app
from demo.company import FUNCTION_ROLE, REGION
from demo.stage import Stage


def command(function: Stage, *arguments: str, role: str = FUNCTION_ROLE, text: str = "") -> Result:
    """A command of somebody who may what the role may, where the function is deployed."""
    session = function.cloud.function_credentials(role)
    own = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": session.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": session.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": session.security_token,
        "ALIBABA_CLOUD_REGION_ID": REGION,
    }
    result = CliRunner(env=own).invoke(app, list(arguments), input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def printed_secrets(function: Stage, result: Result) -> list[str]:
    """Whatever of the cloud's secrets stands in what the command printed."""
    sessions = function.cloud.sessions.values()
    secrets = [
        *function.cloud.registry_tokens,
        *(one.access_key_secret for one in sessions),
        *(one.security_token for one in sessions),
    ]
    return [secret for secret in secrets if secret in result.output + result.stderr]


def write_config(folder: Path, clusters: str, registries: str = "") -> Path:
    """A config.yaml of these sections, in YAML's flow style."""
    file = folder / "config.yaml"
    known = registries or "{name: a, instanceId: cri-a, regionId: cn-hangzhou}"
    file.write_text(f"registries: [{known}]\nclusters: [{clusters}]\n")
    return file
