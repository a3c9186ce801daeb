"""config.yaml: read, checked as a whole with every problem reported at once, put into core types.

Secrets have no place in it: registries and clusters are reached through RAM roles, and a kubeconfig
stays in a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from acr_refresher.config.checks import contradictions
from acr_refresher.config.document import (
    ClusterSection,
    ConfigDocument,
    RegistrySection,
    Selector,
    Settings,
)
from acr_refresher.core.model import AckAccess, Cluster, KubeconfigAccess, PullSecret, Registry
from acr_refresher.core.selection import (
    ALL,
    LabelRequirement,
    NamespaceSelection,
    Operator,
    ServiceAccountSelection,
)
from acr_refresher.inputs.forms import EVERY_SERVICE_ACCOUNT, EXCLUSION
from acr_refresher.inputs.problems import InvalidInput, Problem
from acr_refresher.inputs.strict_model import in_plain_words
from acr_refresher.inputs.strict_yaml import read_yaml

DEFAULT_SECRET_NAME = "acr-pull"  # noqa: S105 - the name of an object
DEFAULT_EXPIRING_THRESHOLD = timedelta(minutes=15)
DEFAULT_NAMESPACE = "default"
DEFAULT_SERVICE_ACCOUNT = "default"


class ConfigError(InvalidInput):
    """config.yaml cannot be used."""


@dataclass(frozen=True, slots=True)
class Config:
    """What is registered. `concurrency`: how many clusters are served at the same time."""

    clusters: tuple[Cluster, ...]
    registries: tuple[Registry, ...]
    concurrency: int


def load_config(path: Path) -> Config:
    """The configuration in a file. Raises ConfigError with every problem found."""
    try:
        data, repeated_keys = read_yaml(_read(path), path.name)
    except InvalidInput as unreadable:
        raise ConfigError(unreadable.problems) from None
    problems = [*repeated_keys, *contradictions(data)]
    try:
        document = ConfigDocument.model_validate(data)
    except ValidationError as error:
        mistakes = in_plain_words(error, ConfigDocument, path.name)
        raise ConfigError([*mistakes, *problems]) from None
    if problems:
        raise ConfigError(problems)
    return to_config(document)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        remedy = "put config.yaml beside handler.py, readable for the function"
    except ValueError:
        reason, remedy = "is not UTF-8 text", "save it as UTF-8"
    raise InvalidInput([Problem(str(path), reason, remedy)])


def to_config(document: ConfigDocument) -> Config:
    """A checked document in core types."""
    registries = {section.name: _registry(section) for section in document.registries}
    clusters = (
        Cluster(
            name=section.name,
            access=_access(section),
            pull_secret=_pull_secret(section, document.defaults, registries),
        )
        for section in document.clusters
    )
    return Config(tuple(clusters), tuple(registries.values()), document.concurrency)


def _registry(section: RegistrySection) -> Registry:
    return Registry(
        name=section.name,
        instance_id=section.instance_id,
        region_id=section.region_id,
        domains=tuple(section.domains or ()),
        role_chain=_role_chain(section.assume_role_arn),
        session_duration=timedelta(seconds=section.expire_duration),
    )


def _access(section: ClusterSection) -> AckAccess | KubeconfigAccess:
    if section.kubeconfig:
        return KubeconfigAccess(section.kubeconfig)
    role_chain = _role_chain(section.assume_role_arn)
    return AckAccess(str(section.cluster_id), str(section.region_id), role_chain)


def _role_chain(role_arn: str | None) -> tuple[str, ...]:
    return (role_arn,) if role_arn else ()


def _pull_secret(own: Settings, shared: Settings, registries: Mapping[str, Registry]) -> PullSecret:
    """What a cluster sets itself goes before what it shares, and that before our defaults."""
    patterns = own.watch_namespace or shared.watch_namespace
    selector = own.namespace_selector or shared.namespace_selector
    accounts = own.service_account or shared.service_account or [DEFAULT_SERVICE_ACCOUNT]
    names = own.registries or shared.registries or registries
    return PullSecret(
        name=own.secret_name or shared.secret_name or DEFAULT_SECRET_NAME,
        registries=tuple(registries[name] for name in names),
        namespaces=_namespaces(patterns, selector),
        service_accounts=ServiceAccountSelection(
            () if EVERY_SERVICE_ACCOUNT in accounts else tuple(accounts)
        ),
        expiring_threshold=(
            own.expiring_threshold or shared.expiring_threshold or DEFAULT_EXPIRING_THRESHOLD
        ),
    )


def _namespaces(patterns: list[str] | None, selector: Selector | None) -> NamespaceSelection:
    patterns = patterns or [ALL if selector else DEFAULT_NAMESPACE]
    return NamespaceSelection(
        patterns=tuple(each for each in patterns if not each.startswith(EXCLUSION)),
        excluded=tuple(
            each.removeprefix(EXCLUSION) for each in patterns if each.startswith(EXCLUSION)
        ),
        labels=tuple(_requirements(selector)) if selector else (),
    )


def _requirements(selector: Selector) -> Iterator[LabelRequirement]:
    for key, value in selector.match_labels.items():
        yield LabelRequirement(key, Operator.IN, (value,))
    for each in selector.match_expressions:
        yield LabelRequirement(each.key, Operator(each.operator), tuple(each.values))
