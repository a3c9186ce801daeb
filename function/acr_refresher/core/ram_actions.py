"""The RAM actions that the function needs, with the resources on which policies can allow them.

The session policy, the remedies of errors and the statements that `check` prints come from this
table. infra/ram/README.md names the document of each resource.
"""

from __future__ import annotations

from collections.abc import Mapping

ALL_RESOURCES = "*"
"""The resource of actions without resource-level permission.

A statement that allows such an action on any other resource has no effect.
"""

GET_KUBECONFIG = ("cs:DescribeClusterUserKubeconfig", "cs:GetUserConfig")
LIST_CLUSTERS = ("cs:GetClusters", "cs:DescribeClustersV1", "cs:ListClusters")
"""Names of a single action. Documents differ about the name, so all of them are allowed."""

RESOURCES: Mapping[str, str] = {
    # Personal Edition has neither instances nor repositories with an ID: there, it is `*` as well.
    "cr:GetAuthorizationToken": ALL_RESOURCES,
    "cr:ListInstanceEndpoint": "acs:cr:{region}:{account}:instance/{instance}",
    "cr:PullRepository": "acs:cr:{region}:{account}:repository/{instance}/*",
    GET_KUBECONFIG[0]: "acs:cs:*:*:cluster/{cluster}",
    LIST_CLUSTERS[0]: ALL_RESOURCES,
    "kms:GetSecretValue": "acs:kms:{region}:{account}:secret/{secret}",
    "kms:Decrypt": "acs:kms:{region}:{account}:key/*",
}
"""The resource of each action, as a format string."""

ASSUMED: Mapping[str, str] = {
    "cr:ListInstanceEndpoint": "allow it on *, and set sessionPolicy: false for the registry; or"
    " set its `domains`, for which the action is not needed",
    "kms:Decrypt": "allow it on *",
}
"""The actions whose resource no document names, with what to do if the assumption is wrong."""


def assumption(action: str) -> str:
    """A remark for a refusal of an action whose resource is assumed; empty for other actions."""
    if action not in ASSUMED:
        return ""
    return (
        f" No document names the resource of {action}. If it is allowed there and still refused,"
        f" {ASSUMED[action]}."
    )


def role_resource(arn: str) -> str:
    """A role as the resource of sts:AssumeRole: documents write `*` as its region."""
    return arn.replace("acs:ram::", "acs:ram:*:", 1)
