"""Container Service for Kubernetes 2015-12-15: temporary kubeconfigs of ACK clusters."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from acr_refresher.adapters.cloud import CloudSdk
from acr_refresher.adapters.cloud_errors import CloudCall, reading_answer
from acr_refresher.core.model import AckAccess
from acr_refresher.ports import CloudCredentials, ContainerService, Kubeconfig

ACTION = "DescribeClusterUserKubeconfig"


class CsClient(ContainerService):
    """CS at the endpoint of each cluster's own region, by the SDKs' generic call.

    `private`: ask for the API server's address inside the VPC instead of its public one.
    """

    def __init__(self, sdk: CloudSdk, *, private: bool = False) -> None:
        self._sdk = sdk
        self._private = private

    async def kubeconfig(
        self, caller: CloudCredentials, access: AckAccess, validity: timedelta
    ) -> Kubeconfig:
        """DescribeClusterUserKubeconfig, valid for 15 to 4320 minutes.

        Raises Denied, Invalid, Gone, Throttled, Unreachable.
        """
        from alibabacloud_tea_openapi.client import Client  # noqa: PLC0415 - see cloud.py
        from alibabacloud_tea_openapi.utils_models import OpenApiRequest  # noqa: PLC0415

        host = f"cs.{access.region_id}.aliyuncs.com"
        client = Client(self._sdk.config(caller, host, access.region_id))
        request = OpenApiRequest(
            query={
                "PrivateIpAddress": str(self._private).lower(),
                "TemporaryDurationMinutes": str(validity // timedelta(minutes=1)),
            }
        )
        call = _call(caller, access)
        send = partial(client.call_api, _params(access.cluster_id))
        answer = await self._sdk.ask(call, send, request)
        with reading_answer(call):
            return Kubeconfig(SecretStr(answer["config"]), _time(answer.get("expiration")))


def _params(cluster_id: str) -> Any:
    from alibabacloud_tea_openapi.utils_models import Params  # noqa: PLC0415 - see cloud.py

    return Params(
        action=ACTION,
        version="2015-12-15",
        protocol="HTTPS",
        pathname=f"/k8s/{quote(cluster_id, safe='')}/user_config",
        method="GET",
        auth_type="AK",
        style="ROA",
        req_body_type="json",
        body_type="json",
    )


def _time(expiration: str | None) -> datetime | None:
    """RFC 3339, whose Z `fromisoformat` takes only from Python 3.11 on."""
    return datetime.fromisoformat(expiration.replace("Z", "+00:00")) if expiration else None


def _call(caller: CloudCredentials, access: AckAccess) -> CloudCall:
    return CloudCall(
        "cs",
        f"cs:{ACTION}",
        f"cluster {access.cluster_id} in {access.region_id}",
        f"allow cs:{ACTION} and cs:GetUserConfig on it in the policy of the last role of the "
        "cluster's chain, and grant that role a ClusterRole in the cluster",
        caller,
    )
