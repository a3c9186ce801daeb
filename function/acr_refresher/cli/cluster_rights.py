"""The rights in a cluster, each asked for there.

Where single ones are missing, the ClusterRole lacks rules; where all are, it is the grant of it.
"""

from __future__ import annotations

import asyncio
from functools import partial

from acr_refresher.adapters.kube import KubernetesApi
from acr_refresher.cli import grants
from acr_refresher.cli.findings import Finding, Verdict
from acr_refresher.cli.rights import Right, rights_in
from acr_refresher.core.model import AckAccess, Cluster
from acr_refresher.retry import retrying


async def judged_rights(
    subject: str, caller: str, cluster: Cluster, kube: KubernetesApi
) -> tuple[Finding, ...]:
    """A finding for each right; for all of the ClusterRole a single one where none is there."""
    rights = rights_in(cluster)
    allowed = await asyncio.gather(
        *(retrying(partial(kube.may, **right.attributes)) for right in rights)
    )
    may = dict(zip(rights, allowed, strict=True))
    by_role = [right for right in rights if not right.namespace]
    if any(may[right] for right in by_role):
        return tuple(_judged(subject, right, may=may[right]) for right in rights)
    ungranted = _ungranted(subject, caller, cluster, await retrying(kube.refused_user))
    others = (right for right in rights if right.namespace)
    return (ungranted, *(_judged(subject, right, may=may[right]) for right in others))


def _judged(subject: str, right: Right, *, may: bool) -> Finding:
    if may:
        return Finding(subject, str(right))
    return Finding(subject, str(right), Verdict.MISSING, grants=grants.in_cluster(right))


def _ungranted(subject: str, caller: str, cluster: Cluster, user: str) -> Finding:
    whom = f"user {user}" if user else "the kubeconfig's user"
    why = (
        f"{whom} has none of the rights: the ClusterRole is not granted, or is not there itself"
        " (kubectl apply -f infra/rbac/clusterrole.yaml)"
    )
    if isinstance(access := cluster.access, AckAccess):
        holder = grants.holder_of(caller, access.role_chain)
        needed = grants.granted_by_ack(holder, access.cluster_id)
    else:
        needed = grants.bound(user)
    what = f"the ClusterRole {grants.CLUSTER_ROLE}"
    return Finding(subject, what, Verdict.MISSING, why, needed)
