"""The keys of config.yaml that say how a cluster is reached, or how clusters are found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from acr_refresher.inputs.cluster_forms import (
    CertificateAuthority,
    KmsSecretArn,
    KmsSecretName,
    KubeconfigDuration,
    ProxyUrl,
    region_of,
)
from acr_refresher.inputs.forms import (
    ClusterGlobs,
    ClusterId,
    ExternalId,
    KubeconfigPath,
    Name,
    RegionId,
    RegionIds,
    RoleChain,
)
from acr_refresher.inputs.problems import shown
from acr_refresher.inputs.strict_model import StrictModel, fault


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
            raise fault(
                "has both name and arn" if self.name else "has neither name nor arn",
                "give the secret's name and regionId, or its arn",
            )
        if not self.arn and not self.region_id:
            raise fault("does not say the secret's region", "add regionId")
        if self.arn and self.region_id not in (None, region_of(self.arn)):
            regions = f"{shown(str(self.region_id))}, but arn says {shown(region_of(self.arn))}"
            raise fault(f"has regionId {regions}", "leave it out, or correct one of them")
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
