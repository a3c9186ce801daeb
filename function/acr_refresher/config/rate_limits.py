"""The key `rateLimits` of config.yaml: how often each service of the cloud is called.

What is known of the limits, which hold for each account, region and operation:

- STS: 100 AssumeRole and 100 AssumeRoleWithOIDC a second.
  https://help.aliyun.com/zh/ram/developer-reference/api-sts-2015-04-01-quota
- KMS: 450 GetSecretValue a second, at the shared gateway.
  https://www.alibabacloud.com/help/en/kms/key-management-service/product-overview/performance-data
- CR and CS: no document tells. The defaults are a guess on the low side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from acr_refresher.inputs.strict_model import StrictModel

CallsASecond = Annotated[float, Field(ge=0.1, le=1000)]


class RateLimitsSection(StrictModel):
    """Calls a second to each service, for each account and each instance of the function.

    For a moment they may be half as many again. Where a service answers that they are too many,
    they become fewer by themselves.
    """

    sts: CallsASecond = Field(
        50, description="Security Token Service, which takes 100 AssumeRole. Default: 50."
    )
    cr: CallsASecond = Field(
        20, description="Container Registry, whose limit is not documented. Default: 20."
    )
    cs: CallsASecond = Field(
        10,
        description="Container Service for Kubernetes, whose limit is not documented. Default: 10.",
    )
    kms: CallsASecond = Field(
        50, description="Key Management Service, which takes 450 GetSecretValue. Default: 50."
    )


def rate_limits(section: RateLimitsSection) -> Mapping[str, float]:
    """Calls a second by service, as errors name it."""
    return section.model_dump()
