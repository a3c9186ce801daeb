"""The keys of config.yaml that say how clusters are reached, and with which roles."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from acr_refresher.config.addresses import is_http_proxy
from acr_refresher.config.fields import (
    WITH_UNITS,
    ClusterGlobs,
    ClusterId,
    ExternalId,
    KubeconfigPath,
    Name,
    RegionId,
    RegionIds,
    RoleChain,
    in_range,
)
from acr_refresher.config.strict import Pattern, Problem, StrictModel, field_error, quoted
from acr_refresher.core.model import Role
from acr_refresher.settings import SETTINGS

_SECRET_NAME = r"[A-Za-z0-9_/+=.@-]{1,192}"  # noqa: S105  # a pattern
_SECRET_ARN = re.compile(rf"acs:kms:(?P<region>[a-z0-9-]+):[0-9]+:secret/{_SECRET_NAME}", re.ASCII)

KmsSecretName = Annotated[
    str,
    Pattern(
        _SECRET_NAME,
        "the name of a KMS secret",
        "use letters, digits and _ / + = . @ -, or give its ARN as arn",
    ),
]
KmsSecretArn = Annotated[
    str,
    Pattern(
        _SECRET_ARN.pattern,
        "the ARN of a KMS secret",
        "use acs:kms:<region>:<account ID>:secret/<name>",
    ),
]


def region_of(secret_arn: str) -> str:
    """The region in the ARN of a KMS secret; empty for any other text."""
    match = _SECRET_ARN.fullmatch(secret_arn)
    return match["region"] if match else ""


KubeconfigDuration = Annotated[
    timedelta,
    in_range(SETTINGS.kubeconfig_duration_min, SETTINGS.kubeconfig_duration_max),
    WITH_UNITS,
]


def _http_proxy(url: str) -> str:
    """The address of a proxy, checked. Messages do not show it: it may contain a password."""
    if not is_http_proxy(url):
        raise field_error(
            "is not the address of an HTTP proxy",
            "use http://HOST:PORT or http://USER:PASSWORD@HOST:PORT; the traffic through the proxy"
            " is encrypted from the function to the API server",
        )
    return url


ProxyUrl = Annotated[str, AfterValidator(_http_proxy)]


def _certificates(value: str, info: ValidationInfo) -> str:
    """Certificates in PEM. The value holds them, or a path relative to the context's folder."""
    folder = (info.context or {}).get("folder", "")
    pem = value if "-----BEGIN" in value else _read_pem(Path(folder, value))
    if "PRIVATE KEY" in pem:
        raise field_error("contains a private key", "give only certificates")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, TypeError, ValueError):
        raise field_error(
            "contains no certificate", "give certificates in PEM, or the path of a file with them"
        ) from None
    return pem


