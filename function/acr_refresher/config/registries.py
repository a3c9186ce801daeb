"""The registries of config.yaml: their keys, what contradicts what, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from pydantic import Field

from acr_refresher.config.access import RoleKeys
from acr_refresher.config.fields import (
    Domains,
    EndpointTypes,
    InstanceId,
    Name,
    OidcProviderArn,
    QualifiedServiceAccount,
    RegionId,
    Repository,
    RepositoryPatterns,
    RoleArn,
    RoleChain,
)
from acr_refresher.config.strict import Problem, quoted
from acr_refresher.core.model import Registry, Rrsa, Verification
from acr_refresher.core.select import matches_any
from acr_refresher.core.session_policy import excess_length


class RegistrySection(RoleKeys):
    """An Enterprise Edition instance of Container Registry, or an account's Personal Edition."""

    name: Name = Field(description="Name of the registry in `registries`, events and reports.")
    instance_id: InstanceId | None = Field(
        None,
        description="ID of the instance, cri-… or <region>:cri-…. If it is left out, the registry"
        " is the Personal Edition of the account.",
    )
    region_id: RegionId | None = Field(
        None,
        description="Region of the registry, such as cn-hangzhou. Required unless instanceId"
        " contains it.",
    )
    domains: Domains | None = Field(
        None,
        description="Host names that the pull secret has a login for: a list, or text with commas."
        " Default: the domains of every enabled endpoint of the instance; for Personal Edition the"
        " shared domains of the region, registry[-vpc|-internal].<region>.aliyuncs.com.",
    )
    endpoints: EndpointTypes | None = Field(
        None,
        description="The endpoints whose domains the pull secret has a login for: internet, vpc."
        " Default: every enabled endpoint. Not together with domains.",
    )
    assume_role_arn: RoleChain | None = Field(
        None,
        alias="assumeRoleARN",
        description="RAM role to assume for tokens, in the account that owns the registry; or a"
        " list of roles, each assumed by the role before it. Default: the function's own role.",
    )
    rrsa_role_arn: RoleArn | None = Field(
        None,
        alias="rrsaRoleARN",
        description="RAM role in the cluster's account that the cluster's OIDC provider may assume"
        " (RRSA). This role then assumes assumeRoleARN, instead of the function's role.",
    )
    rrsa_oidc_provider_role_arn: OidcProviderArn | None = Field(
        None,
        alias="rrsaOIDCProviderRoleARN",
        description="ARN of the cluster's OIDC provider, for RRSA.",
    )
    rrsa_service_account: QualifiedServiceAccount | None = Field(
        None,
        description="The service account whose token RRSA uses, as namespace/name. Default:"
        " kube-system/aliyun-acr-credential-helper.",
    )
    expire_duration: int = Field(
        3600,
        ge=3600,
        le=43200,
        description="Duration of the role session in seconds. At most the maximum of the role.",
    )
    session_policy: bool = Field(
        default=True,
        description="Whether the session of the last role is limited to what the token requires."
        " Default: true.",
    )
    repositories: RepositoryPatterns | None = Field(
        None,
        description="The repositories that a token can pull, as a list or text with commas:"
        " namespace/name, namespace/* or namespace/prefix*. They narrow the session of the last"
        " role, so they need assumeRoleARN or rrsaRoleARN. Default: every repository that the role"
        " may pull.",
    )
    verify: Literal["always", "reachable", "never"] = Field(
        "reachable",
        description="Whether a new token is tested at each registry host before it is written."
        " Default: reachable, which skips hosts that the function cannot reach.",
    )
    verify_repository: Repository | None = Field(
        None, description="A repository, as namespace/name, that a new token must be able to pull."
    )

    def contradictions(self) -> Iterator[Problem]:
        """Keys that contradict each other, or that have no effect."""
        given = self.model_fields_set
        yield from self._region_contradictions()
        yield from self._rrsa_contradictions()
        if "endpoints" in given and "instance_id" not in given:
            yield Problem(
                "endpoints",
                "is given for Personal Edition, whose endpoints no API lists",
                "give the hosts as domains, or add instanceId of an Enterprise Edition instance",
            )
        if "endpoints" in given and "domains" in given:
            problem = "is given beside domains, which already says which hosts are served"
            yield Problem("endpoints", problem, "keep one of them")
        if "verify_repository" in given and self.verify == "never":
            problem = "is given, but verify is never"
            yield Problem("verifyRepository", problem, "keep one of them")
        if "repositories" in given and not self.is_unreadable("repositories"):
            yield from self._repositories_contradictions()
        yield from super().contradictions()

    def _region_contradictions(self) -> Iterator[Problem]:
        if self.is_unreadable("instance_id"):
            return
        in_id = (self.instance_id or "").rpartition(":")[0]
        if "region_id" not in self.model_fields_set and not in_id:
            yield Problem("regionId", "is missing", "add it")
        elif in_id and self.region_id and self.region_id != in_id:
            problem = f"is {quoted(self.region_id)}, but instanceId says {quoted(in_id)}"
            yield Problem("regionId", problem, "leave regionId out, or correct it")

    def _rrsa_contradictions(self) -> Iterator[Problem]:
        pair = {"rrsa_role_arn", "rrsa_oidc_provider_role_arn"}
        given = [self.key_of(name) for name in pair & self.model_fields_set]
        missing = [self.key_of(name) for name in pair - self.model_fields_set]
        if given and missing:
            yield Problem(missing[0], "is missing", f"add it, or leave out {given[0]}")
        if "rrsa_service_account" in self.model_fields_set and not given:
            problem = "is given without rrsaRoleARN"
            yield Problem("rrsaServiceAccount", problem, "add the role, or leave this out")
        if "rrsaRoleARN" in given and "instance_id" not in self.model_fields_set:
            yield Problem(
                "rrsaRoleARN",
                "is given for Personal Edition, whose registry refuses tokens of RRSA sessions",
                "leave it out, or add instanceId of an Enterprise Edition instance",
            )

    def _repositories_contradictions(self) -> Iterator[Problem]:
        """Why `repositories` cannot narrow a token. All of it is done by the session policy."""
        given, key = self.model_fields_set, "repositories"
        if "instance_id" not in given:
            yield Problem(
                key,
                "is given for Personal Edition, whose repositories no policy can name",
                "leave it out, or add instanceId of an Enterprise Edition instance",
            )
        if given.isdisjoint({"assume_role_arn", "rrsa_role_arn"}):
            yield Problem(
                key,
                "is given without assumeRoleARN: only the session of a role can be narrowed",
                "add a role; the role may be in the function's own account",
            )
        if not self.session_policy and not self.is_unreadable("session_policy"):
            problem = "is given, but sessionPolicy is false, so nothing is narrowed"
            yield Problem(key, problem, "keep one of them")
        if self.verify_repository and not matches_any(
            self.verify_repository, tuple(self.repositories or ())
        ):
            problem = f"{quoted(self.verify_repository)} is not among repositories"
            yield Problem("verifyRepository", problem, "add it there, or name another repository")
        yield from self._length_contradiction()

    def _length_contradiction(self) -> Iterator[Problem]:
        if any(map(self.is_unreadable, _IN_THE_POLICY)):
            return
        excess = excess_length(_policy_source(self))
        if excess > 0:
            problem = f"makes the session policy {excess} characters longer than STS accepts"
            remedy = "use fewer or shorter patterns, such as shop/*, or divide them between several"
            yield Problem("repositories", problem, f"{remedy} registries with this instanceId")


