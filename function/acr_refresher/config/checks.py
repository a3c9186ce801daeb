"""What in config.yaml contradicts something else in it.

These checks read the document as it was parsed, before its values are known to be sound, so that
they find what they can beside the mistakes in single values. They are silent on what they cannot
read: that is a mistake of its own, found elsewhere.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping

from acr_refresher.config.access_checks import access_contradictions, in_cluster_twice
from acr_refresher.config.external_id_checks import several_external_ids
from acr_refresher.config.fields import split_list
from acr_refresher.config.pull_secret_checks import (
    pull_secret_contradictions,
    pull_secret_layers,
    pull_secrets_of,
)
from acr_refresher.config.registry_checks import external_id, registry_contradictions, shared_hosts
from acr_refresher.config.strict import Location, Problem, did_you_mean, path_of, quoted

Section = tuple[Location, Mapping[object, object]]


def contradictions(document: object) -> Iterator[Problem]:
    """Names given twice, references to nothing, and clusters with no one way to them."""
    registries = list(_sections(document, "registries"))
    clusters = list(_sections(document, "clusters"))
    discovered = list(_sections(document, "discover"))
    yield from _no_cluster(document)
    yield from _repeated(registries, "name")
    yield from _repeated(clusters, "name")
    yield from _repeated(clusters, "clusterId")
    yield from _repeated(clusters, "kubeconfig")
    shared = next(_defaults(document), None)
    users = [*_defaults(document), *clusters, *discovered]
    users += [secret for user in users for secret in pull_secrets_of(user)]
    yield from _unknown_registries(registries, "registries", users)
    yield from _unknown_registries(registries, "grantable", users)
    for user in _defaults(document):
        yield from pull_secret_contradictions(user)
    for cluster in (*clusters, *discovered):
        yield from pull_secret_contradictions(cluster, shared)
    for registry in registries:
        yield from registry_contradictions(registry)
    yield from shared_hosts(
        registries, _wanted_registries(document, registries, [*clusters, *discovered])
    )
    for cluster in clusters:
        yield from access_contradictions(cluster)
    yield from in_cluster_twice(clusters)
    for section in discovered:
        yield from external_id(section)
    yield from several_external_ids([*registries, *clusters, *discovered])


def _no_cluster(document: object) -> Iterator[Problem]:
    if isinstance(document, dict) and not {"clusters", "discover"} & document.keys():
        yield Problem("clusters", "is missing", "add it, or discover")


def _sections(document: object, key: str) -> Iterator[Section]:
    """The mappings in the list under a key, each with where it stands."""
    listed = document.get(key) if isinstance(document, dict) else None
    for index, section in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(section, dict):
            yield (key, index), section


def _defaults(document: object) -> Iterator[Section]:
    section = document.get("defaults") if isinstance(document, dict) else None
    if isinstance(section, dict):
        yield ("defaults",), section


def _repeated(sections: Iterable[Section], key: str) -> Iterator[Problem]:
    first_uses: dict[str, Location] = {}
    for location, section in sections:
        value = section.get(key)
        if not isinstance(value, str):
            continue
        value = posixpath.normpath(value) if key == "kubeconfig" else value
        if value in first_uses:
            problem = f"{quoted(value)} is that of {path_of(first_uses[value], '')} too"
            yield Problem(path_of((*location, key), ""), problem, "give each its own")
        first_uses.setdefault(value, location)


def _unknown_registries(
    registries: Iterable[Section], key: str, users: Iterable[Section]
) -> Iterator[Problem]:
    known = [section["name"] for _, section in registries if isinstance(section.get("name"), str)]
    for location, section in users:
        names = split_list(section.get(key))
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if known and isinstance(name, str) and name not in known:
                path = path_of((*location, key, index), "")
                problem = f"{quoted(name)} is not the name of a registry"
                yield Problem(path, problem, did_you_mean(name, map(str, known)))


def _wanted_registries(
    document: object, registries: Iterable[Section], clusters: Iterable[Section]
) -> Iterator[tuple[Location, list[str]]]:
    """For each pull secret where it stands, and the names of its registries."""
    every = [section.get("name") for _, section in registries]
    shared = next(_defaults(document), None)
    for cluster in clusters:
        for place, layers in pull_secret_layers(cluster, shared):
            said = (layer["registries"] for layer in layers if "registries" in layer)
            names = split_list(next(said, every))
            if isinstance(names, list):
                yield place, [name for name in names if isinstance(name, str)]
