"""Asking STS, CR and CS through the adapters."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any

from acr_refresher.cloud.client import CloudClient
from acr_refresher.cloud.cr import CrClient
from acr_refresher.cloud.cs import CsClient
from acr_refresher.cloud.kms import KmsClient
from acr_refresher.cloud.sts import StsClient
from acr_refresher.core.model import AckAccess, KmsAccess, Registry, Role
from acr_refresher.errors import PortError
from acr_refresher.run.ports import CloudCredentials
from localcloud.demo import (
    REGION,
    REGISTRY,
    REGISTRY_ROLE_ARN,
)

HOUR = timedelta(hours=1)
THE_REGISTRY = Registry("main", REGISTRY.id, REGION)
THE_CLUSTER = AckAccess("c8f1d3b5a79e24680bdf13579ace02468", REGION)
THE_SECRET = KmsAccess("kubeconfig/idc", REGION)


def assume(
    cloud_client: CloudClient, caller: CloudCredentials, role_arn: str, duration: timedelta = HOUR
) -> CloudCredentials:
    return asyncio.run(
        StsClient(cloud_client, REGION).assume_role(caller, Role(role_arn), "run-1", duration)
    )


ASK: Mapping[str, Callable[[CloudClient, CloudCredentials], Coroutine[Any, Any, object]]] = {
    "AssumeRole": lambda cloud_client, caller: StsClient(cloud_client, REGION).assume_role(
        caller, Role(REGISTRY_ROLE_ARN), "run-1", HOUR
    ),
    "GetAuthorizationToken": lambda cloud_client, caller: CrClient(cloud_client).token(
        caller, THE_REGISTRY
    ),
    "ListInstanceEndpoint": lambda cloud_client, caller: CrClient(cloud_client).hosts(
        caller, THE_REGISTRY
    ),
    "DescribeClusterUserKubeconfig": lambda cloud_client, caller: CsClient(cloud_client).kubeconfig(
        caller, THE_CLUSTER
    ),
    "DescribeClustersV1": lambda cloud_client, caller: CsClient(cloud_client).clusters(
        caller, REGION, 1
    ),
    "GetSecretValue": lambda cloud_client, caller: KmsClient(cloud_client).kubeconfig(
        caller, THE_SECRET
    ),
}


def assert_no_secret(error: PortError, *callers: CloudCredentials) -> None:
    """Neither in the error nor in its arguments; what caused it is never shown by us."""
    shown = f"{error!s} {error!r} {error.args} {traceback.format_exception_only(error)}"
    for caller in callers:
        assert caller.access_key_id not in shown
        assert caller.access_key_secret.get_secret_value() not in shown
        assert (
            caller.security_token is None or caller.security_token.get_secret_value() not in shown
        )
