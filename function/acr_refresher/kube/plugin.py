"""The credential plugin of a trusted kubeconfig: a program that prints credentials.

Protocol: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins.
The client library's own runner is not used: it hands our whole environment on, waits for ever, and
its loader keeps what it was told in files.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from acr_refresher.errors import Invalid, Unreachable
from acr_refresher.kube.kubeconfig import encoded
from acr_refresher.settings import SETTINGS

OURS = ("ALIBABA_CLOUD_", "accessKeyID", "accessKeySecret", "securityToken")
"""Variables in which Function Compute hands us our role's credentials begin so."""

ApiVersion = Literal["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
Model = TypeVar("Model", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, hide_input_in_errors=True)


class _Variable(_Part):
    name: str
    value: str


class _Spec(_Part):
    api_version: ApiVersion
    command: str
    args: list[str] | None = None
    env: list[_Variable] | None = None
    provide_cluster_info: bool = False


class _Credentials(_Part):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None


class _Answer(_Part):
    api_version: ApiVersion
    kind: Literal["ExecCredential"]
    status: _Credentials


async def run_plugin(
    spec: Any, cluster: Mapping[str, Any], folder: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """The fields of a kubeconfig's user that the plugin's answer amounts to.

    It runs with our environment but for our own credentials. A path among its command is relative
    to the kubeconfig's folder. Raises Invalid, Unreachable (no answer in time).
    """
    plugin = _checked(_Spec, spec, "exec")
    printed = await _run(_command(plugin, folder), _environment(plugin, cluster, environ))
    try:
        answer = json.loads(printed)
    except ValueError:
        raise _invalid("what it prints is not JSON") from None
    status = _checked(_Answer, answer, "what it prints").status
    pair = status.client_certificate_data, status.client_key_data
    fields = {
        "token": status.token,
        "client-certificate-data": pair[0] and encoded(pair[0]),
        "client-key-data": pair[1] and encoded(pair[1]),
    }
    return {name: value for name, value in fields.items() if value}


def _command(plugin: _Spec, folder: Path) -> list[str]:
    is_path = os.sep in plugin.command
    return [str(folder / plugin.command) if is_path else plugin.command, *(plugin.args or ())]


def _environment(
    plugin: _Spec, cluster: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, str]:
    about: dict[str, Any] = {"interactive": False}
    if plugin.provide_cluster_info:
        about["cluster"] = cluster
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": about}
    return {
        **{name: value for name, value in environ.items() if not name.startswith(OURS)},
        **{variable.name: variable.value for variable in plugin.env or ()},
        "KUBERNETES_EXEC_INFO": json.dumps(info),
    }


async def _run(command: list[str], environ: Mapping[str, str]) -> bytes:
    """What the command prints. Nothing of it is left behind, whatever becomes of it."""
    devnull, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=devnull,
            stdout=pipe,
            stderr=devnull,
            env=environ,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a command"
        raise _invalid(f"it cannot be run: {reason}") from error
    try:
        printed, _ = await asyncio.wait_for(
            process.communicate(), SETTINGS.plugin_timeout.total_seconds()
        )
    except asyncio.TimeoutError:
        raise Unreachable(
            f"the credential plugin gave no answer in {SETTINGS.plugin_timeout.seconds} seconds",
            service="files",
        ) from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        raise _invalid(f"it ended with {process.returncode}: run it by hand to see what it says")
    return printed


def _checked(model: type[Model], fields: Any, what: str) -> Model:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
        raise _invalid(f"{what} is not as it should be: {told}") from None


def _invalid(problem: str) -> Invalid:
    return Invalid(f"the kubeconfig's credential plugin: {problem}", service="files")
