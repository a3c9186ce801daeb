"""What in a cluster's section contradicts something else about the way to it.

As in `checks`, documents are read as parsed, and what cannot be read is silently left to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from acr_refresher.config.registry_checks import external_id
from acr_refresher.config.strict import Location, Problem, path_of

Section = tuple[Location, Mapping[object, object]]

_ACK_KEYS = (
    "clusterId",
    "regionId",
    "assumeRoleARN",
    "externalId",
    "privateEndpoint",
    "kubeconfigDuration",
)
_WAYS = (("kubeconfig",), ("kubeconfigSecret",), ("inCluster",), _ACK_KEYS)


def access_contradictions(cluster: Section) -> Iterator[Problem]:
    """No way to the cluster, more than one, or half of one."""
    location, section = cluster
    given = {key for key, value in section.items() if value is not False}
    ways = [keys for way in _WAYS if (keys := [key for key in way if key in given])]
    if not ways:
        problem = "does not say how to reach the cluster"
        remedy = (
            "add clusterId and regionId of an ACK cluster, the path of a kubeconfig, a"
            " kubeconfigSecret, or inCluster: true"
        )
        yield Problem(path_of(location, ""), problem, remedy)
    elif len(ways) > 1:
        problem = f"has {' and '.join(', '.join(keys) for keys in ways)}"
        yield Problem(path_of(location, ""), problem, "keep one way to the cluster")
    elif set(ways[0]) <= set(_ACK_KEYS):
        for key in ("clusterId", "regionId"):
            if key not in section:
                yield Problem(path_of((*location, key), ""), "is missing", "add it")
    if "trusted" in given and "kubeconfig" not in given:
        remedy = "only the files of this machine can be trusted: leave it out"
        yield Problem(path_of((*location, "trusted"), ""), "is given, but no kubeconfig", remedy)
    yield from external_id(cluster)
    if isinstance(secret := section.get("kubeconfigSecret"), dict):
        yield from external_id(((*location, "kubeconfigSecret"), secret))


def in_cluster_twice(clusters: Iterable[Section]) -> Iterator[Problem]:
    """`inCluster` of more than one cluster, though this can run in one only."""
    first, *others = [place for place, section in clusters if section.get("inCluster")] or [()]
    for location in others:
        path = path_of((*location, "inCluster"), "")
        yield Problem(path, f"is that of {path_of(first, '')} too", "give each its own way")
