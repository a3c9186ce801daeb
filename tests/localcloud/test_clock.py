"""A cloud whose clock differs from the caller's refuses calls. Every answer has its time."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
import requests
from alibabacloud_sts20150401.models import AssumeRoleRequest
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud.cloud import Cloud
from localcloud.demo import FUNCTION_ROLE_ARN, REGISTRY_ROLE_ARN, demo_world
from localcloud.sdk import assume_role, sts_client
from localcloud.server import serving

STS = "http://sts.cn-hangzhou.aliyuncs.com/"


def skewed_cloud(skew: timedelta) -> Cloud:
    return Cloud(demo_world(), clock=lambda: datetime.now(timezone.utc) + skew)


def measured_skew(headers: Mapping[str, str]) -> timedelta:
    """The clock skew that a caller computes from an answer, rounded to minutes."""
    skew = parsedate_to_datetime(headers["date"]) - datetime.now(timezone.utc)
    return timedelta(minutes=round(skew / timedelta(minutes=1)))


SKEWS = [
    ("20 minutes ahead", timedelta(minutes=20), "InvalidTimeStamp.Expired"),
    ("20 minutes behind", timedelta(minutes=-20), "IllegalTimestamp"),
]


@pytest.mark.parametrize(
    ("skew", "code"), [row[1:] for row in SKEWS], ids=[row[0] for row in SKEWS]
)
def test_callers_are_refused(skew: timedelta, code: str) -> None:
    cloud = skewed_cloud(skew)
    with serving(cloud) as url, pytest.raises(ClientException) as caught:
        assume_role(url, cloud.function_credentials(FUNCTION_ROLE_ARN), REGISTRY_ROLE_ARN)
    assert (caught.value.status_code, caught.value.code) == (400, code)


@pytest.mark.parametrize("skew", [row[1] for row in SKEWS], ids=[row[0] for row in SKEWS])
def test_refusals_have_the_time_of_the_cloud(skew: timedelta) -> None:
    with serving(skewed_cloud(skew)) as url:
        for address in (STS, "http://oss.aliyuncs.com/", f"{url}/registry/token", f"{url}/"):
            proxies = {"http": "" if address.startswith(url) else url}
            with requests.get(address, proxies=proxies, timeout=10) as response:
                assert response.status_code >= 400
                assert measured_skew(response.headers) == skew


def test_a_success_has_the_time_of_the_cloud() -> None:
    """The cloud tolerates ten minutes."""
    skew = timedelta(minutes=-10)
    cloud = skewed_cloud(skew)
    with serving(cloud) as url:
        client = sts_client(url, cloud.function_credentials(FUNCTION_ROLE_ARN))
        request = AssumeRoleRequest(role_arn=REGISTRY_ROLE_ARN, role_session_name="acr-refresher")
        assert measured_skew(client.assume_role(request).headers) == skew
