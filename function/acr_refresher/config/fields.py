"""Types of values in config.yaml and events: names, patterns, IDs, durations and lists."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from acr_refresher.config.strict import Pattern, StrictModel, field_error, quoted
from acr_refresher.core.ack_helper import HELPER_PREFIX
from acr_refresher.core.secret import MANAGED_BY_LABEL, OUR_PREFIX
from acr_refresher.core.select import ALL
from acr_refresher.settings import SETTINGS

EXCLUSION = "!"
EVERY_SERVICE_ACCOUNT = "*"

SUBDOMAIN_LENGTH = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_GLOB = r"(?:[a-z0-9*?-]|\[!?[a-z0-9-]+\])+"
_LABEL_VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_DURATION = (  # as Go and the console write it: "15m", "15 minutes"
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
        "use the ID that the Container Registry console shows, cri-… or <region>:cri-…; leave the"
        " key out for Personal Edition",
    ),
]
RegionId = Annotated[str, Pattern(_REGION_ID, "a region ID", "use an ID such as cn-hangzhou")]


def is_region_id(text: str) -> bool:
    """Whether a text looks like a region ID. Whether such a region exists is not checked."""
    return re.fullmatch(_REGION_ID, text, re.ASCII) is not None


ClusterId = Annotated[
    str, Pattern(r"c[a-z0-9]+", "an ACK cluster ID", "use the ID that the ACK console shows, c…")
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
_PATH_COMPONENT = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
Repository = Annotated[
    str,
    Pattern(
        rf"{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})+",
        "the name of a repository",
        "use namespace/name, without host and tag",
    ),
]
RepositoryPattern = Annotated[
    str,
    Pattern(
        rf"(?:{_PATH_COMPONENT}/)+(?:{_PATH_COMPONENT}|(?:[a-z0-9][a-z0-9._-]*)?\*)",
        "the name of a repository, or of several",
        "use namespace/name, namespace/* or namespace/prefix*, without host and tag",
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
        'use exact names, or only "*" for every service account',
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
        'use exact names, globs such as "team-*", or "all"; "!" before a name or glob excludes it',
    ),
]


def _not_the_helpers(name: str) -> str:
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
    AfterValidator(_not_the_helpers),
]


def _metadata_key(key: str) -> str:
    """The key of a label or annotation of our Secrets. Raises PydanticCustomError."""
    prefix, slash, _ = key.rpartition("/")
    if key == MANAGED_BY_LABEL or (slash and prefix == OUR_PREFIX.removesuffix("/")):
        raise field_error(f"{quoted(key)} is set by acr-refresher itself", "leave it out")
    if len(prefix) > SUBDOMAIN_LENGTH:
        raise field_error(
            f"the prefix of {quoted(key)} is longer than {SUBDOMAIN_LENGTH} characters",
            "shorten it",
        )
    return key


def _metadata_size(pairs: dict[str, str]) -> dict[str, str]:
    size = sum(len(text.encode(errors="replace")) for pair in pairs.items() for text in pair)
    if size > SETTINGS.secret_metadata_size:
        raise field_error(
            f"has {size} bytes, more than {SETTINGS.secret_metadata_size}",
            "shorten the values, or leave some out",
        )
    return pairs


_MetadataKey = Annotated[
    str,
    Pattern(
        rf"(?:{_SUBDOMAIN}/)?{_LABEL_VALUE}",
        "the key of a label or annotation",
        "use name or prefix/name, as Kubernetes defines it",
    ),
    AfterValidator(_metadata_key),
]
SecretLabels = Annotated[dict[_MetadataKey, LabelValue], AfterValidator(_metadata_size)]
SecretAnnotations = Annotated[dict[_MetadataKey, str], AfterValidator(_metadata_size)]

# ---- our own -------------------------------------------------------------------------------------

Name = Annotated[
    str, Pattern(_LABEL, "a name", "use at most 63 lower-case letters, digits and '-'")
]
NameGlob = Annotated[
    str,
    Pattern(
        r"[a-z0-9.*?!\[\]-]+",
        "a name or a glob",
        'use a name or a glob, such as "prod-a" or "prod-*"',
    ),
]

ClusterGlob = Annotated[  # ACK allows almost any character in a name
    str,
    Pattern(r"[^\s,;]+", "a name or a glob", 'use a name or a glob, such as "prod-a" or "prod-*"'),
]


def _kubeconfig_path(path: str) -> str:
    if not path or not path.isprintable():
        raise field_error(
            "is not the path of a file",
            "write the kubeconfig to a file and give its path, relative to config.yaml",
        )
    return path


KubeconfigPath = Annotated[str, AfterValidator(_kubeconfig_path)]


def parse_duration(value: object) -> timedelta:
    """The duration that a text such as "1h30m" means. Raises PydanticCustomError."""
    parts = re.fullmatch(_DURATION, value) if isinstance(value, str) else None
    if parts is None:
        raise field_error("is not a duration", 'write it with units, such as "15m" or "1h30m"')
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def format_duration(span: timedelta) -> str:
    """A duration as `parse_duration` reads it, such as `1h30m`, without fractions of a second."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def in_range(least: timedelta, most: timedelta) -> AfterValidator:
    """A validator of durations, both bounds included."""

    def check(duration: timedelta) -> timedelta:
        if not least <= duration <= most:
            remedy = f"use {format_duration(least)} to {format_duration(most)}"
            raise field_error(f"{format_duration(duration)} is out of range", remedy)
        return duration

    return AfterValidator(check)


