"""What the API server checks of an object before it stores it."""

from localkube.double import validation
from localkube.double.dialect import Dialect
from localkube.double.objects import is_terminating
from localkube.double.routing import NAMESPACES, Resource, Target
from localkube.double.status import MODIFIED, bad_request, conflict, forbidden, invalid, not_found
from localkube.double.store import Store, Stored
from localkube.wire import Json

UNCONDITIONAL = (None, "0")  # what a write says that is for any version


def check_admission(store: Store, resource: Resource, target: Target) -> None:
    """New content only goes into a namespace that is there and stays."""
    if not resource.namespaced:
        return
    name = target.namespace
    namespace = store.get(NAMESPACES.plural, "", name)
    if namespace is None:
        raise not_found(NAMESPACES, name)
    if is_terminating(namespace.content):
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
        why = f"unable to create new content in namespace {name} because it is being terminated"
        raise forbidden(target, why, [cause])


def check_identity(
    dialect: Dialect, resource: Resource, target: Target, existing: Stored, given: Json
) -> None:
    """What a write says about the object that it is for must be so."""
    check_name(dialect, resource, target, {"name": existing.name, **given})
    version = given.get("resourceVersion")
    if version not in UNCONDITIONAL and version != existing.version:
        raise conflict(resource.plural, target.name, MODIFIED)
    uid = given.get("uid", existing.uid)
    if uid != existing.uid:
        message = f'Invalid value: "{uid}": field is immutable'
        causes = [("FieldValueInvalid", "metadata.uid", message)]
        raise invalid(resource.qualified_kind, target.name, causes)


def check_name(dialect: Dialect, resource: Resource, target: Target, given: Json) -> None:
    """The name and namespace in an object must be those of the path."""
    if given["name"] != target.name:
        raise bad_request(
            f"the name of the object ({given['name']}) does not match "
            f"the name on the URL ({target.name})"
        )
    namespace = given.get("namespace", target.namespace)
    if resource.namespaced and namespace != target.namespace:
        raise dialect.other_namespace(namespace, target.namespace)


def check_valid(dialect: Dialect, resource: Resource, content: Json, before: Json | None) -> None:
    """The object must be a valid one of its kind, and a valid change."""
    if causes := validation.causes(dialect, resource, content, before):
        raise invalid(resource.qualified_kind, content["metadata"]["name"], causes)
