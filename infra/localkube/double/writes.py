"""POST, server-side apply and merge patch."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import yaml

from localkube.double import ownership, validation
from localkube.double.checks import check_admission, check_identity, check_name, check_valid
from localkube.double.dialect import Dialect, namespace_mismatch
from localkube.double.objects import completed, known_fields, merge_patched, new_object
from localkube.double.ownership import FieldConflictError, Manager, Owners
from localkube.double.routing import Resource, Target
from localkube.double.status import (
    RefusalError,
    already_exists,
    bad_request,
    conflict,
    internal,
    invalid,
    invalid_options,
    not_found,
)
from localkube.double.store import Store, Stored, seal
from localkube.wire import Json


@dataclass(frozen=True)
class Write:
    """A request to store something."""

    store: Store
    resource: Resource
    target: Target
    body: bytes
    query: Mapping[str, str]
    agent: str = ""

    @property
    def dialect(self) -> Dialect:
        return self.store.dialect

    @property
    def updater(self) -> Manager:
        """Who writes: the field manager given, else the client's name from its User-Agent."""
        return Manager(self.query.get("fieldManager") or self.agent.partition("/")[0], "Update")

    @property
    def is_dry_run(self) -> bool:
        value = self.query.get("dryRun", "")
        if value not in ("", "All"):
            message = f'Unsupported value: []string{{"{value}"}}: supported values: "All"'
            raise invalid_options("dryRun", "FieldValueNotSupported", message)
        return value == "All"


def create(write: Write) -> Stored:
    """POST.

    Raises:
        RefusalError: it is not stored.
    """
    dry_run = write.is_dry_run
    resource, target = write.resource, write.target
    submitted = _json_object(write.body, bad_request("the object provided is unrecognized"))
    if why := validation.undecodable(write.dialect, resource, submitted):
        kind = resource.kind
        raise bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {why}')
    metadata = submitted.get("metadata") or {}
    if resource.namespaced and metadata.get("namespace", target.namespace) != target.namespace:
        raise namespace_mismatch()
    if not metadata.get("name"):
        message = "Required value: name or generateName is required"
        causes = [("FieldValueRequired", "metadata.name", message)]
        raise invalid(resource.qualified_kind, "", causes)
    target = replace(target, name=metadata["name"])
    content = new_object(write.dialect, resource, submitted, target.namespace)
    check_admission(write.store, resource, target)
    check_valid(write.dialect, resource, content, None)
    if write.store.find(resource, target):
        raise already_exists(resource, target.name)
    owners = ownership.updated({}, {}, ownership.leaves(content), write.updater)
    return _commit(write, content, owners, None, dry_run=dry_run)


def apply(write: Write, authorize_create: Callable[[], None]) -> tuple[Stored, bool]:
    """PATCH by server-side apply; also whether the object is new.

    Args:
        write: the request.
        authorize_create: refuses where the user may not create the object.

    Raises:
        RefusalError: it is not stored.
    """
    dry_run = write.is_dry_run
    if not write.query.get("fieldManager"):
        message = "Required value: is required for apply patch"
        raise invalid_options("fieldManager", "FieldValueRequired", message)
    manager = Manager(write.query["fieldManager"], "Apply")
    dialect = write.dialect
    patch = _apply_patch(dialect, write.resource, write.body)
    fields = {"metadata": patch.get("metadata"), **known_fields(write.resource, patch)}
    wanted = ownership.leaves(fields)
    existing = write.store.find(write.resource, write.target)
    if existing is None:
        content = _applied_anew(write, patch)
        authorize_create()
        _, owners = ownership.applied({}, {}, wanted, manager, force=False)
        return _commit(write, content, owners, None, dry_run=dry_run), True
    live = ownership.leaves(existing.content)
    force = write.query.get("force") == "true"
    try:
        after, owners = ownership.applied(live, existing.owners, wanted, manager, force=force)
    except FieldConflictError as error:
        raise _field_conflict(error) from None
    check_identity(dialect, write.resource, write.target, existing, patch.get("metadata") or {})
    content = completed(dialect, write.resource, ownership.with_leaves(existing.content, after))
    check_valid(dialect, write.resource, content, existing.content)
    return _commit(write, content, owners, existing, dry_run=dry_run), False


