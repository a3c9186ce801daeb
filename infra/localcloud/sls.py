"""Simple Log Service, API version 2020-12-30 (0.6.0 on the wire): writing logs."""

import re
import zlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import lz4.block
import zstd

from localcloud.api import ApiRequest, HttpRequest, Json, Operation, Product
from localcloud.authorization import WRITE_LOGS
from localcloud.cloud import Cloud
from localcloud.errors import CloudError
from localcloud.log_group import Log, LogGroup, parse_log_group
from localcloud.logs import Record
from localcloud.sessions import Session
from localcloud.world import LogProject

MOST_LOGS = 4096
MOST_BYTES = 3_000_000  # of the older documents; the newer ones say 10 MB
MOST_VALUE_BYTES = 1_048_576
_OLDEST, _NEWEST = timedelta(hours=168), timedelta(minutes=15)

_DECOMPRESS: Mapping[str, Callable[[bytes, int], bytes]] = {
    "deflate": lambda data, _size: zlib.decompress(data),
    "lz4": lambda data, size: bytes(lz4.block.decompress(data, uncompressed_size=size)),
    "zstd": lambda data, _size: bytes(zstd.decompress(data)),
}


def put_logs(cloud: Cloud, request: ApiRequest) -> Json:
    """PutLogs: add a group of logs to a logstore."""
    name, logstore = request.required("project"), request.required("logstore")
    project = writable_project(cloud, request.caller, request.region, name, logstore)
    group = _log_group(request.http)
    _check(group, request.now)
    cloud.logs.add(project.name, logstore, (_record(log, group) for log in group.logs))
    return {}


def writable_project(
    cloud: Cloud, caller: Session, region: str, name: str, logstore: str
) -> LogProject:
    """The project, to whose logstore the caller may write; CloudError where it may not."""
    project = cloud.world.find_log_project(name, region=region)
    if project is None:
        raise CloudError(404, "ProjectNotExist", f"The Project does not exist : {name}")
    _authorize(caller, project, logstore)
    if logstore not in project.logstores:
        raise CloudError(404, "LogStoreNotExist", f"logstore {logstore} does not exist")
    return project


def _authorize(caller: Session, project: LogProject, logstore: str) -> None:
    """In the words of SLS, whose error has no AccessDeniedDetail."""
    place = {"project": project.name, "logstore": logstore}
    place |= {"region": project.region, "account": project.account}
    foreign = caller.role.account != project.account
    if foreign or caller.find_access_denial(WRITE_LOGS, **place):
        ((action, resource),) = WRITE_LOGS.questions(**place)
        message = f"denied by sts or ram, action: {action}, resource: {resource}"
        raise CloudError(401, "Unauthorized", message)


def _log_group(http: HttpRequest) -> LogGroup:
    body = _decompressed(http)
    if len(body) > MOST_BYTES:
        raise CloudError(400, "PostBodyTooLarge", f"body size {len(body)} is too large")
    try:
        return parse_log_group(body)
    except ValueError as error:
        raise CloudError(400, "PostBodyInvalid", f"body is not a LogGroup: {error}") from error


def _decompressed(http: HttpRequest) -> bytes:
    if http.headers.get("content-type") != "application/x-protobuf":
        raise CloudError(415, "InvalidContentType", "Content-Type is unsupported")
    size, kind = http.headers.get("x-log-bodyrawsize", ""), http.headers.get("x-log-compresstype")
    if not size.isdecimal():
        raise CloudError(400, "InvalidBodyRawSize", "x-log-bodyrawsize is invalid")
    if kind is None:
        return http.body
    if kind not in _DECOMPRESS:
        raise CloudError(400, "InvalidCompressType", f"x-log-compresstype {kind} is unsupported")
    try:
        body = _DECOMPRESS[kind](http.body, int(size))
    except Exception as error:  # each library has its own
        raise CloudError(400, "PostBodyUncompressError", "uncompress fail") from error
    if len(body) != int(size):
        raise CloudError(400, "InvalidBodyRawSize", "x-log-bodyrawsize is invalid")
    return body


def _check(group: LogGroup, now: datetime) -> None:
    if len(group.logs) > MOST_LOGS:
        raise CloudError(400, "PostBodyTooLarge", f"more than {MOST_LOGS} logs in a LogGroup")
    earliest, latest = (now - _OLDEST).timestamp(), (now + _NEWEST).timestamp()
    if any(not earliest <= log.time <= latest for log in group.logs):
        raise CloudError(400, "InvalidTimestamp", "the time of a log is too old or in the future")
    if any(map(_has_too_long_a_value, group.logs)):
        raise CloudError(400, "PostBodyInvalid", "a value is larger than 1 MB")


def _record(log: Log, group: LogGroup) -> Record:
    marks = {"__topic__": group.topic, "__source__": group.source}
    return {"__time__": log.time, **marks, **log.contents}


def _has_too_long_a_value(log: Log) -> bool:
    long = (value for value in log.contents.values() if 4 * len(value) > MOST_VALUE_BYTES)
    return any(len(value.encode()) > MOST_VALUE_BYTES for value in long)


PRODUCT = Product(
    hosts=re.compile(
        r"(?P<project>[a-z0-9-]+)\.(?P<region>[a-z0-9-]+?)(?:-intranet)?\.log\.aliyuncs\.com"
    ),
    version="0.6.0",
    style="LOG",
    operations=(
        Operation("PutLogs", put_logs, path="/logstores/{logstore}/shards/lb", named=False),
    ),
)
