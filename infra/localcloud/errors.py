"""The one way an API refuses."""

from dataclasses import dataclass
from datetime import timedelta

from localcloud.ram import Denial


@dataclass(frozen=True)
class AccessDenial:
    """Who was denied which action, as the cloud tells it in AccessDeniedDetail."""

    action: str
    account: str
    display_name: str
    denial: Denial


@dataclass(eq=False)
class CloudError(Exception):
    """An API error: HTTP status, error code and message in the cloud's own words."""

    status: int
    code: str
    message: str
    access_denial: AccessDenial | None = None
    retry_after: timedelta | None = None


def no_permission(access_denial: AccessDenial) -> CloudError:
    """What RAM answers, in the words of STS and CR."""
    message = "You are not authorized to do this action. You should be authorized by RAM."
    return CloudError(403, "NoPermission", message, access_denial)
