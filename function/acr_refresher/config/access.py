"""The forms of text in config.yaml that say how clusters are reached."""

from __future__ import annotations

import re
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

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
)
from acr_refresher.config.strict import Pattern, StrictModel, field_error, quoted
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
    """The region that the ARN of a KMS secret names; empty for anything else."""
    match = _SECRET_ARN.fullmatch(secret_arn)
    return match["region"] if match else ""


def _kubeconfig_duration(duration: timedelta) -> timedelta:
    shortest, longest = SETTINGS.kubeconfig_duration_min, SETTINGS.kubeconfig_duration_max
    if not shortest <= duration <= longest:
        raise field_error("is out of range", "use 15m to 72h")
    return duration


KubeconfigDuration = Annotated[timedelta, AfterValidator(_kubeconfig_duration), WITH_UNITS]


def _http_proxy(url: str) -> str:
    """Its text may hold a password, so no message shows it."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme == "http" and parts.hostname and parts.port != 0
    except ValueError:
        parts, plain = urlsplit(""), False
    if not plain or parts.path.strip("/") or parts.query or parts.fragment:
        raise field_error(
            "is not the address of an HTTP proxy",
            "use http://HOST:PORT, with USER:PASSWORD@ before it where needed; what goes through"
            " it is encrypted from here to the API server",
        )
    return url


ProxyUrl = Annotated[str, AfterValidator(_http_proxy)]


def _certificates(value: str, info: ValidationInfo) -> str:
    """PEM, given inline or in a file of the folder in the validation's context."""
    folder = (info.context or {}).get("folder", "")
    pem = value if "-----BEGIN" in value else _read_pem(Path(folder, value))
    if "PRIVATE KEY" in pem:
        raise field_error("holds a private key", "give the certificates alone")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, TypeError, ValueError):
        raise field_error(
            "holds no certificate", "give certificates in PEM, or the path of a file with them"
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
    """The roles at whose end a cluster is reached."""

    assume_role_arn: RoleChain | None = Field(
        None,
        alias="assumeRoleARN",
        description="RAM role to assume in the account that owns the clusters, or the secret with"
        " the kubeconfig; or a list of roles, each assumed by the one before. Default: the"
        " function's own role.",
    )
    external_id: ExternalId | None = Field(
        None,
        description="The external ID that the trust policy of the one role in assumeRoleARN asks"
        " for. In a list of roles, give it with each.",
    )


class KubeconfigSecretSection(RoleKeys):
    """A secret of Key Management Service whose text is a kubeconfig."""

    name: KmsSecretName | None = Field(None, description="Name of the secret.")
    arn: KmsSecretArn | None = Field(None, description="ARN of the secret, in place of its name.")
    region_id: RegionId | None = Field(
        None, description="Region of the secret. Needed unless its ARN is given."
    )

    @model_validator(mode="after")
    def _named_once(self) -> KubeconfigSecretSection:
        if bool(self.name) is bool(self.arn):
            raise field_error(
                "has both name and arn" if self.name else "has neither name nor arn",
                "give the secret's name and regionId, or its arn",
            )
        if not self.arn and not self.region_id:
            raise field_error("does not say the secret's region", "add regionId")
        if self.arn and self.region_id not in (None, region_of(self.arn)):
            regions = f"{quoted(str(self.region_id))}, but arn says {quoted(region_of(self.arn))}"
            raise field_error(f"has regionId {regions}", "leave it out, or correct one of them")
        return self


class ConnectionKeys(RoleKeys):
    """How an ACK cluster is reached."""

    private_endpoint: bool = Field(
        default=False,
        description="Whether to reach the ACK cluster's API server at its address inside the VPC,"
        " in which the function then must be. Default: false.",
    )
    kubeconfig_duration: KubeconfigDuration | None = Field(
        None,
        description='How long the ACK cluster\'s temporary kubeconfig is to be valid, such as "1h"'
        " (the default): 15m to 72h. A warm instance keeps it in memory until ten minutes before.",
    )
    proxy_url: ProxyUrl | None = Field(
        None,
        description="HTTP proxy to the API server, http://HOST:PORT, in place of the kubeconfig's.",
    )
    certificate_authority: CertificateAuthority | None = Field(
        None,
        description="Certificates in PEM, or the path of a file with them relative to config.yaml,"
        " that the API server's certificate is verified by, in place of the kubeconfig's.",
    )


class ClusterAccessKeys(ConnectionKeys):
    """One cluster and the one way to it."""

    name: Name = Field(description="Our own name for it, which events and logs refer to.")
    cluster_id: ClusterId | None = Field(None, description="ID of an ACK cluster, c….")
    region_id: RegionId | None = Field(None, description="Region of the ACK cluster.")
    kubeconfig: KubeconfigPath | None = Field(
        None,
        description="For a cluster outside ACK: path of a kubeconfig, relative to config.yaml.",
    )
    trusted: bool = Field(
        default=False,
        description="Whether the kubeconfig may refer to files and name a credential plugin"
        " (exec), which is run here. Default: false.",
    )
    kubeconfig_secret: KubeconfigSecretSection | None = Field(
        None, description="For a cluster outside ACK: the KMS secret that holds its kubeconfig."
    )
    in_cluster: bool = Field(
        default=False,
        description="Whether it is the cluster in which this runs, reached as the service account"
        " of its own pod. Default: false.",
    )


class DiscoveryKeys(ConnectionKeys):
    """Which clusters of an account are served. What is left out lets any pass."""

    regions: RegionIds = Field(description="Regions to look in.")
    names: ClusterGlobs | None = Field(
        None, description="Names or globs, of which a cluster's own name must match one."
    )
    types: (
        Annotated[
            list[Literal["ManagedKubernetes", "Kubernetes", "ExternalKubernetes"]],
            Field(min_length=1),
        ]
        | None
    ) = Field(
        None,
        description="Types of clusters; ExternalKubernetes are registered ones, ManagedKubernetes"
        " also serverless and edge ones.",
    )
    profiles: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="Profiles of clusters, such as Default, Serverless or Edge."
    )
    tags: dict[str, str] = Field({}, description="Tags that a cluster must all have.")
