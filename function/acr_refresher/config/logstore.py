"""The key `sls` of config.yaml: the logstore that outcomes are written to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from acr_refresher.core.model import Logstore
from acr_refresher.inputs.forms import RegionId
from acr_refresher.inputs.strict_model import Form, StrictModel

LogProject = Annotated[
    str,
    Form(
        r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
        "the name of a log project",
        "use 3 to 63 lower-case letters, digits and '-'",
    ),
]
LogstoreName = Annotated[
    str,
    Form(
        r"[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]",
        "the name of a logstore",
        "use 2 to 63 lower-case letters, digits, '-' and '_'",
    ),
]
LogEndpoint = Annotated[
    str,
    Form(
        r"[a-z0-9-]+\.(?:log|sls)\.aliyuncs\.com",
        "an endpoint of SLS",
        "use one such as cn-hangzhou-intranet.log.aliyuncs.com, without scheme and project",
    ),
]


class LogstoreSection(StrictModel):
    """The logstore that outcomes are written to, as records with fields."""

    project: LogProject = Field(description="The log project.")
    logstore: LogstoreName = Field("outcomes", description="The logstore in it.")
    region_id: RegionId | None = Field(
        None, description="Region of the project. Default: the function's own."
    )
    endpoint: LogEndpoint | None = Field(
        None,
        description="Endpoint of SLS, such as cn-hangzhou-intranet.log.aliyuncs.com."
        " Default: the public one of the region.",
    )


def logstore(section: LogstoreSection | None) -> Logstore | None:
    """The section in core types; None where outcomes are written nowhere but on stdout."""
    if section is None:
        return None
    return Logstore(
        project=section.project,
        name=section.logstore,
        region_id=section.region_id or "",
        endpoint=section.endpoint or "",
    )
