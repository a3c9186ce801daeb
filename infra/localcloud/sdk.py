"""The cloud's unmodified SDKs, wired to a cloud that is being served.

Importing the SDKs attaches noisy handlers to their loggers, so nothing else here imports this.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from alibabacloud_cr20181201.client import Client as CrClient
from alibabacloud_sls20201230.client import Client as SlsClient
from alibabacloud_sls20201230.models import (
    LogContent,
    LogGroup,
    LogItem,
    PutLogsHeaders,
    PutLogsRequest,
)
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_sts20150401.models import AssumeRoleRequest, AssumeRoleWithOIDCRequest
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from localcloud.demo import REGION


class Credentials(Protocol):
    """What signs a request: a Session, or the Credentials in an AssumeRole response."""

    @property
    def access_key_id(self) -> str: ...
    @property
    def access_key_secret(self) -> str: ...
    @property
    def security_token(self) -> str: ...


def config(url: str, credentials: Credentials | None, host: str, **options: Any) -> Any:
    """Client configuration for a product's host name, with the served cloud as HTTP proxy.

    Anonymous operations alone can do without credentials.
    """
    if credentials is not None:
        options["access_key_id"] = credentials.access_key_id
        options["access_key_secret"] = credentials.access_key_secret
        options["security_token"] = credentials.security_token
    return Config(endpoint=host, protocol="http", http_proxy=url, **options)


def sts_client(
    url: str,
    credentials: Credentials | None,
    host: str = f"sts.{REGION}.aliyuncs.com",
    **options: Any,
) -> Any:
    return StsClient(config(url, credentials, host, **options))


def cr_client(
    url: str, credentials: Credentials, host: str = f"cr.{REGION}.aliyuncs.com", **options: Any
) -> Any:
    return CrClient(config(url, credentials, host, **options))


def assume_role(url: str, credentials: Credentials, role_arn: str, **fields: Any) -> Any:
    """The Credentials of AssumeRole's response; fields go into its request."""
    fields = {"role_session_name": "acr-refresher", **fields}
    response = sts_client(url, credentials).assume_role(
        AssumeRoleRequest(role_arn=role_arn, **fields)
    )
    return response.body.credentials


def assume_role_with_oidc(
    url: str, provider_arn: str, token: str, role_arn: str, **fields: Any
) -> Any:
    """The body of AssumeRoleWithOIDC's response, asked for without credentials."""
    fields = {"role_session_name": "acr-refresher", **fields}
    request = AssumeRoleWithOIDCRequest(
        oidcprovider_arn=provider_arn, oidctoken=token, role_arn=role_arn, **fields
    )
    return sts_client(url, None).assume_role_with_oidc(request).body


def user_kubeconfig(
    url: str,
    credentials: Credentials,
    cluster_id: str,
    query: dict[str, str] | None = None,
    host: str = f"cs.{REGION}.aliyuncs.com",
) -> Any:
    """The body of DescribeClusterUserKubeconfig's response."""
    action, path = "DescribeClusterUserKubeconfig", f"/k8s/{cluster_id}/user_config"
    return _call(config(url, credentials, host), action, "2015-12-15", query, path)


def clusters(
    url: str,
    credentials: Credentials,
    query: dict[str, str] | None = None,
    host: str = f"cs.{REGION}.aliyuncs.com",
) -> Any:
    """The body of DescribeClustersV1's response."""
    action, path = "DescribeClustersV1", "/api/v1/clusters"
    return _call(config(url, credentials, host), action, "2015-12-15", query, path)


def personal_token(
    url: str, credentials: Credentials, host: str = f"cr.{REGION}.aliyuncs.com"
) -> Any:
    """The body of the response of Personal Edition's GetAuthorizationToken."""
    action, path = "GetAuthorizationToken", "/tokens"
    return _call(config(url, credentials, host), action, "2016-06-07", path=path)


def secret_value(
    url: str,
    credentials: Credentials,
    query: dict[str, str],
    host: str = f"kms.{REGION}.aliyuncs.com",
) -> Any:
    """The body of GetSecretValue's response."""
    return _call(config(url, credentials, host), "GetSecretValue", "2016-01-20", query)


def put_logs(  # noqa: PLR0913  # as much as there is to vary
    url: str,
    credentials: Credentials,
    project: str,
    logstore: str,
    logs: Iterable[tuple[int, Mapping[str, str]]],
    *,
    compression: str | None = None,
    host: str = f"{REGION}.log.aliyuncs.com",
) -> Any:
    """The response of PutLogs; logs are (time, contents)."""
    items = [
        LogItem(time=time, contents=[LogContent(key=k, value=v) for k, v in contents.items()])
        for time, contents in logs
    ]
    group = LogGroup(topic="demo", source="", log_tags=[], log_items=items)
    client = SlsClient(config(url, credentials, host))
    headers = PutLogsHeaders(x_log_compresstype=compression)
    request = PutLogsRequest(body=group)
    return client.put_logs_with_options(project, logstore, request, headers, RuntimeOptions())


def _call(
    configuration: Any,
    action: str,
    version: str,
    query: dict[str, str] | None = None,
    path: str | None = None,
) -> Any:
    """The body of a response of an API that is called without an SDK of its own.

    It is called in RPC style, or with GET in ROA style if there is a path.
    """
    params = Params(
        action=action,
        version=version,
        protocol="HTTPS",
        pathname=path or "/",
        method="GET" if path else "POST",
        auth_type="AK",
        style="ROA" if path else "RPC",
        req_body_type="json" if path else "formData",
        body_type="json",
    )
    request = OpenApiRequest(query=query or {})
    return OpenApiClient(configuration).call_api(params, request, RuntimeOptions())["body"]