def _read_pem(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise field_error(
            f"cannot be read: {error.strerror}", "give a path relative to config.yaml, or PEM"
        ) from None
    except ValueError:
        raise field_error("is not PEM", "give certificates in PEM") from None


CertificateAuthority = Annotated[str, AfterValidator(_certificates)]


class RoleKeys(StrictModel):
    """The roles to assume, and the external ID if it is a single role."""

    assume_role_arn: RoleChain | None = Field(
        None,
        alias="assumeRoleARN",
        description="RAM role to assume in the account that owns the clusters, or the KMS secret"
        " with the kubeconfig; or a list of roles, each assumed by the role before it. Default: the"
        " function's own role.",
    )
    external_id: ExternalId | None = Field(
        None,
        description="The external ID that the trust policy of the role in assumeRoleARN requires."
        " If assumeRoleARN is a list, give the external ID with its role there.",
    )

    @property
    def role_chain(self) -> tuple[Role, ...]:
        """The roles in order."""
        return tuple(
            Role(role.arn, role.external_id or self.external_id or "")
            for role in self.assume_role_arn or ()
        )

    def contradictions(self) -> Iterator[Problem]:
        """An external ID without the single role that it belongs to."""
        if "external_id" not in self.model_fields_set or self.is_unreadable("assume_role_arn"):
            return
        roles = self.assume_role_arn or []
        if not roles:
            yield Problem("externalId", "is given without assumeRoleARN", "add the role's ARN")
        elif len(roles) > 1:
            remedy = "give it with the role that requires it: {arn: …, externalId: …}"
            yield Problem("externalId", "is given beside several roles", remedy)
        elif roles[0].external_id:
            problem = "is given twice, here and in assumeRoleARN"
            yield Problem("externalId", problem, "keep one of them")


class KubeconfigSecretSection(RoleKeys):
    """A secret of Key Management Service whose text is a kubeconfig."""

    name: KmsSecretName | None = Field(None, description="Name of the secret.")
    arn: KmsSecretArn | None = Field(None, description="ARN of the secret, instead of its name.")
    region_id: RegionId | None = Field(
        None, description="Region of the secret. Required unless its ARN is given."
    )

    @model_validator(mode="after")
    def _named_once(self) -> KubeconfigSecretSection:
        if bool(self.name) is bool(self.arn):
            raise field_error(
                "has both name and arn" if self.name else "has neither name nor arn",
                "give the secret's name and regionId, or its arn",
            )
        if not self.arn and not self.region_id:
            raise field_error("has no region for the secret", "add regionId")
        if self.arn and self.region_id not in (None, region_of(self.arn)):
            regions = f"{quoted(str(self.region_id))}, but arn says {quoted(region_of(self.arn))}"
            raise field_error(f"has regionId {regions}", "leave regionId out, or correct it")
        return self


class ConnectionKeys(RoleKeys):
    """How an ACK cluster is reached."""

    private_endpoint: bool = Field(
        default=False,
        description="Whether to reach the ACK cluster's API server at its address in the VPC. The"
        " function must be connected to that VPC. Default: false.",
    )
    kubeconfig_duration: KubeconfigDuration | None = Field(
        None,
        description='How long the ACK cluster\'s temporary kubeconfig is valid, such as "1h" (the'
        " default): 15m to 72h. A warm instance keeps the kubeconfig in memory until ten minutes"
        " before it expires.",
    )
    proxy_url: ProxyUrl | None = Field(
        None,
        description="HTTP proxy to the API server, http://HOST:PORT. It replaces the kubeconfig's.",
    )
    certificate_authority: CertificateAuthority | None = Field(
        None,
        description="Certificate authorities that may sign the API server's certificate: PEM, or"
        " the path of a PEM file, relative to config.yaml. They replace the kubeconfig's.",
    )


_ACK_NAMES = (
    "cluster_id",
    "region_id",
    "assume_role_arn",
    "external_id",
    "private_endpoint",
    "kubeconfig_duration",
)
_WAYS = (("kubeconfig",), ("kubeconfig_secret",), ("in_cluster",), _ACK_NAMES)


class ClusterAccessKeys(ConnectionKeys):
    """A cluster, and one of four ways to reach it."""

    name: Name = Field(description="Name of the cluster in events, logs and reports.")
    cluster_id: ClusterId | None = Field(None, description="ID of an ACK cluster, c….")
    region_id: RegionId | None = Field(None, description="Region of the ACK cluster.")
    kubeconfig: KubeconfigPath | None = Field(
        None,
        description="For a cluster outside of ACK: path of a kubeconfig, relative to config.yaml.",
    )
    trusted: bool = Field(
        default=False,
        description="Whether the kubeconfig may refer to other files and may run a credential"
        " plugin (exec). Default: false.",
    )
    kubeconfig_secret: KubeconfigSecretSection | None = Field(
        None,
        description="For a cluster outside of ACK: the KMS secret that contains its kubeconfig.",
    )
    in_cluster: bool = Field(
        default=False,
        description="Whether acr-refresher runs in this cluster and uses the service account of its"
        " own pod. Default: false.",
    )

    def contradictions(self) -> Iterator[Problem]:
        """No way to the cluster, several ways, or half of one way."""
        given = {name for name in self.model_fields_set if getattr(self, name) is not False}
        ways = [names for way in _WAYS if (names := [name for name in way if name in given])]
        if not ways:
            yield Problem(
                "",
                "does not say how to reach the cluster",
                "add clusterId and regionId of an ACK cluster, the path of a kubeconfig, a"
                " kubeconfigSecret, or inCluster: true",
            )
        elif len(ways) > 1:
            keys = " and ".join(", ".join(map(self.key_of, names)) for names in ways)
            yield Problem("", f"has {keys}", "keep one way to reach the cluster")
        elif ways[0][0] in _ACK_NAMES:
            for name in ("cluster_id", "region_id"):
                if name not in self.model_fields_set:
                    yield Problem(self.key_of(name), "is missing", "add it")
        if "trusted" in given and "kubeconfig" not in given:
            remedy = "leave it out: only kubeconfig files can be trusted"
            yield Problem("trusted", "is given without kubeconfig", remedy)
        yield from super().contradictions()


class DiscoveryKeys(ConnectionKeys):
    """Which ACK clusters of an account are served. A key that is left out excludes no cluster."""

    regions: RegionIds = Field(description="Regions to search.")
    names: ClusterGlobs | None = Field(
        None, description="Names or globs. A cluster's name must match at least one."
    )
    types: (
        Annotated[
            list[Literal["ManagedKubernetes", "Kubernetes", "ExternalKubernetes"]],
            Field(min_length=1),
        ]
        | None
    ) = Field(
        None,
        description="Types of clusters. ExternalKubernetes are registered clusters; serverless and"
        " edge clusters are ManagedKubernetes, too.",
    )
    profiles: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="Profiles of clusters, such as Default, Serverless or Edge."
    )
    tags: dict[str, str] = Field({}, description="Tags. A cluster must have all of them.")
