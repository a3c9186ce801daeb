"""The forms of text that config.yaml and events hold: names, patterns, IDs, durations, lists."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from acr_refresher.config.strict import Pattern, StrictModel, field_error, quoted
from acr_refresher.core.ack_helper import HELPER_PREFIX
from acr_refresher.core.select import ALL
from acr_refresher.settings import SETTINGS

EXCLUSION = "!"
EVERY_SERVICE_ACCOUNT = "*"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_GLOB = r"(?:[a-z0-9*?-]|\[!?[a-z0-9-]+\])+"
_LABEL_VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_DURATION = (  # as Go writes it, and the console: "15m", "15 minutes"
    r"(?=.)(?:([0-9]{1,6}) ?h(?:ours?)?)? ?"
    r"(?:([0-9]{1,6}) ?m(?:inutes?)?)? ?"
    r"(?:([0-9]{1,6}) ?s(?:econds?)?)?"
)

# ---- of Alibaba Cloud ----------------------------------------------------------------------------

_REGION_ID = r"[a-z]{2}(?:-[a-z0-9]+){1,4}"

InstanceId = Annotated[
    str,
    Pattern(
        rf"(?:{_REGION_ID}:)?cri-[a-z0-9]+",
        "the ID of an Enterprise Edition instance",
        "use the one that the Container Registry console shows, cri-… or <region>:cri-…; leave the"
        " key out for Personal Edition",
    ),
]
RegionId = Annotated[str, Pattern(_REGION_ID, "a region ID", "use one such as cn-hangzhou")]


def is_region_id(text: str) -> bool:
    """Whether a text has the form of a region ID; whether there is the region, only DNS knows."""
    return re.fullmatch(_REGION_ID, text, re.ASCII) is not None


ClusterId = Annotated[
    str, Pattern(r"c[a-z0-9]+", "an ACK cluster ID", "use the one that the ACK console shows, c…")
]
_ROLE_ARN = Pattern(
    r"acs:ram::[0-9]+:role/[A-Za-z0-9._-]{1,64}",
    "the ARN of a RAM role",
    "use acs:ram::<account ID>:role/<role name>",
)
RoleArn = Annotated[str, _ROLE_ARN]
OidcProviderArn = Annotated[
    str,
    Pattern(
        r"acs:ram::[0-9]+:oidc-provider/[A-Za-z0-9._-]{1,128}",
        "the ARN of an OIDC provider",
        "use acs:ram::<account ID>:oidc-provider/ack-rrsa-<cluster ID>",
    ),
]
ExternalId = Annotated[
    str,
    Pattern(
        r"[\w+=,.@:/-]{2,1224}",
        "an external ID",
        "use 2 to 1224 letters, digits and the characters _ + = , . @ : / -",
    ),
]
Repository = Annotated[
    str,
    Pattern(
        r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+",
        "the name of a repository",
        "use namespace/name, without host and tag",
    ),
]
Domain = Annotated[
    str,
    Pattern(
        rf"{_SUBDOMAIN}(?::[0-9]{{1,5}})?",
        "a host name",
        "use a lower-case host or host:port, without scheme and path",
    ),
]

# ---- of Kubernetes -------------------------------------------------------------------------------

LabelKey = Annotated[
    str,
    Pattern(
        rf"(?:{_SUBDOMAIN}/)?{_LABEL_VALUE}",
        "the key of a label",
        "use name or prefix/name, as Kubernetes defines it",
    ),
]
LabelValue = Annotated[
    str,
    Pattern(
        rf"(?:{_LABEL_VALUE})?",
        "the value of a label",
        "use at most 63 letters, digits, '-', '_' and '.'",
    ),
]
ServiceAccountName = Annotated[
    str,
    Pattern(
        rf"\*|{_SUBDOMAIN}",
        "the name of a service account",
        'use exact names, or "*" alone for every one',
    ),
]
QualifiedServiceAccount = Annotated[
    str,
    Pattern(
        rf"{_LABEL}/{_SUBDOMAIN}",
        "a service account with its namespace",
        "use namespace/name, such as kube-system/aliyun-acr-credential-helper",
    ),
]
NamespacePattern = Annotated[
    str,
    Pattern(
        rf"!?(?:{_LABEL}|(?=.*[*?\[]){_GLOB})",
        "a namespace or a pattern of namespaces",
        'use exact names, globs such as "team-*", "all", and "!" before what to leave out',
    ),
]


def _free_secret_name(name: str) -> str:
    if name.startswith(HELPER_PREFIX):
        raise field_error(
            f"{quoted(name)} belongs to the ACK credential helper",
            f"use a name that does not begin with {HELPER_PREFIX}",
        )
    return name


SecretName = Annotated[
    str,
    Pattern(
        rf"(?=.{{1,253}}$){_SUBDOMAIN}",
        "the name of a secret",
        "use at most 253 lower-case letters, digits, '-' and '.'",
    ),
    AfterValidator(_free_secret_name),
]

# ---- our own -------------------------------------------------------------------------------------

Name = Annotated[
    str, Pattern(_LABEL, "a name", "use at most 63 lower-case letters, digits and '-'")
]
NameGlob = Annotated[
    str,
    Pattern(r"[a-z0-9.*?!\[\]-]+", "a name or a glob", 'use one such as "prod-a" or "prod-*"'),
]

ClusterGlob = Annotated[  # ACK lets names be of almost any letters
    str, Pattern(r"[^\s,;]+", "a name or a glob", 'use one such as "prod-a" or "prod-*"')
]


def _kubeconfig_path(path: str) -> str:
    if not path or not path.isprintable():
        raise field_error(
            "is not the path of a file",
            "keep the kubeconfig in a file of its own and give its path, relative to config.yaml",
        )
    return path


KubeconfigPath = Annotated[str, AfterValidator(_kubeconfig_path)]


def parse_duration(value: object) -> timedelta:
    """The span that a text such as "1h30m" says. Raises `fault`."""
    parts = re.fullmatch(_DURATION, value) if isinstance(value, str) else None
    if parts is None:
        raise field_error("is not a duration", 'use one with units, such as "15m" or "1h30m"')
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def format_duration(span: timedelta) -> str:
    """`1h30m`, as `duration` reads it, without what is less than a second."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _threshold(span: timedelta) -> timedelta:
    if not timedelta(0) < span < SETTINGS.expiring_threshold_max:
        raise field_error("is out of range", "use more than 0s and less than 12h")
    return span


