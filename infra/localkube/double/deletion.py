"""DELETE of one object."""

import json
from collections.abc import Mapping

from localkube.double import objects
from localkube.double.reads import singly
from localkube.double.routing import NAMESPACES, SECRETS, SERVICE_ACCOUNTS, Resource, Target
from localkube.double.status import conflict, forbidden, internal, not_found
from localkube.double.store import Store, Stored, seal
from localkube.wire import Json

UNDELETABLE = ("default", "kube-system", "kube-public")


def delete(
    store: Store,
    resource: Resource,
    target: Target,
    body: bytes,
    query: Mapping[str, str],
    *,
    finishes_namespaces: bool,
) -> bytes:
    """Delete an object that fulfils the preconditions in the body.

    Without a controller that finishes it, a namespace stays terminating.

    Raises:
        RefusalError: it is not deleted.
    """
    existing = store.find(resource, target)
    if existing is None:
        raise not_found(resource, target.name)
    if resource is NAMESPACES and target.name in UNDELETABLE:
        raise forbidden(target, "this namespace may not be deleted")
    options = _options(body, query)
    _check_preconditions(resource, existing, options.get("preconditions") or {})
    dry_run = bool(options.get("dryRun"))
    if resource is NAMESPACES:
        return _terminate(store, existing, dry_run=dry_run, finish=finishes_namespaces)
    if not dry_run:
        store.remove(resource.plural, existing)
    if resource is SERVICE_ACCOUNTS:
        return singly(resource, existing)
    details = {"name": existing.name, "kind": resource.plural, "uid": existing.uid}
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return json.dumps({**success, "details": details}).encode()


def _options(body: bytes, query: Mapping[str, str]) -> Json:
    """The options in the body; only when there is none, those in the query."""
    if not body:
        return {"dryRun": query.get("dryRun")}
    try:
        options: Json = json.loads(body)
    except ValueError:
        raise internal("couldn't get version/kind; json parse error") from None
    return options


def _check_preconditions(resource: Resource, existing: Stored, preconditions: Json) -> None:
    uid = preconditions.get("uid", existing.uid)
    if uid != existing.uid:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record "
            f"({existing.uid}). The object might have been deleted and then recreated"
        )
        raise conflict(resource.kind, existing.name, why)
    version = preconditions.get("resourceVersion", existing.version)
    if version != existing.version:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the "
            f"ResourceVersion in record ({existing.version}). The object might have been modified"
        )
        raise conflict(resource.kind, existing.name, why)


def _terminate(store: Store, namespace: Stored, *, dry_run: bool, finish: bool) -> bytes:
    content = objects.terminating(namespace.content)
    if dry_run:
        return singly(NAMESPACES, seal(content, namespace.owners))
    if not objects.is_terminating(namespace.content):
        namespace = store.put(NAMESPACES.plural, content, namespace.owners)
    if finish:
        for resource in (SECRETS, SERVICE_ACCOUNTS):
            for stored in store.latest(resource.plural).after("", f"{namespace.name}/").objects:
                store.remove(resource.plural, stored)
        store.remove(NAMESPACES.plural, namespace)
    return singly(NAMESPACES, namespace)
