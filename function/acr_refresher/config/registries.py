"""Registries and chains of roles, as config.yaml has them, in core types."""

from __future__ import annotations

from datetime import timedelta

from acr_refresher.config.document import RegistrySection
from acr_refresher.core.model import Registry, Role, Rrsa, Verification
from acr_refresher.inputs.forms import RoleSection


def registry(section: RegistrySection) -> Registry:
    """A registry. Its ID may bring its region along, as in cn-beijing:cri-…."""
    region_id, _, instance_id = (section.instance_id or "").rpartition(":")
    return Registry(
        name=section.name,
        instance_id=instance_id,
        region_id=section.region_id or region_id,
        domains=tuple(section.domains or ()),
        endpoints=tuple(section.endpoints or ()),
        role_chain=role_chain(section.assume_role_arn, section.external_id),
        rrsa=_rrsa(section),
        session_duration=timedelta(seconds=section.expire_duration),
        narrowed=section.session_policy,
        verify=Verification(section.verify),
        verify_repository=section.verify_repository or "",
    )


def role_chain(roles: list[RoleSection] | None, external_id: str | None) -> tuple[Role, ...]:
    """The roles in order. An external ID beside them is that of the one role there is then."""
    return tuple(Role(role.arn, role.external_id or external_id or "") for role in roles or ())


def _rrsa(section: RegistrySection) -> Rrsa | None:
    if not section.rrsa_role_arn or not section.rrsa_oidc_provider_role_arn:
        return None
    arns = section.rrsa_role_arn, section.rrsa_oidc_provider_role_arn
    account = section.rrsa_service_account
    return Rrsa(*arns, *account.split("/")) if account else Rrsa(*arns)
