"""What real kube-apiservers answer in each version.

Servers of 1.20.2, 1.25.9, 1.34.9 and 1.36.2 gave these answers. Each counts from its version on.
Between two of these servers it may have changed earlier.
"""

import re
from collections.abc import Mapping
from typing import TypeAlias, TypeVar

from localkube import KubeCluster

Version: TypeAlias = tuple[int, int]
T = TypeVar("T")

V1_20, V1_21, V1_25, V1_30, V1_34 = (1, 20), (1, 21), (1, 25), (1, 30), (1, 34)

OTHER_NAMESPACE = {
    V1_20: "does not match the namespace on the request",
    V1_25: "does not match the namespace sent on the request",
}
TEXT_FOR_A_LIST = {
    V1_20: "ServiceAccount.ImagePullSecrets",
    V1_25: "ServiceAccount.imagePullSecrets",
}
NOT_JSON = {V1_20: (500, "Invalid JSON Patch"), V1_25: (400, "error decoding patch")}
NO_API_VERSION = {V1_20: "Incorrect version specified", V1_34: "invalid object type"}
DENIED_CREATION = {
    V1_20: "",
    V1_34: 'User "mute" cannot create resource "secrets" in API group "" in the namespace',
}
TOO_LONG = {
    V1_20: "Too long: must have at most 1048576 bytes",
    V1_34: "Too long: may not be more than 1048576 bytes",
}


def version_of(cluster: KubeCluster) -> Version:
    """The version of Kubernetes that the server itself states."""
    stated = cluster.expect("GET", "/version")
    major, minor = (re.match(r"\d+", stated[part]) for part in ("major", "minor"))
    assert major is not None
    assert minor is not None
    return int(major[0]), int(minor[0])


def expected(answers: Mapping[Version, T], cluster: KubeCluster) -> T:
    """The answer that counts for this server."""
    version = version_of(cluster)
    return answers[max(since for since in answers if since <= version)]
