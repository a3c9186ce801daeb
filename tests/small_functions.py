"""A small function to deploy, and calls of functions through both APIs of Function Compute."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions
from fc2 import Client as Fc2Client

from localcloud.demo import FUNCTION_ACCOUNT, FUNCTION_ROLE_ARN, REGION
from localcloud.fc.description import AsyncConfig, EntryPoint, Function, Timer
from localcloud.sdk import Credentials, config

HOST = f"{FUNCTION_ACCOUNT}.{REGION}.fc.aliyuncs.com"
CODE = """
import json, os, signal, sys, time

started = []

def initialize(context):
    started.append(context.request_id)
    if os.environ.get("BROKEN"):
        raise ValueError("broken from the start")

def handle(event, context):
    order = json.loads(event)
    print("got", order["do"], flush=True)
    if order["do"] == "tell":
        return {"pid": os.getpid(), "started": len(started), "context": plain(context),
                "env": dict(os.environ), "folder": os.getcwd(), "path": sys.path[0]}
    if order["do"] == "raise":
        raise ValueError(order.get("text", "as ordered"))
    if order["do"] == "sleep":
        time.sleep(order.get("seconds", 60))
    if order["do"] == "wait":
        while not os.path.exists(order["file"]):
            time.sleep(0.01)
    if order["do"] == "fill":
        filled = b"x" * (order["mb"] << 20)
        time.sleep(60)
    if order["do"] == "exit":
        os._exit(3)
    if order["do"] == "once":
        if os.path.exists(order["file"]):
            return "second time"
        open(order["file"], "w").close()
        print("marked", flush=True)
        time.sleep(60)
    return order.get("text", "done")

def timer(event, context):
    print(event.decode())

def pre_stop(context):
    print("stopping")

def plain(value):
    return {k: plain(v) for k, v in vars(value).items()} if hasattr(value, "__dict__") else value
"""


def small_function(folder: Path, **changes: Any) -> Function:
    """A function that does what its event says. `changes` replace settings of its deployment."""
    (folder / "small.py").write_text(CODE, encoding="utf-8")
    soon = timedelta(seconds=30)
    usual: dict[str, Any] = {
        "account": FUNCTION_ACCOUNT,
        "region": REGION,
        "name": "small",
        "code": folder,
        "role": FUNCTION_ROLE_ARN,
        "handler": EntryPoint("small.handle", soon),
        "initializer": EntryPoint("small.initialize", soon),
        "pre_stop": EntryPoint("small.pre_stop", soon),
        "memory": 128,
        "asynchronous": AsyncConfig(task_ids=True, most_retries=1),
        "timer": Timer("timer", '{"do": "tell"}'),
    }
    return Function(**{**usual, **changes})


def invoke_3(
    url: str,
    credentials: Credentials,
    payload: bytes,
    name: str = "small",
    *,
    query: dict[str, str] | None = None,
    host: str = HOST,
    **headers: str,
) -> Any:
    """The response of InvokeFunction of 3.0: body (bytes), headers, statusCode."""
    params = Params(
        action="InvokeFunction",
        version="2023-03-30",
        protocol="HTTPS",
        pathname=f"/2023-03-30/functions/{name}/invocations",
        method="POST",
        auth_type="AK",
        style="ROA",
        req_body_type="byte",
        body_type="byte",
    )
    request = OpenApiRequest(query=query or {}, headers=_spelt(headers), body=payload)
    client = OpenApiClient(config(url, credentials, host))
    return client.call_api(params, request, RuntimeOptions(read_timeout=60_000))


def invoke_2(
    url: str, credentials: Credentials, payload: bytes, service: str = "services", **headers: str
) -> Any:
    """The response of InvokeFunction of 2.0: data, headers."""
    client = Fc2Client(
        endpoint=url,
        accessKeyID=credentials.access_key_id,
        accessKeySecret=credentials.access_key_secret,
        securityToken=credentials.security_token,
    )
    return client.invoke_function(service, "small", payload, _spelt(headers))


def _spelt(headers: dict[str, str]) -> dict[str, str]:
    return {f"x-fc-{name.replace('_', '-')}": value for name, value in headers.items()}
