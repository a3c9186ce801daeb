"""Finds what contradicts something else in config.yaml, within a section or between sections.

A section that pydantic refused is read partly (see `read_partly`), so that its contradictions are
reported together with its mistakes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeVar

from acr_refresher.config.access import RoleKeys
from acr_refresher.config.document import (
    ClusterSection,
    ConfigDocument,
    DiscoverSection,
    PullSecretSettings,
    SharedSettings,
)
from acr_refresher.config.pull_secrets import first_given, has_own_settings, setting_layers
from acr_refresher.config.strict import (
    Location,
    Problem,
    StrictModel,
    did_you_mean,
    path_of,
    quoted,
)

_Section = TypeVar("_Section", bound=StrictModel)
Located = Sequence[tuple[Location, _Section]]
"""Sections, each with its place in the document."""


def contradictions(document: ConfigDocument) -> Iterator[Problem]:
    """Every contradiction: those between sections, then those within a section."""
    registries = _located(("registries",), document.registries)
    clusters = _located(("clusters",), document.clusters)
    discover = _located(("discover",), document.discover)
    secrets = [
        ((*location, "kubeconfigSecret"), section.kubeconfig_secret)
        for location, section in clusters
        if section.kubeconfig_secret
    ]
    if document.model_fields_set.isdisjoint({"clusters", "discover"}):
        yield Problem("clusters", "is missing", "add it, or discover")
    yield from _repeated(registries, "name")
    for name in ("name", "cluster_id", "kubeconfig"):
        yield from _repeated(clusters, name)
    yield from _several_in_cluster(clusters)
    names = [section.name for _, section in registries if section.name]
    for location, settings in ((("defaults",), document.defaults), *clusters, *discover):
        if has_own_settings(settings):
            yield from _settings_contradictions(location, settings, document.defaults, names)
    yield from _shared_hosts([*clusters, *discover], document)
    sections: Located[RoleKeys] = [*registries, *clusters, *secrets, *discover]
    for location, section in sections:
        for problem in section.contradictions():
            yield replace(problem, path=f"{path_of(location, '')}.{problem.path}".rstrip("."))
    yield from _several_external_ids(sections)


def _located(location: Location, sections: Iterable[_Section] | None) -> Located[_Section]:
    return [((*location, index), section) for index, section in enumerate(sections or ())]


def _repeated(sections: Located[StrictModel], name: str) -> Iterator[Problem]:
    """A value that two sections of a list may not both have."""
    first_uses: dict[str, Location] = {}
    for location, section in sections:
        value = getattr(section, name)
        if value is None:
            continue
        value = posixpath.normpath(value) if name == "kubeconfig" else value
        first = first_uses.setdefault(value, location)
        if first is not location:
            key = section.key_of(name)
            problem = f"{quoted(value)} is also the {key} of {path_of(first, '')}"
            yield Problem(path_of((*location, key), ""), problem, "give each its own")


def _several_in_cluster(clusters: Located[ClusterSection]) -> Iterator[Problem]:
    first, *others = [location for location, section in clusters if section.in_cluster] or [()]
    for location in others:
        problem = f"is also given for {path_of(first, '')}, but acr-refresher runs in one cluster"
        path = path_of((*location, "inCluster"), "")
        yield Problem(path, problem, "reach this cluster in another way")


def _settings_contradictions(
    location: Location,
    settings: SharedSettings,
    defaults: SharedSettings,
    registries: Sequence[str],
) -> Iterator[Problem]:
    secrets = _located((*location, "pullSecrets"), settings.pull_secrets)
    named_at = location if settings.pull_secrets else ("defaults",)
    if settings.secret_name and (settings.pull_secrets or defaults.pull_secrets):
        problem = f"is given, but each of {path_of((*named_at, 'pullSecrets'), '')} has its own"
        yield Problem(path_of((*location, "secretName"), ""), problem, "leave it out here")
    yield from _repeated(secrets, "secret_name")
    for place, section in ((location, settings), *secrets):
        yield from _unknown_registries(place, section, registries)


def _unknown_registries(
    location: Location, settings: PullSecretSettings, known: Sequence[str]
) -> Iterator[Problem]:
    for key, names in (("registries", settings.registries), ("grantable", settings.grantable)):
        for index, name in enumerate(names or ()):
            if known and name not in known:
                problem = f"{quoted(name)} is not the name of a registry"
                yield Problem(
                    path_of((*location, key, index), ""), problem, did_you_mean(name, known)
                )


def _shared_hosts(
    users: Located[ClusterSection | DiscoverSection], document: ConfigDocument
) -> Iterator[Problem]:
    """Registries of one pull secret with a domain in common: a secret has one login per host."""
    domains = {each.name: frozenset(each.domains or ()) for each in document.registries or ()}
    if not any(first & second for first, second in combinations(domains.values(), 2)):
        return  # the usual case, in which the clusters need not be searched
    for location, section in users:
        for index, layers in enumerate(setting_layers(section, document.defaults)):
            if any(layer.is_unreadable("registries") for layer in layers):
                continue
            place = (*location, "pullSecrets", index) if section.pull_secrets else location
            names = [name for name in first_given(layers, "registries", domains) if name in domains]
            for first, second in combinations(names, 2):
                for host in sorted(domains[first] & domains[second]):
                    both = f"{quoted(first)} and {quoted(second)}"
                    problem = f"{both} both have the domain {quoted(host)}"
                    remedy = (
                        "a pull secret has one login per host: leave out a registry or the domain"
                    )
                    yield Problem(path_of(place, ""), problem, remedy)


def _several_external_ids(sections: Located[RoleKeys]) -> Iterator[Problem]:
    """A role that the same caller assumes with different external IDs, or with and without one."""
    first_uses: dict[tuple[str, str | None], tuple[str, str]] = {}
    for location, section in sections:
        if not section.assume_role_arn or section.is_unreadable("external_id"):
            continue
        caller = getattr(section, "rrsa_role_arn", None)
        path = path_of((*location, "assumeRoleARN"), "")
        for role in section.role_chain:
            known, first = first_uses.setdefault((role.arn, caller), (role.external_id, path))
            if known != role.external_id:
                here = (
                    f"externalId {quoted(role.external_id)}"
                    if role.external_id
                    else "no externalId"
                )
                there = quoted(known) if known else "none"
                problem = f"{quoted(role.arn)} has {here}, but {there} in {first}"
                remedy = "give both the external ID that the role's trust policy requires, or none"
                yield Problem(path, problem, remedy)
            caller = role.arn