def merge(write: Write) -> Stored:
    """PATCH by JSON merge patch, RFC 7396.

    Raises:
        RefusalError: it is not stored.
    """
    dry_run = write.is_dry_run
    resource, target, dialect = write.resource, write.target, write.dialect
    if "force" in write.query:
        message = "Forbidden: may not be specified for non-apply patch"
        raise invalid_options("force", "FieldValueForbidden", message)
    existing = write.store.find(resource, target)
    if existing is None:
        raise not_found(resource, target.name)
    merged = merge_patched(existing.content, _json_object(write.body, dialect.not_a_json_patch))
    if why := validation.undecodable(dialect, resource, merged):
        raise invalid("", "", [("FieldValueInvalid", "patch", f"Invalid value: {why}")])
    check_identity(dialect, resource, target, existing, merged["metadata"])
    wanted = ownership.leaves({"metadata": merged["metadata"], **known_fields(resource, merged)})
    content = completed(dialect, resource, ownership.with_leaves(existing.content, wanted))
    check_valid(dialect, resource, content, existing.content)
    live = ownership.leaves(existing.content)
    owners = ownership.updated(live, existing.owners, wanted, write.updater)
    return _commit(write, content, owners, existing, dry_run=dry_run)


def _applied_anew(write: Write, patch: Json) -> Json:
    """What an apply makes where there is no object yet."""
    resource, target = write.resource, write.target
    metadata = patch.get("metadata") or {}
    if uid := metadata.get("uid"):
        why = f"the provided object specified uid {uid}, and no existing object was found"
        raise conflict(resource.plural, target.name, f"uid mismatch: {why}")
    named = {"name": target.name, **metadata}
    check_name(write.dialect, resource, target, named)
    content = new_object(write.dialect, resource, {**patch, "metadata": named}, target.namespace)
    check_admission(write.store, resource, target)
    check_valid(write.dialect, resource, content, None)
    return content


def _apply_patch(dialect: Dialect, resource: Resource, body: bytes) -> Json:
    """The body of an apply, JSON or any other YAML, that fits the resource."""
    try:
        patch = json.loads(body) if body.startswith(b"{") else yaml.safe_load(body)
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"error decoding YAML: {error}") from None
    patch = patch if isinstance(patch, dict) else {}
    if refusal := dialect.other_type(resource, patch):
        raise refusal
    if (patch.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if why := validation.not_in_schema(resource, patch):
        raise internal(f"failed to create typed patch object: {why}")
    if why := validation.undecodable(dialect, resource, patch):
        raise internal(f"failed to convert new object to proper version: {why}")
    return dict(patch)


def _json_object(body: bytes, otherwise: RefusalError) -> Json:
    try:
        content = json.loads(body)
    except ValueError:
        raise otherwise from None
    if not isinstance(content, dict):
        raise otherwise
    return content


def _field_conflict(error: FieldConflictError) -> RefusalError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {ownership.describe(manager)}",
            "field": field,
        }
        for manager, field in error.causes
    ]
    return RefusalError(409, "Conflict", str(error), {"causes": causes})


def _commit(
    write: Write, content: Json, owners: Owners, existing: Stored | None, *, dry_run: bool
) -> Stored:
    """Store an object, unless nothing changes."""
    metadata = {key: value for key, value in content["metadata"].items() if key != "managedFields"}
    if fields := ownership.managed_fields(owners, write.resource.api_version):
        metadata["managedFields"] = fields
    content = {**content, "metadata": metadata}
    if existing is not None and content == existing.content:
        return existing
    if dry_run:
        return seal(content, owners)
    return write.store.put(write.resource.plural, content, owners)
