"""One invocation of the function: from its event and context to the report of its run.

Runtimes up to python3.10 have the role's credentials in the context. python3.12 has them in the
environment, and its context has no `credentials` and no `service`.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from acr_refresher.config.events import InvalidEvent, parse_event, unknown_name_problems
from acr_refresher.config.load import Config
from acr_refresher.core.model import Function
from acr_refresher.core.report import Report, report_to_json
from acr_refresher.core.request import Request, RunContext
from acr_refresher.errors import Denied
from acr_refresher.log import safe_document
from acr_refresher.run.ports import Caller, CloudCredentials
from acr_refresher.run.run import run
from acr_refresher.settings import SETTINGS
from acr_refresher.wiring import Instance

LATEST = "LATEST"
"""The qualifier of a function that was invoked without one."""


@dataclass(frozen=True, slots=True)
class InvocationContext:
    """What Function Compute says about an invocation.

    `timeout` and `function` are None if it does not say them. The credentials are those of the
    function's role, for this invocation only.
    """

    request_id: str
    credentials: CloudCredentials
    region_id: str
    account_id: str
    timeout: timedelta | None
    function: Function | None = None


def read_invocation(context: Any, environ: Mapping[str, str]) -> InvocationContext:
    """Read the context object and the environment. Raises Denied if the function has no role."""
    seconds = getattr(getattr(context, "function", None), "timeout", None)
    region_id = _text(context, "region") or environ.get("FC_REGION", "")
    account_id = _text(context, "account_id") or environ.get("FC_ACCOUNT_ID", "")
    return InvocationContext(
        request_id=_text(context, "request_id"),
        credentials=replace(_credentials(context, environ), account_id=account_id),
        region_id=region_id,
        account_id=account_id,
        timeout=timedelta(seconds=float(seconds)) if seconds else None,
        function=_function_of(context, environ, region_id, account_id),
    )


def environment_credentials(environ: Mapping[str, str]) -> CloudCredentials | None:
    """Return the credentials in the variables that Alibaba Cloud's own tools read, if any."""
    return _credentials_from(
        environ.get("ALIBABA_CLOUD_ACCESS_KEY_ID", ""),
        environ.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET", ""),
        environ.get("ALIBABA_CLOUD_SECURITY_TOKEN", ""),
    )


def _function_of(
    context: Any, environ: Mapping[str, str], region_id: str, account_id: str
) -> Function | None:
    """Return the function that was invoked, with its version or alias, so that it can start itself.

    It is a function of Function Compute 2.0 if the context names a service, otherwise of 3.0.
    Returns None if its name, region or account is not known.
    """
    function = getattr(context, "function", None)
    name = _text(function, "name") or environ.get("FC_FUNCTION_NAME", "")
    if not name or not region_id or not account_id:
        return None
    service = getattr(context, "service", None)
    qualifier = _text(service, "qualifier") or _text(function, "qualifier")
    if qualifier == LATEST:
        qualifier = ""
    return Function(name, region_id, account_id, _text(service, "name"), qualifier)


def _credentials(context: Any, environ: Mapping[str, str]) -> CloudCredentials:
    given = getattr(context, "credentials", None)
    names = ("access_key_id", "access_key_secret", "security_token")
    found = _credentials_from(*(_text(given, name) for name in names)) or environment_credentials(
        environ
    )
    if found is None:
        raise Denied(
            "the function has no credentials: give it a RAM role (`role` in s.yaml) that trusts "
            "fc.aliyuncs.com. With python3.12, also remove disableInjectCredentials from s.yaml.",
            service="fc",
        )
    return found


def _credentials_from(access_key_id: str, secret: str, token: str) -> CloudCredentials | None:
    if not access_key_id or not secret:
        return None
    return CloudCredentials(access_key_id, SecretStr(secret), SecretStr(token) if token else None)


def _text(source: Any, name: str) -> str:
    return str(getattr(source, name, None) or "")


class RunFailed(Exception):
    """Some clusters of a timer's run, or of a shard, need attention; all others were served.

    It is raised so that Function Compute counts the invocation as failed. The log has the details.
    """


def handle_invocation(
    event: bytes | str,
    context: object,
    config: Config,
    instance: Instance,
    folder: Path,
    began: float,
) -> dict[str, Any]:
    """Make the run that the event requests, and return its report.

    `folder` is the folder of config.yaml. `began` is `time.monotonic` when the invocation began.
    Raises InvalidEvent, or Denied if the function has no role, before anything is done.
    Raises RunFailed after everything was done.
    """
    request = parse_event(event)
    if unknown := unknown_name_problems(request, config):
        raise InvalidEvent(unknown)
    invocation = read_invocation(context, os.environ)
    run_context = RunContext(
        run=_run_id(request, invocation),
        request=request,
        now=datetime.now(timezone.utc),
        budget=_budget(invocation.timeout or SETTINGS.function_timeout, began),
        request_id=invocation.request_id,
        account=invocation.account_id,
        function=invocation.function,
    )
    caller = Caller(invocation.credentials, invocation.region_id)
    report = _run_loop(run(run_context, config, instance.dependencies(config, folder, caller)))
    if request.unattended and not report.ok:
        raise RunFailed(_verdict(report))
    document: dict[str, Any] = safe_document(report_to_json(report))
    return document


def _run_id(request: Request, invocation: InvocationContext) -> str:
    """Return the ID of the shard's run, or of this one.

    A timer's event may be delivered twice. Both deliveries compute the same ID, so all shards
    report under it, whichever delivery started them.
    """
    if request.shard:
        return request.shard.run
    if request.scheduled_at and invocation.function:
        event = (*astuple(invocation.function), request.trigger, request.scheduled_at)
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(event)))
    return invocation.request_id or str(uuid.uuid4())


def _budget(timeout: timedelta, began: float) -> timedelta:
    """Return the time that a run may take: at least a quarter of the function's timeout."""
    spent = timedelta(seconds=time.monotonic() - began)
    return max(timeout - spent - SETTINGS.report_time, timeout / 4)


def _run_loop(running: Coroutine[Any, Any, Report]) -> Report:
    """Await the run in the event loop of uvloop, whose TLS takes a fifth less CPU per request."""
    try:
        import uvloop  # noqa: PLC0415  # it does not exist for Windows
    except ImportError:
        return asyncio.run(running)
    return uvloop.run(running)


def _verdict(report: Report) -> str:
    verdict = f"run {report.run}: {len(report.failing)} of {len(report.clusters)} clusters need"
    verdict += f" attention: {', '.join(report.failing)}"
    if tasks := report.not_delegated:
        verdict += f"; could not be started: {', '.join(tasks)}"
    return verdict