def _cluster_timeout(duration: timedelta) -> timedelta:
    shortest, longest = SETTINGS.cluster_timeout_min, SETTINGS.cluster_timeout_max
    if not shortest <= duration <= longest:
        raise field_error("is out of range", "use 1s to 10m")
    return duration


WITH_UNITS = BeforeValidator(
    parse_duration, json_schema_input_type=Annotated[str, Field(pattern=f"^(?:{_DURATION})$")]
)
Threshold = Annotated[timedelta, AfterValidator(_threshold), WITH_UNITS]
ClusterTimeout = Annotated[timedelta, AfterValidator(_cluster_timeout), WITH_UNITS]

# ---- lists ---------------------------------------------------------------------------------------


def split_list(value: object) -> object:
    """The parts of a comma string, as the helper takes them; anything else as it is."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _distinct(items: list[str]) -> list[str]:
    repeated = sorted({item for item in items if items.count(item) > 1})
    if repeated:
        raise field_error(f"names {quoted(repeated[0])} more than once", "name each once")
    return items


def _some_namespace(patterns: list[str]) -> list[str]:
    if all(pattern.startswith(EXCLUSION) for pattern in patterns):
        raise field_error(
            "only leaves out namespaces", f'name those to serve as well, such as "{ALL}"'
        )
    if EXCLUSION + ALL in patterns:
        raise field_error("leaves out every namespace", "leave out by name or glob")
    return patterns


def _everyone_alone(names: list[str]) -> list[str]:
    if EVERY_SERVICE_ACCOUNT in names and len(names) > 1:
        raise field_error(
            'names others beside "*", which is every service account', "keep one of them"
        )
    return names


_SPLIT = BeforeValidator(split_list, json_schema_input_type=str | list[str])
_SOME = Field(min_length=1)


class RoleSection(StrictModel):
    """A RAM role to assume."""

    arn: RoleArn = Field(description="ARN of the role.")
    external_id: ExternalId | None = Field(
        None, description="The external ID that the role's trust policy asks for."
    )


def _role(value: object) -> object:
    return {"arn": _ROLE_ARN.check(value)} if isinstance(value, str) else value


def _chain_of_one(value: object) -> object:
    return [_role(value)] if isinstance(value, str | dict) else value


RoleChain = Annotated[
    list[
        Annotated[RoleSection, BeforeValidator(_role, json_schema_input_type=RoleArn | RoleSection)]
    ],
    _SOME,
    BeforeValidator(
        _chain_of_one,
        json_schema_input_type=RoleArn | RoleSection | list[RoleArn | RoleSection],
    ),
]

Names = Annotated[list[Name], _SOME, AfterValidator(_distinct), _SPLIT]
Domains = Annotated[list[Domain], _SOME, AfterValidator(_distinct), _SPLIT]
RegionIds = Annotated[list[RegionId], _SOME, AfterValidator(_distinct), _SPLIT]
ClusterGlobs = Annotated[list[ClusterGlob], _SOME, AfterValidator(_distinct), _SPLIT]
EndpointTypes = Annotated[
    list[Literal["internet", "vpc"]], _SOME, AfterValidator(_distinct), _SPLIT
]
NamespacePatterns = Annotated[
    list[NamespacePattern],
    _SOME,
    AfterValidator(_distinct),
    AfterValidator(_some_namespace),
    _SPLIT,
]
ServiceAccountNames = Annotated[
    list[ServiceAccountName],
    _SOME,
    AfterValidator(_distinct),
    AfterValidator(_everyone_alone),
    _SPLIT,
]
