"""GetSecretValue with the SDK's generic client."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud.cloud import Cloud
from localcloud.demo import FUNCTION_ACCOUNT, FUNCTION_ROLE_ARN, REGION, function_role
from localcloud.sdk import secret_value
from localcloud.server import serving
from localcloud.sessions import Session
from localcloud.world import Secret, World

OLD = Secret(FUNCTION_ACCOUNT, REGION, "kubeconfig/idc", "# the old version", version_id="v1")
NEW = replace(OLD, data="# the new version", version_id="v2")
OTHERS = replace(OLD, account="1000000000000001", data="# another company's")
ARN = f"acs:kms:{REGION}:{FUNCTION_ACCOUNT}:secret/kubeconfig/idc"
KEY_ARN = OLD.key_arn
GRANTS = (("kms:GetSecretValue", ARN), ("kms:Decrypt", KEY_ARN))


@contextmanager
def secrets_for(*grants: tuple[str, str]) -> Iterator[tuple[Cloud, str, Session]]:
    """A cloud with secrets, its URL, and a function with permissions as (action, resource)."""
    allowed = [{"Effect": "Allow", "Action": a, "Resource": r} for a, r in grants]
    role = replace(function_role(), policies=({"Version": "1", "Statement": allowed},))
    cloud = Cloud(World(roles=(role,), secrets=(NEW, OLD, OTHERS)))
    with serving(cloud) as url:
        yield cloud, url, cloud.function_credentials(FUNCTION_ROLE_ARN)


@pytest.mark.parametrize("name", ["kubeconfig/idc", ARN])
def test_the_current_version_by_name_or_arn(name: str) -> None:
    with secrets_for(*GRANTS) as (cloud, url, function):
        body = secret_value(url, function, {"SecretName": name})
        assert body.pop("RequestId") == cloud.calls("GetSecretValue")[0].request_id
        assert body == {
            "SecretName": "kubeconfig/idc",
            "SecretData": "# the new version",
            "SecretDataType": "text",
            "VersionId": "v2",
        }
        assert NEW.data not in repr(cloud)


def test_a_version_can_be_chosen() -> None:
    with secrets_for(*GRANTS) as (_, url, function):
        query = {"SecretName": "kubeconfig/idc", "VersionId": "v1"}
        assert secret_value(url, function, query)["SecretData"] == "# the old version"


ANYTHING = (("*", "*"),)
REFUSALS: list[tuple[str, Any, dict[str, str], tuple[int, str]]] = [
    (
        "no permission to decrypt",
        GRANTS[:1],
        {"SecretName": ARN},
        (403, "Forbidden.NoPermission"),
    ),
    ("no permission to read", GRANTS[1:], {"SecretName": ARN}, (403, "Forbidden.NoPermission")),
    ("another secret", GRANTS, {"SecretName": "db"}, (403, "Forbidden.NoPermission")),
    ("no such secret", ANYTHING, {"SecretName": "db"}, (404, "Forbidden.ResourceNotFound")),
    (
        "no such version",
        ANYTHING,
        {"SecretName": ARN, "VersionId": "v3"},
        (404, "Forbidden.ResourceNotFound"),
    ),
    (
        "another account's",
        ANYTHING,
        {"SecretName": ARN.replace(FUNCTION_ACCOUNT, OTHERS.account)},
        (403, "Forbidden.NoPermission"),
    ),
    (
        "another region's",
        ANYTHING,
        {"SecretName": ARN.replace(REGION, "cn-beijing")},
        (404, "Forbidden.ResourceNotFound"),
    ),
    ("no name", ANYTHING, {}, (400, "MissingSecretName")),
]


@pytest.mark.parametrize(
    ("grants", "query", "expected"), [row[1:] for row in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_refusals(grants: Any, query: dict[str, str], expected: tuple[int, str]) -> None:
    with secrets_for(*grants) as (_, url, function):
        with pytest.raises(ClientException) as caught:
            secret_value(url, function, query)
        assert (caught.value.status_code, caught.value.code) == expected


def test_a_denial_names_the_missing_action() -> None:
    with secrets_for(*GRANTS[:1]) as (_, url, function):
        with pytest.raises(ClientException) as caught:
            secret_value(url, function, {"SecretName": ARN})
        assert caught.value.access_denied_detail["AuthAction"] == "kms:Decrypt"


def test_a_secret_is_looked_for_in_the_hosts_region() -> None:
    with secrets_for(*ANYTHING) as (_, url, function):
        with pytest.raises(ClientException) as caught:
            secret_value(
                url, function, {"SecretName": "kubeconfig/idc"}, "kms.cn-beijing.aliyuncs.com"
            )
        assert caught.value.code == "Forbidden.ResourceNotFound"
