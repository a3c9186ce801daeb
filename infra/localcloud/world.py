"""What exists in the cloud: roles, registry instances and clusters, each in an account.

Accounts are their numeric IDs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from localcloud import ram

IssueKubeconfig = Callable[[str, timedelta], tuple[str, datetime]]
"""(ARN of the calling role, validity) -> (kubeconfig YAML, when it expires)"""


@dataclass(frozen=True)
class Role:
    account: str
    name: str
    trust_policy: ram.Document
    policies: tuple[ram.Document, ...] = ()
    max_session_duration: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        ram.check_trust_policy(self.trust_policy)
        for policy in self.policies:
            ram.check_policy(policy)

    @property
    def arn(self) -> str:
        return f"acs:ram::{self.account}:role/{self.name}"


@dataclass(frozen=True)
class Domain:
    name: str
    type: Literal["SYSTEM", "USER"] = "SYSTEM"


@dataclass(frozen=True)
class Endpoint:
    """One way into a registry instance; `internet` or `vpc`."""

    type: Literal["internet", "vpc"]
    domains: tuple[Domain, ...]
    enabled: bool = True
    linked_vpcs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegistryInstance:
    """A Container Registry Enterprise Edition instance."""

    id: str
    region: str
    account: str
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def arn(self) -> str:
        return f"acs:cr:{self.region}:{self.account}:instance/{self.id}"

    def repository_arn(self, repository: str) -> str:
        """The ARN of a repository named `namespace/name`."""
        return f"acs:cr:{self.region}:{self.account}:repository/{self.id}/{repository}"


@dataclass(frozen=True)
class AckCluster:
    id: str
    name: str
    region: str
    account: str
    issue_kubeconfig: IssueKubeconfig
    state: str = "running"


@dataclass(frozen=True)
class World:
    """Everything there is. The find methods give None for what is not there."""

    roles: tuple[Role, ...] = ()
    registries: tuple[RegistryInstance, ...] = ()
    clusters: tuple[AckCluster, ...] = ()

    def find_role(self, arn: str) -> Role | None:
        return next((role for role in self.roles if role.arn == arn), None)

    def find_registry(
        self, instance_id: str, *, account: str, region: str
    ) -> RegistryInstance | None:
        wanted = (instance_id, account, region)
        return next((r for r in self.registries if (r.id, r.account, r.region) == wanted), None)

    def find_cluster(self, cluster_id: str, *, account: str, region: str) -> AckCluster | None:
        wanted = (cluster_id, account, region)
        return next((c for c in self.clusters if (c.id, c.account, c.region) == wanted), None)
