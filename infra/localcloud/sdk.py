"""The cloud's unmodified SDKs, wired to a cloud that is being served.

Importing the SDKs attaches noisy handlers to their loggers, so nothing else here imports this.
"""

from typing import Any, Protocol

from alibabacloud_cr20181201.client import Client as CrClient
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_sts20150401.models import AssumeRoleRequest
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


def config(url: str, credentials: Credentials, host: str, **options: Any) -> Any:
    """Client configuration for a product's host name, with the served cloud as HTTP proxy."""
    return Config(
        access_key_id=credentials.access_key_id,
        access_key_secret=credentials.access_key_secret,
        security_token=credentials.security_token,
        endpoint=host,
        protocol="http",
        http_proxy=url,
        **options,
    )


def sts_client(
    url: str, credentials: Credentials, host: str = f"sts.{REGION}.aliyuncs.com", **options: Any
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


def user_kubeconfig(
    url: str,
    credentials: Credentials,
    cluster_id: str,
    query: dict[str, str] | None = None,
    host: str = f"cs.{REGION}.aliyuncs.com",
) -> Any:
    """The body of DescribeClusterUserKubeconfig's response; CS has no need of an SDK of its own."""
    params = Params(
        action="DescribeClusterUserKubeconfig",
        version="2015-12-15",
        protocol="HTTPS",
        pathname=f"/k8s/{cluster_id}/user_config",
        method="GET",
        auth_type="AK",
        style="ROA",
        req_body_type="json",
        body_type="json",
    )
    client = OpenApiClient(config(url, credentials, host))
    return client.call_api(params, OpenApiRequest(query=query or {}), RuntimeOptions())["body"]
