"""What RAM is asked when an API is called: which actions, on which resources, says which document.

This table is written from the documents, and not from infra/ram. So a policy of infra/ram that the
documents contradict is refused here, as in the cloud. Where documents differ, every action and
every resource that one of them names must be allowed. Where no document names the resource, the
row says that it is assumed, and infra/ram/README.md says so too.

Some actions have no resource-level permission. RAM asks for them on `*`. Only a statement whose
Resource is `*` covers that: one that names a resource has no effect.
"""

from collections.abc import Iterator
from dataclasses import dataclass

ASSUMED = ""
"""The document of a row whose resource no document names."""


@dataclass(frozen=True)
class Permission:
    """What a caller of an API needs.

    Attributes:
        actions: All of them are needed.
        resources: Each action is needed on all of them. Format strings.
        document: Name and date of the document that names the resource.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    document: str

    def questions(self, **place: str) -> Iterator[tuple[str, str]]:
        """Action and resource of each question to RAM."""
        for action in self.actions:
            for resource in self.resources:
                yield action, resource.format(**place)


ASSUME_ROLE = Permission(
    ("sts:AssumeRole",),
    # The document has the first form. The second is the role's ARN, which is also common.
    ("acs:ram:*:{account}:role/{role}", "acs:ram::{account}:role/{role}"),
    "RAM: FAQ about RAM roles and STS tokens, 2026-03-05",
)
GET_REGISTRY_TOKEN = Permission(
    ("cr:GetAuthorizationToken",),
    ("*",),
    "Container Registry: API GetAuthorizationToken, 2026-06-23",
)
LIST_REGISTRY_ENDPOINTS = Permission(
    ("cr:ListInstanceEndpoint",),
    ("acs:cr:{region}:{account}:instance/{instance}",),
    ASSUMED,  # as for GetInstance
)
PULL = Permission(
    ("cr:PullRepository",),
    ("acs:cr:{region}:{account}:repository/{instance}/{repository}",),
    "Container Registry: RAM authorization information, 2026-07-03",
)
PULL_FROM_PERSONAL_EDITION = Permission(
    ("cr:PullRepository",),
    ("acs:cr:{region}:{account}:repository/{repository}",),
    ASSUMED,  # public policies for namespaces of this edition have it
)
GET_KUBECONFIG = Permission(
    ("cs:DescribeClusterUserKubeconfig", "cs:GetUserConfig"),
    ("acs:cs:{region}:{account}:cluster/{cluster}",),
    "Container Service: API DescribeClusterUserKubeconfig, 2024-02-29; an older table of actions"
    " has the second name",
)
LIST_CLUSTERS = Permission(
    ("cs:GetClusters", "cs:DescribeClustersV1", "cs:ListClusters"),
    ("acs:cs:*:{account}:cluster/*", "*"),
    "Container Service: API DescribeClustersV1, 2025-11, has the first action and the first"
    " resource; tables of actions have all three, without resource-level permission",
)
GET_SECRET = Permission(
    ("kms:GetSecretValue",),
    ("acs:kms:{region}:{account}:secret/{secret}",),
    "Key Management Service: Authorization information, 2024-07-09",
)
DECRYPT_SECRET = Permission(
    ("kms:Decrypt",),
    ("acs:kms:{region}:{account}:key/{key}",),
    ASSUMED,  # documented for the API Decrypt, but not for what GetSecretValue asks
)
INVOKE_FUNCTION_3 = Permission(
    ("fc:InvokeFunction",),
    ("acs:fc:{region}:{account}:functions/{function}",),
    "Function Compute 3.0: RAM authorization, 2026-01-29",
)
INVOKE_FUNCTION_3_BY_QUALIFIER = Permission(
    ("fc:InvokeFunction",),
    (
        "acs:fc:{region}:{account}:functions/{function}",
        "acs:fc:{region}:{account}:functions/{function}/{qualifier}",
    ),
    "Function Compute 3.0: Policies and sample policies, 2025-06-13, has both; it does not say when"
    " which of them counts",
)
INVOKE_FUNCTION_2 = Permission(
    ("fc:InvokeFunction",),
    ("acs:fc:{region}:{account}:services/{service}/functions/{function}",),
    "Function Compute 2.0: Policies and sample policies; with a qualifier, the service is"
    " `SERVICE.QUALIFIER`",
)
WRITE_LOGS = Permission(
    ("log:PostLogStoreLogs",),
    ("acs:log:{region}:{account}:project/{project}/logstore/{logstore}",),
    "Simple Log Service: RAM authorization, 2025-12-16",
)
SEND_MESSAGE = Permission(
    ("mns:SendMessage",),
    ("acs:mns:{region}:{account}:/queues/{queue}/messages",),
    "Simple Message Queue: API SendMessage, 2026-03-11",
)

TABLE = (
    ASSUME_ROLE,
    GET_REGISTRY_TOKEN,
    LIST_REGISTRY_ENDPOINTS,
    PULL,
    PULL_FROM_PERSONAL_EDITION,
    GET_KUBECONFIG,
    LIST_CLUSTERS,
    GET_SECRET,
    DECRYPT_SECRET,
    INVOKE_FUNCTION_3,
    INVOKE_FUNCTION_3_BY_QUALIFIER,
    INVOKE_FUNCTION_2,
    WRITE_LOGS,
    SEND_MESSAGE,
)