_IN_THE_POLICY = (
    "instance_id",
    "region_id",
    "domains",
    "assume_role_arn",
    "rrsa_role_arn",
    "repositories",
)
"""The fields that the session policy is made from."""


def _policy_source(section: RegistrySection) -> Registry:
    """The registry as far as the session policy depends on it. Other fields may be unreadable."""
    region_id, _, instance_id = (section.instance_id or "").rpartition(":")
    return Registry(
        name="",
        instance_id=instance_id,
        region_id=section.region_id or region_id,
        domains=tuple(section.domains or ()),
        role_chain=section.role_chain,
        rrsa=Rrsa(section.rrsa_role_arn, "") if section.rrsa_role_arn else None,
        repositories=tuple(section.repositories or ()),
    )


def registry_from(section: RegistrySection) -> Registry:
    """A registry. Its ID may contain its region, as in cn-beijing:cri-…."""
    region_id, _, instance_id = (section.instance_id or "").rpartition(":")
    return Registry(
        name=section.name,
        instance_id=instance_id,
        region_id=section.region_id or region_id,
        domains=tuple(section.domains or ()),
        endpoints=tuple(section.endpoints or ()),
        role_chain=section.role_chain,
        rrsa=_rrsa_from(section),
        session_duration=timedelta(seconds=section.expire_duration),
        narrowed=section.session_policy,
        repositories=tuple(section.repositories or ()),
        verify=Verification(section.verify),
        verify_repository=section.verify_repository or "",
    )


def _rrsa_from(section: RegistrySection) -> Rrsa | None:
    if not section.rrsa_role_arn or not section.rrsa_oidc_provider_role_arn:
        return None
    arns = section.rrsa_role_arn, section.rrsa_oidc_provider_role_arn
    account = section.rrsa_service_account
    return Rrsa(*arns, *account.split("/")) if account else Rrsa(*arns)
