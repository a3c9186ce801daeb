"""The pull secrets of a cluster, and which of several settings applies to each.

A cluster's own settings precede `defaults`, and these precede the built-in values. A pull secret's
own settings precede those beside its list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from acr_refresher.config.document import PullSecretSettings, Selector, SharedSettings
from acr_refresher.config.fields import EVERY_SERVICE_ACCOUNT, EXCLUSION
from acr_refresher.core.model import PullSecret, Registry, SecretMetadata
from acr_refresher.core.select import (
    ALL,
    LabelRequirement,
    NamespaceSelection,
    Operator,
    ServiceAccountSelection,
)
from acr_refresher.settings import SETTINGS

DEFAULT_SECRET_NAME = "acr-pull"  # noqa: S105  # the name of an object
DEFAULT_NAMESPACE = "default"
DEFAULT_SERVICE_ACCOUNT = "default"

_SETTING_NAMES = frozenset(SharedSettings.model_fields)

Layers = Sequence[PullSecretSettings]
"""The settings of a pull secret by precedence. The first that has a key applies."""


def setting_layers(own: SharedSettings, shared: SharedSettings) -> list[Layers]:
    """The layers of each pull secret of a cluster, or of `defaults` if `own` is `shared`.

    A cluster has the pull secrets of its own list, or else of the shared list, or else one.
    """
    if own.pull_secrets:
        return [(secret, own, shared) for secret in own.pull_secrets]
    if shared.pull_secrets:
        return [(own, secret, shared) for secret in shared.pull_secrets]
    return [(own, shared)]


def layer_with(layers: Layers, name: str) -> PullSecretSettings | None:
    """The layer whose value of a field applies; None if no layer has one."""
    return next((layer for layer in layers if getattr(layer, name) is not None), None)


def first_given(layers: Layers, name: str, default: Any) -> Any:
    """The value of a field that applies, or the built-in default."""
    layer = layer_with(layers, name)
    return default if layer is None else getattr(layer, name)


def has_own_settings(section: SharedSettings) -> bool:
    """Whether a section has any settings of pull secrets. Most clusters of a large fleet do not."""
    return not _SETTING_NAMES.isdisjoint(section.model_fields_set)


def pull_secrets_from(
    own: SharedSettings, shared: SharedSettings, registries: Mapping[str, Registry]
) -> tuple[PullSecret, ...]:
    """The pull secrets of a cluster."""
    return tuple(_pull_secret_from(layers, registries) for layers in setting_layers(own, shared))


def _pull_secret_from(layers: Layers, registries: Mapping[str, Registry]) -> PullSecret:
    accounts = first_given(layers, "service_account", [DEFAULT_SERVICE_ACCOUNT])
    return PullSecret(
        name=first_given(layers, "secret_name", DEFAULT_SECRET_NAME),
        registries=tuple(
            registries[name] for name in first_given(layers, "registries", registries)
        ),
        namespaces=_namespace_selection(
            first_given(layers, "watch_namespace", None),
            first_given(layers, "namespace_selector", None),
        ),
        service_accounts=ServiceAccountSelection(
            () if EVERY_SERVICE_ACCOUNT in accounts else tuple(accounts)
        ),
        expiring_threshold=first_given(layers, "expiring_threshold", SETTINGS.expiring_threshold),
        allowed_on_request=tuple(registries[name] for name in first_given(layers, "grantable", [])),
        metadata=SecretMetadata(
            tuple(first_given(layers, "secret_labels", {}).items()),
            tuple(first_given(layers, "secret_annotations", {}).items()),
        ),
    )


def _namespace_selection(
    patterns: list[str] | None, selector: Selector | None
) -> NamespaceSelection:
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
