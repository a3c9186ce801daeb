"""Loads config.yaml into core types. Every problem in it is reported at once.

config.yaml contains no secrets: registries and clusters are reached through RAM roles, and
kubeconfigs are files of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr, ValidationError

from acr_refresher.config.access import ConnectionKeys, KubeconfigSecretSection, region_of
from acr_refresher.config.checks import contradictions
from acr_refresher.config.document import (
    ClusterSection,
    ConfigDocument,
    DiscoverSection,
    LogstoreSection,
    SharedSettings,
)
from acr_refresher.config.pull_secrets import has_own_settings, pull_secrets_from
from acr_refresher.config.registries import registry_from
from acr_refresher.config.strict import InvalidInput, Problem, problems_from, read_partly
from acr_refresher.config.strict_yaml import read_yaml
from acr_refresher.config.timer import TimerRequirement, timer_requirements
from acr_refresher.core.fleet import Discovery
from acr_refresher.core.model import (
    Access,
    AckAccess,
    Cluster,
    InClusterAccess,
    KmsAccess,
    KubeconfigAccess,
    Logstore,
    Registry,
)
from acr_refresher.settings import SETTINGS

CONFIG_VARIABLE = "ACR_REFRESHER_CONFIG"
"""The environment variable with the path of another config.yaml."""


class ConfigError(InvalidInput):
    """config.yaml cannot be used."""


@dataclass(frozen=True, slots=True)
class Config:
    """What config.yaml says.

    `concurrency` clusters are served at the same time, each within `cluster_timeout`; one
    invocation serves `shard_size` of them. Outcomes are written to `logstore`, if there is one.
    `rate_limits` are calls per second by service, per account. `timings` are what a timer must
    meet.
    """

    clusters: tuple[Cluster, ...]
    registries: tuple[Registry, ...]
    concurrency: int
    discoveries: tuple[Discovery, ...] = ()
    logstore: Logstore | None = None
    cluster_timeout: timedelta = SETTINGS.cluster_timeout
    shard_size: int = SETTINGS.shard_size
    rate_limits: Mapping[str, float] = field(default_factory=dict)
    timings: tuple[TimerRequirement, ...] = ()


def load_config(path: Path) -> Config:
    """The configuration in a file. Raises ConfigError with every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        remedy = "give a file that can be read; the function's is config.yaml beside handler.py"
        problem = Problem(str(path), f"cannot be read: {error.strerror}", remedy)
        raise ConfigError([problem]) from None
    except ValueError:
        raise ConfigError([Problem(str(path), "is not UTF-8 text", "save it as UTF-8")]) from None
    return read_config(text, path.name, path.parent)


def read_config(text: str, name: str, folder: Path = Path()) -> Config:
    """The configuration in a text, which problems call `name`. Raises ConfigError as above.

    Paths in it are relative to `folder`.
    """
    context: dict[str, object] = {"folder": folder}
    try:
        data, repeated_keys = read_yaml(text, name)
    except InvalidInput as unreadable:
        raise ConfigError(unreadable.problems) from None
    problems: list[Problem] = []
    try:
        document = ConfigDocument.model_validate(data, context=context)
    except ValidationError as error:
        problems += problems_from(error, ConfigDocument, name)
        document = read_partly(ConfigDocument, data, context)
    problems += repeated_keys
    if isinstance(data, dict):
        problems += contradictions(document)
    if problems:
        raise ConfigError(problems)
    return to_config(document)


def to_config(document: ConfigDocument) -> Config:
    """A valid document in core types."""
    registries = {section.name: registry_from(section) for section in document.registries}
    defaults = document.defaults
    return Config(
        clusters=tuple(clusters_from(document.clusters, defaults, registries)),
        registries=tuple(registries.values()),
        concurrency=document.concurrency,
        discoveries=tuple(
            discovery_from(index, section, defaults, registries)
            for index, section in enumerate(document.discover)
        ),
        logstore=_logstore_from(document.sls) if document.sls else None,
        cluster_timeout=document.cluster_timeout or SETTINGS.cluster_timeout,
        shard_size=document.shard_size,
        rate_limits=document.rate_limits.model_dump(),
        timings=timer_requirements(document),
    )


def _logstore_from(section: LogstoreSection) -> Logstore:
    return Logstore(
        project=section.project,
        name=section.logstore,
        region_id=section.region_id or "",
        endpoint=section.endpoint or "",
    )


def clusters_from(
    sections: Iterable[ClusterSection], defaults: SharedSettings, registries: Mapping[str, Registry]
) -> Iterator[Cluster]:
    """The configured clusters. Those without settings of their own share their pull secrets."""
    shared = pull_secrets_from(defaults, defaults, registries)
    for section in sections:
        own = has_own_settings(section)
        yield Cluster(
            name=section.name,
            access=_access_from(section),
            pull_secrets=pull_secrets_from(section, defaults, registries) if own else shared,
            proxy_url=_proxy_url_from(section),
            ca_pem=section.certificate_authority or "",
        )


def discovery_from(
    index: int,
    section: DiscoverSection,
    defaults: SharedSettings,
    registries: Mapping[str, Registry],
) -> Discovery:
    """What one section of `discover` looks for, and how the clusters that it finds are served."""
    return Discovery(
        name=f"discover[{index}]",
        regions=tuple(section.regions),
        access=_ack_access_from(section),
        pull_secrets=pull_secrets_from(section, defaults, registries),
        proxy_url=_proxy_url_from(section),
        ca_pem=section.certificate_authority or "",
        names=tuple(section.names or ()),
        types=tuple(section.types or ()),
        profiles=tuple(section.profiles or ()),
        tags=tuple(section.tags.items()),
    )


def _access_from(section: ClusterSection) -> Access:
    if section.kubeconfig:
        return KubeconfigAccess(section.kubeconfig, section.trusted)
    if section.kubeconfig_secret:
        return _kms_access_from(section.kubeconfig_secret)
    if section.in_cluster:
        return InClusterAccess()
    return _ack_access_from(section, section.cluster_id or "", section.region_id or "")


def _ack_access_from(
    section: ConnectionKeys, cluster_id: str = "", region_id: str = ""
) -> AckAccess:
    return AckAccess(
        cluster_id,
        sys.intern(region_id),
        section.role_chain,
        section.private_endpoint,
        section.kubeconfig_duration or SETTINGS.kubeconfig_duration,
    )


def _kms_access_from(section: KubeconfigSecretSection) -> KmsAccess:
    name = section.arn or section.name or ""
    return KmsAccess(name, section.region_id or region_of(name), section.role_chain)


def _proxy_url_from(section: ConnectionKeys) -> SecretStr | None:
    return SecretStr(section.proxy_url) if section.proxy_url else None
