"""What in config.yaml contradicts something else in it.

These checks read the document as it was parsed, before its values are known to be sound, so that
they find what they can beside the mistakes in single values. They are silent on what they cannot
read: that is a mistake of its own, found elsewhere.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping

from acr_refresher.inputs.forms import split_list
from acr_refresher.inputs.problems import Location, Problem, path_of, shown, suggestion

Section = tuple[Location, Mapping[object, object]]

_ACK_KEYS = ("clusterId", "regionId", "assumeRoleARN")


def contradictions(document: object) -> Iterator[Problem]:
    """Names given twice, references to nothing, and clusters with no one way to them."""
    registries = list(_sections(document, "registries"))
    clusters = list(_sections(document, "clusters"))
    yield from _repeated(registries, "name")
    yield from _repeated(clusters, "name")
    yield from _repeated(clusters, "clusterId")
    yield from _repeated(clusters, "kubeconfig")
    yield from _unknown_registries(registries, [*_defaults(document), *clusters])
    for cluster in clusters:
        yield from _unclear_access(cluster)


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
            problem = f"{shown(value)} is that of {path_of(first_uses[value], '')} too"
            yield Problem(path_of((*location, key), ""), problem, "give each its own")
        first_uses.setdefault(value, location)


def _unknown_registries(
    registries: Iterable[Section], users: Iterable[Section]
) -> Iterator[Problem]:
    known = [section["name"] for _, section in registries if isinstance(section.get("name"), str)]
    for location, section in users:
        names = split_list(section.get("registries"))
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if known and isinstance(name, str) and name not in known:
                path = path_of((*location, "registries", index), "")
                problem = f"{shown(name)} is not the name of a registry"
                yield Problem(path, problem, suggestion(name, map(str, known)))


def _unclear_access(cluster: Section) -> Iterator[Problem]:
    location, section = cluster
    ack_keys = [key for key in _ACK_KEYS if key in section]
    if "kubeconfig" in section:
        if ack_keys:
            problem = f"has kubeconfig and {', '.join(ack_keys)}"
            yield Problem(path_of(location, ""), problem, "keep one way to the cluster")
    elif not ack_keys:
        problem = "does not say how to reach the cluster"
        remedy = "add clusterId and regionId of an ACK cluster, or the path of a kubeconfig"
        yield Problem(path_of(location, ""), problem, remedy)
    else:
        for key in ("clusterId", "regionId"):
            if key not in section:
                yield Problem(path_of((*location, key), ""), "is missing", "add it")
