"""Clusters and where to look for them, as config.yaml has them, in core types."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from pydantic import SecretStr

from acr_refresher.config.access_document import ConnectionKeys, KubeconfigSecretSection
from acr_refresher.config.document import ClusterSection, DiscoverSection, Settings
from acr_refresher.config.pull_secrets import pull_secrets, says_something
from acr_refresher.config.registries import role_chain
from acr_refresher.core.discovery import Discovery
from acr_refresher.core.model import (
    Access,
    AckAccess,
    Cluster,
    InClusterAccess,
    KmsAccess,
    KubeconfigAccess,
    Registry,
)
from acr_refresher.inputs.cluster_forms import region_of

DEFAULT_KUBECONFIG_DURATION = timedelta(hours=1)


def clusters(
    sections: Iterable[ClusterSection], defaults: Settings, registries: Mapping[str, Registry]
) -> Iterator[Cluster]:
    """The clusters that are configured by themselves. What is alike is made once for all."""
    shared = pull_secrets(defaults, defaults, registries)
    for section in sections:
        own = says_something(section)
        yield Cluster(
            name=section.name,
            access=_access(section),
            pull_secrets=pull_secrets(section, defaults, registries) if own else shared,
            proxy_url=_proxy_url(section),
            ca_pem=section.certificate_authority or "",
        )


def discovery(
    index: int, section: DiscoverSection, defaults: Settings, registries: Mapping[str, Registry]
) -> Discovery:
    """What to look for by one section, and how to serve what is found."""
    return Discovery(
        name=f"discover[{index}]",
        regions=tuple(section.regions),
        access=_ack_access(section),
        pull_secrets=pull_secrets(section, defaults, registries),
        proxy_url=_proxy_url(section),
        ca_pem=section.certificate_authority or "",
        names=tuple(section.names or ()),
        types=tuple(section.types or ()),
        profiles=tuple(section.profiles or ()),
        tags=tuple(section.tags.items()),
    )


def _access(section: ClusterSection) -> Access:
    if section.kubeconfig:
        return KubeconfigAccess(section.kubeconfig, section.trusted)
    if section.kubeconfig_secret:
        return _kms_access(section.kubeconfig_secret)
    if section.in_cluster:
        return InClusterAccess()
    return _ack_access(section, section.cluster_id or "", section.region_id or "")


def _ack_access(section: ConnectionKeys, cluster_id: str = "", region_id: str = "") -> AckAccess:
    return AckAccess(
        cluster_id,
        sys.intern(region_id),
        role_chain(section.assume_role_arn, section.external_id),
        section.private_endpoint,
        section.kubeconfig_duration or DEFAULT_KUBECONFIG_DURATION,
    )


def _kms_access(section: KubeconfigSecretSection) -> KmsAccess:
    name = section.arn or section.name or ""
    chain = role_chain(section.assume_role_arn, section.external_id)
    return KmsAccess(name, section.region_id or region_of(name), chain)


def _proxy_url(section: ConnectionKeys) -> SecretStr | None:
    return SecretStr(section.proxy_url) if section.proxy_url else None
