"""What every API call passes through: routing, authentication, faults, answer, journal."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from urllib.parse import parse_qsl

from localcloud import cr, cr_personal, cs, kms, log_signature, sls, sts
from localcloud.api import ApiRequest, HttpRequest, Operation, Raw, Style
from localcloud.authentication import authenticate
from localcloud.cloud import Cloud
from localcloud.errors import CloudError
from localcloud.faults import (
    ApiError,
    BadGateway,
    ConnectionReset,
    ExpiredToken,
    Fault,
    Stall,
    Unsuccessful,
)
from localcloud.fc import invoke
from localcloud.fc import signature as fc_signature
from localcloud.journal import Call
from localcloud.replies import Reply, bad_gateway, refusal, success
from localcloud.sessions import Session

PRODUCTS = (
    sts.PRODUCT,
    cr.PRODUCT,
    cr_personal.PRODUCT,
    cs.PRODUCT,
    kms.PRODUCT,
    sls.PRODUCT,
    invoke.PRODUCT_3,
    invoke.PRODUCT_2,
)

_SECRET_PARAMETERS = {"OIDCToken", "SecurityToken"}
_COMMON_PARAMETERS = {"Action", "Format", "SignatureNonce", "Timestamp", "Version"}
_NOT_JOURNALED = _SECRET_PARAMETERS | _COMMON_PARAMETERS

Outcome: TypeAlias = "Reply | ConnectionReset | Stall"
"""A reply, or the fault that keeps it from being sent."""


@dataclass(frozen=True)
class Route:
    """Where a request leads: which API, and what host, path, query and form say to it."""

    operation: Operation
    style: Style
    region: str
    parameters: Mapping[str, str]


async def respond(cloud: Cloud, http: HttpRequest) -> Outcome:
    """Answer an API request and enter it in the journal."""
    request_id = str(uuid.uuid4()).upper()
    route = caller = None
    outcome: Outcome
    try:
        route = find_route(http)
        now = cloud.clock()
        caller = _caller(cloud, route, http, now)
        fault = cloud.faults.take(route.operation.action, http.host, caller.arn if caller else "")
        request = ApiRequest(http, request_id, caller, route.region, route.parameters, now)
        outcome = await _answer(cloud, route, request, fault)
    except CloudError as error:
        outcome = refusal(error, route.style if route else "RPC", request_id, http.host)
    cloud.journal.add(_entry(http, route, caller, outcome, request_id))
    return outcome


def find_route(http: HttpRequest) -> Route:
    """The API that host, version, action and path name; CloudError if there is none."""
    message = "Specified api is not found, please check your url and method."
    hosted = [(p, match) for p in PRODUCTS if (match := p.hosts.fullmatch(http.host))]
    versioned = [(p, match) for p, match in hosted if p.version == http.version]
    if hosted and not versioned:
        raise CloudError(400, "InvalidVersion", "Specified parameter Version is not valid.")
    for product, match in versioned:
        for operation in product.operations:
            in_path = operation.match(http)
            if in_path is not None:
                in_host = {name: text or "" for name, text in match.groupdict().items()}
                region = in_host.pop("region")
                parameters = {**dict(http.query), **_form(http), **in_host, **in_path}
                return Route(operation, product.style, region, parameters)
    raise CloudError(404, "InvalidAction.NotFound", message)


def _caller(cloud: Cloud, route: Route, http: HttpRequest, now: datetime) -> Session | None:
    if route.operation.anonymous:
        return None
    own = {"LOG": log_signature.authenticate, "FC": fc_signature.authenticate}
    return own.get(route.style, authenticate)(cloud, http, now)


async def _answer(cloud: Cloud, route: Route, request: ApiRequest, fault: Fault | None) -> Outcome:
    """The operation's answer, or what the fault makes of it.

    Operations run in threads, for one of them may wait for a cluster's API server.
    """
    match fault:
        case ApiError():
            raise CloudError(fault.status, fault.code, fault.message, retry_after=fault.retry_after)
        case Unsuccessful():
            return success({"IsSuccess": False, "Code": fault.code}, route.style, request.id)
        case BadGateway():
            return bad_gateway()
        case ConnectionReset() | Stall(delay=None):
            return fault
        case Stall(delay=timedelta() as delay):
            await asyncio.sleep(delay.total_seconds())
    body = await asyncio.to_thread(route.operation.answer, cloud, request)
    if isinstance(fault, ExpiredToken) and not isinstance(body, Raw):
        body = {**body, "ExpireTime": cr.milliseconds(request.now - fault.ago)}
    return success(body, route.style, request.id)


def _form(http: HttpRequest) -> dict[str, str]:
    if http.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(http.body.decode(), keep_blank_values=True))
    return {}


def _entry(
    http: HttpRequest,
    route: Route | None,
    caller: Session | None,
    outcome: Outcome,
    request_id: str,
) -> Call:
    sent = outcome if isinstance(outcome, Reply) else Reply(0, b"", code=type(outcome).__name__)
    parameters = route.parameters.items() if route else ()
    return Call(
        host=http.host,
        action=route.operation.action if route else http.action,
        version=http.version,
        caller_arn=caller.arn if caller else "",
        parameters={name: value for name, value in parameters if name not in _NOT_JOURNALED},
        status=sent.status,
        code=sent.code,
        request_id=request_id,
    )
