"""The pull secrets of a cluster: its own settings, over the defaults, over the built-in values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from acr_refresher.config.document import (
    PullSecretSettings,
    Selector,
    Settings,
)
from acr_refresher.config.fields import EVERY_SERVICE_ACCOUNT, EXCLUSION
from acr_refresher.core.model import (
    PullSecret,
    Registry,
)
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


Layers = Sequence[PullSecretSettings]
"""Settings that say the same keys; the first that says one is followed."""


def pull_secrets_from(
    own: Settings, shared: Settings, registries: Mapping[str, Registry]
) -> tuple[PullSecret, ...]:
    """Those of a cluster: its own list, or the shared one, or the one that flat keys describe.

    What a cluster says itself goes before what clusters share, and what a pull secret says before
    what stands beside the list that it is in.
    """
    return tuple(_pull_secret_from(layers, registries) for layers in setting_layers(own, shared))


def has_own_settings(own: PullSecretSettings) -> bool:
    """Whether a section has any key that is about pull secrets.

    Most clusters have none of their own, and what they share is made once.
    """
    return not own.model_fields_set.isdisjoint(Settings.model_fields)


def setting_layers(own: Settings, shared: Settings) -> list[Layers]:
    """What is said of each pull secret of a cluster, as above."""
    if own.pull_secrets:
        return [(each, own, shared) for each in own.pull_secrets]
    if shared.pull_secrets:
        return [(own, each, shared) for each in shared.pull_secrets]
    return [(own, shared)]


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
    )


def first_given(layers: Layers, key: str, otherwise: Any) -> Any:
    """What the nearest layer says that says anything under the key."""
    for each in layers:
        value = getattr(each, key)
        if value is not None:
            return value
    return otherwise


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