_SECOND = timedelta(seconds=1)
WITH_UNITS = BeforeValidator(
    parse_duration, json_schema_input_type=Annotated[str, Field(pattern=f"^(?:{_DURATION})$")]
)
Threshold = Annotated[
    timedelta,
    in_range(_SECOND, SETTINGS.expiring_threshold_max - _SECOND),
    WITH_UNITS,
]
ClusterTimeout = Annotated[
    timedelta, in_range(SETTINGS.cluster_timeout_min, SETTINGS.cluster_timeout_max), WITH_UNITS
]

# ---- lists ---------------------------------------------------------------------------------------


def split_list(value: object) -> object:
    """The parts of a text with commas, as the ACK helper accepts it; other values unchanged."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _distinct(items: list[str]) -> list[str]:
    repeated = sorted({item for item in items if items.count(item) > 1})
    if repeated:
        raise field_error(f"names {quoted(repeated[0])} more than once", "name it once")
    return items


def _selects_some_namespace(patterns: list[str]) -> list[str]:
    if all(pattern.startswith(EXCLUSION) for pattern in patterns):
        raise field_error(
            "only excludes namespaces", f'add the namespaces to serve, such as "{ALL}"'
        )
    if EXCLUSION + ALL in patterns:
        raise field_error("excludes every namespace", "exclude namespaces by name or glob")
    return patterns


def _star_alone(names: list[str]) -> list[str]:
    if EVERY_SERVICE_ACCOUNT in names and len(names) > 1:
        raise field_error(
            'names service accounts beside "*", which is every service account',
            'keep "*" or the names',
        )
    return names


_SPLIT = BeforeValidator(split_list, json_schema_input_type=str | list[str])
_NOT_EMPTY = Field(min_length=1)


class RoleSection(StrictModel):
    """A RAM role to assume."""

    arn: RoleArn = Field(description="ARN of the role.")
    external_id: ExternalId | None = Field(
        None, description="The external ID that the role's trust policy requires."
    )


def _role(value: object) -> object:
    return {"arn": _ROLE_ARN.check(value)} if isinstance(value, str) else value


def _chain_of_one(value: object) -> object:
    return [_role(value)] if isinstance(value, str | dict) else value


RoleChain = Annotated[
    list[
        Annotated[RoleSection, BeforeValidator(_role, json_schema_input_type=RoleArn | RoleSection)]
    ],
    _NOT_EMPTY,
    BeforeValidator(
        _chain_of_one,
        json_schema_input_type=RoleArn | RoleSection | list[RoleArn | RoleSection],
    ),
]

Names = Annotated[list[Name], _NOT_EMPTY, AfterValidator(_distinct), _SPLIT]
Domains = Annotated[list[Domain], _NOT_EMPTY, AfterValidator(_distinct), _SPLIT]
RepositoryPatterns = Annotated[
    list[RepositoryPattern], _NOT_EMPTY, AfterValidator(_distinct), _SPLIT
]
RegionIds = Annotated[list[RegionId], _NOT_EMPTY, AfterValidator(_distinct), _SPLIT]
ClusterGlobs = Annotated[list[ClusterGlob], _NOT_EMPTY, AfterValidator(_distinct), _SPLIT]
EndpointTypes = Annotated[
    list[Literal["internet", "vpc"]], _NOT_EMPTY, AfterValidator(_distinct), _SPLIT
]
NamespacePatterns = Annotated[
    list[NamespacePattern],
    _NOT_EMPTY,
    AfterValidator(_distinct),
    AfterValidator(_selects_some_namespace),
    _SPLIT,
]
ServiceAccountNames = Annotated[
    list[ServiceAccountName],
    _NOT_EMPTY,
    AfterValidator(_distinct),
    AfterValidator(_star_alone),
    _SPLIT,
]
