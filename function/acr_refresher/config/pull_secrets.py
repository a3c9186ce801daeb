"""The pull secrets of a cluster: what it says itself, what clusters share, and our defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from acr_refresher.config.document import PullSecretSettings, Selector, Settings
from acr_refresher.core.model import PullSecret, Registry
from acr_refresher.core.selection import (
    ALL,
    LabelRequirement,
    NamespaceSelection,
    Operator,
    ServiceAccountSelection,
)
from acr_refresher.inputs.forms import EVERY_SERVICE_ACCOUNT, EXCLUSION

DEFAULT_SECRET_NAME = "acr-pull"  # noqa: S105  # the name of an object
DEFAULT_EXPIRING_THRESHOLD = timedelta(minutes=15)
DEFAULT_NAMESPACE = "default"
DEFAULT_SERVICE_ACCOUNT = "default"

Layers = Sequence[PullSecretSettings]
"""Settings that say the same keys; the first that says one is followed."""


def pull_secrets(
    own: Settings, shared: Settings, registries: Mapping[str, Registry]
) -> tuple[PullSecret, ...]:
    """Those of a cluster: its own list, or the shared one, or the one that flat keys describe.

    What a cluster says itself goes before what clusters share, and what a pull secret says before
    what stands beside the list that it is in.
    """
    return tuple(_pull_secret(layers, registries) for layers in layers_of(own, shared))


def says_something(own: PullSecretSettings) -> bool:
    """Whether a section has any key that is about pull secrets.

    Most clusters have none of their own, and what they share is made once.
    """
    return not own.model_fields_set.isdisjoint(Settings.model_fields)


def layers_of(own: Settings, shared: Settings) -> list[Layers]:
    """What is said of each pull secret of a cluster, as above."""
    if own.pull_secrets:
        return [(each, own, shared) for each in own.pull_secrets]
    if shared.pull_secrets:
        return [(own, each, shared) for each in shared.pull_secrets]
    return [(own, shared)]


def _pull_secret(layers: Layers, registries: Mapping[str, Registry]) -> PullSecret:
    accounts = said(layers, "service_account", [DEFAULT_SERVICE_ACCOUNT])
    return PullSecret(
        name=said(layers, "secret_name", DEFAULT_SECRET_NAME),
        registries=tuple(registries[name] for name in said(layers, "registries", registries)),
        namespaces=_namespaces(
            said(layers, "watch_namespace", None), said(layers, "namespace_selector", None)
        ),
        service_accounts=ServiceAccountSelection(
            () if EVERY_SERVICE_ACCOUNT in accounts else tuple(accounts)
        ),
        expiring_threshold=said(layers, "expiring_threshold", DEFAULT_EXPIRING_THRESHOLD),
        on_request=tuple(registries[name] for name in said(layers, "grantable", [])),
    )


def said(layers: Layers, key: str, otherwise: Any) -> Any:
    """What the nearest layer says that says anything under the key."""
    for each in layers:
        value = getattr(each, key)
        if value is not None:
            return value
    return otherwise


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
