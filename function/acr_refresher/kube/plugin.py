"""The credential plugin of a trusted kubeconfig: a program that prints credentials.

Protocol: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins.
The client library's own runner is not used: it passes our complete environment to the program, has
no time-out, and its loader keeps credentials in files.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from acr_refresher.errors import Invalid, Unreachable
from acr_refresher.kube.kubeconfig import encoded, fields_to_json
from acr_refresher.run.concurrency import in_own_thread
from acr_refresher.settings import SETTINGS

OURS = ("ALIBABA_CLOUD_", "accessKeyID", "accessKeySecret", "securityToken")
"""Prefixes of the variables in which Function Compute gives us our role's credentials."""

READ_BYTES = 2**16
"""Bytes of the output that are read at a time."""

ApiVersion = Literal["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")


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
    """The plugin's answer as fields of a kubeconfig's user.

    The plugin gets our environment without our credentials. A command with a path is relative to
    the kubeconfig's folder. Raises Invalid, Unreachable (no answer in time).
    """
    plugin = _checked(_Spec, spec, "exec")
    printed = await _run(_command(plugin, folder), _environment(plugin, cluster, environ))
    status = _checked(_Answer, printed, "its output").status
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
        "KUBERNETES_EXEC_INFO": fields_to_json(info),
    }


async def _run(command: list[str], environ: Mapping[str, str]) -> bytes:
    """The output of the command. All processes that it started are ended, whatever happens."""
    await _in_time(in_own_thread(_read_first_byte, command[0], environ))
    process = await _start(command, environ)
    try:
        printed = await _in_time(_output(process))
    finally:
        _end(process)
        await process.wait()
    if len(printed) > SETTINGS.kubeconfig_characters:
        raise _invalid(f"it prints more than {SETTINGS.kubeconfig_characters} bytes")
    if process.returncode:
        raise _invalid(f"it ended with {process.returncode}. Run it manually to see its messages.")
    return printed


async def _output(process: asyncio.subprocess.Process) -> bytes:
    """What the process prints until its end. It is ended if it prints more than it may.

    Even then its pipe is read to the end: otherwise `process.wait` would wait for that.
    """
    printed = bytearray()
    while process.stdout and (part := await process.stdout.read(READ_BYTES)):
        if len(printed) <= SETTINGS.kubeconfig_characters:
            printed += part
        else:
            _end(process)
    await process.wait()
    return bytes(printed)


def _end(process: asyncio.subprocess.Process) -> None:
    """End all processes of the plugin."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _in_time(waiting: Coroutine[Any, Any, T]) -> T:
    limit = SETTINGS.plugin_timeout.total_seconds()
    try:
        return await asyncio.wait_for(waiting, limit)
    except asyncio.TimeoutError:
        message = f"the credential plugin gave no answer in {limit:g} seconds"
        raise Unreachable(message, service="files") from None


async def _start(command: list[str], environ: Mapping[str, str]) -> asyncio.subprocess.Process:
    devnull, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=devnull,
            stdout=pipe,
            stderr=devnull,
            env=environ,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a command"
        raise _invalid(f"it cannot be started: {reason}") from error


def _read_first_byte(command: str, environ: Mapping[str, str]) -> None:
    """Read the program's first byte. If its file system hangs, this thread hangs, not the loop."""
    with suppress(OSError, ValueError):  # starting it shows what is wrong
        program = shutil.which(command, path=environ.get("PATH")) or command
        with Path(program).open("rb") as file:
            file.read(1)


def _checked(model: type[Model], value: Any, what: str) -> Model:
    try:
        if isinstance(value, bytes):
            return model.model_validate_json(value)
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        pairs = ((".".join(map(str, each["loc"])), each["msg"]) for each in problems)
        listed = "; ".join(": ".join(filter(None, pair)) for pair in pairs)
        raise _invalid(f"{what} is not valid: {listed}") from None


def _invalid(problem: str) -> Invalid:
    return Invalid(f"the kubeconfig's credential plugin: {problem}", service="files")
