"""Simple Log Service 2020-12-30: outcomes as records in a logstore."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from acr_refresher.cloud.client import CloudClient
from acr_refresher.cloud.errors import CloudCall
from acr_refresher.core.model import Logstore
from acr_refresher.core.outcome_records import Record
from acr_refresher.run.ports import CloudCredentials, OutcomeLog

TOPIC = "acr-refresher"


class SlsLog(OutcomeLog):
    """Writes to a logstore as `caller`. `region_id` is the function's own region."""

    def __init__(
        self, cloud: CloudClient, caller: CloudCredentials, logstore: Logstore, region_id: str
    ) -> None:
        self._cloud = cloud
        self._caller = caller
        self._logstore = logstore
        self._region_id = logstore.region_id or region_id

    async def write(self, records: Sequence[Record], at: datetime) -> None:
        """PutLogs. Raises Denied, Invalid, Gone, Throttled, Unreachable."""
        project, name = self._logstore.project, self._logstore.name
        call = CloudCall(
            "sls",
            "log:PostLogStoreLogs",
            f"logstore {name} of project {project} in {self._region_id}",
            f"Allow log:PostLogStoreLogs on project/{project}/logstore/{name} in a policy of the "
            "function's role.",
            self._caller,
        )
        await self._cloud.call(call, partial(self._put, at), records)

    def _put(self, at: datetime, records: Sequence[Record], options: Any) -> dict[str, Any]:
        """The answer, which has no body. Raises a refusal as the cloud's other SDKs do.

        The SDK's `put_logs` takes models, converts them to plain data and copies that, which costs
        eight times as much as everything else. Then it calls `execute`, which this calls directly.
        """
        from alibabacloud_sls20201230.client import Client
        from alibabacloud_tea_openapi.utils_models import OpenApiRequest
        from Tea.exceptions import TeaException

        host = self._logstore.endpoint or f"{self._region_id}.log.aliyuncs.com"
        client = Client(self._cloud.config(self._caller, host, self._region_id))
        request = OpenApiRequest(
            host_map={"project": self._logstore.project}, headers={}, body=_log_group(records, at)
        )
        try:
            answer = client.execute(_put_logs(self._logstore.name), request, options)
        except TeaException as error:
            raise _refusal(error) if error.code else error from error
        return {"body": {}, "headers": answer["headers"]}


def _put_logs(logstore: str) -> Any:
    from alibabacloud_tea_openapi.utils_models import Params

    return Params(
        action="PutLogs",
        version="2020-12-30",
        protocol="HTTPS",
        pathname=f"/logstores/{logstore}/shards/lb",
        method="POST",
        auth_type="AK",
        style="ROA",
        req_body_type="protobuf",
        body_type="none",
    )


def _log_group(records: Sequence[Record], at: datetime) -> dict[str, Any]:
    """The plain data that the SDK serialises."""
    content, time = _Contents().__getitem__, int(at.timestamp())
    items = [{"Time": time, "Contents": list(map(content, record.items()))} for record in records]
    return {"LogItems": items, "LogTags": [], "Topic": TOPIC, "Source": ""}


class _Contents(dict[tuple[str, str], dict[str, str]]):
    """One object per pair of field and value: most are the same in thousands of records."""

    def __missing__(self, field: tuple[str, str]) -> dict[str, str]:
        self[field] = content = {"Key": field[0], "Value": field[1]}
        return content


def _refusal(error: Any) -> Exception:
    """A refusal as the cloud's other SDKs raise it."""
    from alibabacloud_tea_openapi.exceptions import ClientException

    answered = error.data if isinstance(error.data, dict) else {}
    refusal: Exception = ClientException(
        status_code=_status(str(error.code), str(error.message), answered.get("statusCode") or 0),
        code=error.code,
        request_id=answered.get("requestId"),
        data={"message": error.message},
    )
    return refusal


def _status(code: str, message: str, answered: int) -> int:
    """The status that the other APIs would answer with: SLS uses 401 and 403 for more cases."""
    if "denied by" in message:  # 401 Unauthorized: denied by sts or ram, action: …
        return HTTPStatus.FORBIDDEN
    if code.endswith("QuotaExceed") or code == "ServerBusy":
        return HTTPStatus.TOO_MANY_REQUESTS
    return answered
