"""One cluster's API: a request in, a reply out, and the state in between. No network here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from localkube.double import access_review, deletion, rbac, reads, writes
from localkube.double.dialect import MODERN, Dialect, Version
from localkube.double.rbac import SUPERUSERS, User
from localkube.double.routing import (
    NAMESPACES,
    RESOURCES,
    SERVICE_ACCOUNTS,
    Resource,
    Target,
    target_of,
)
from localkube.double.status import (
    RefusalError,
    forbidden,
    no_such_resource,
    unauthorized,
)
from localkube.double.store import Store
from localkube.double.tokens import KEYS_PATH, KEYS_TYPE, TokenIssuer
from localkube.wire import APPLY_PATCH, JSON, MERGE_PATCH, Json

GROUPS = {resource.group for resource in RESOURCES.values()}
INITIAL_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
METHOD_NOT_ALLOWED = "the server does not allow this method on the requested resource"
ADMIN = User("admin", frozenset({SUPERUSERS}))

# What anybody may read, and what is there to be read.
_OPEN_PATHS: Mapping[str, tuple[str, bytes]] = {
    "/readyz": ("text/plain", b"ok"),
    "/livez": ("text/plain", b"ok"),
    "/healthz": ("text/plain", b"ok"),
}


@dataclass(frozen=True)
class Request:
    """A request to one cluster; ``user`` is None when the credentials are no good."""

    method: str
    path: str
    user: User | None
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = JSON
    agent: str = ""


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


class Api:
    """The API of one cluster and all that it holds.

    Args:
        controllers: whether namespaces get a default service account, and go when deleted.
        version: of Kubernetes, as which it answers.
    """

    def __init__(self, *, controllers: bool = False, version: Version = MODERN) -> None:
        self.store = Store(Dialect(version))
        self._tokens = TokenIssuer()
        self._controllers = controllers
        self.load(*({"kind": "Namespace", "metadata": {"name": n}} for n in INITIAL_NAMESPACES))

    def load(self, *objects: Json) -> None:
        """Create objects as manifests have them, without network and authorization.

        Raises:
            RefusalError: the API would not take one.
        """
        by_kind = {resource.kind: resource for resource in RESOURCES.values()}
        for content in objects:
            resource = by_kind[content["kind"]]
            namespace = content["metadata"].get("namespace", "")
            target = Target("create", resource.group, resource.plural, namespace)
            self._create(
                resource,
                target,
                Request("POST", "", ADMIN, body=_encode(content), agent="localkube"),
            )

    def answer(self, request: Request) -> Reply:
        """Answer as the real API server would."""
        try:
            return self._answer(request)
        except RefusalError as refusal:
            return Reply(refusal.code, _encode(refusal.status))

    def _answer(self, request: Request) -> Reply:
        if request.user is None:
            raise unauthorized()
        target = target_of(request.method, request.path, request.query)
        if target is None:
            return self._beside_resources(request.method, request.path, request.user)
        if access_review.is_review(target):
            return Reply(201, _encode(access_review.review(self.store, request.user, request.body)))
        self._authorize(request.user, target)
        if (target.plural, target.subresource) == (SERVICE_ACCOUNTS.plural, "token"):
            return self._token(target, request)
        if target.resource is not None:
            return self._serve(target.resource, target, request, request.user)
        if target.group in GROUPS:
            raise no_such_resource()
        return Reply(404, b"404 page not found\n", "text/plain")

    def _serve(self, resource: Resource, target: Target, request: Request, user: User) -> Reply:
        match target.verb:
            case "get":
                return Reply(200, reads.get_object(self.store, resource, target))
            case "list":
                body = reads.list_objects(self.store, resource, target, request.query)
                return Reply(200, body)
            case "create":
                body = self._create(resource, target, request)
                return Reply(201, body, warnings=self._warnings(resource, request))
            case "patch":
                return self._patch(resource, target, request, user)
            case "delete":
                return Reply(200, self._delete(resource, target, request))
        message = f"the double does not {target.verb} {target.plural}"
        raise RefusalError(405, "MethodNotAllowed", message)

    def _token(self, target: Target, request: Request) -> Reply:
        if target.verb != "create":
            raise RefusalError(405, "MethodNotAllowed", METHOD_NOT_ALLOWED)
        return Reply(201, _encode(self._tokens.create(self.store, target, request.body)))

    def _authorize(self, user: User, target: Target) -> None:
        if not rbac.is_allowed(self.store, user, target):
            raise forbidden(target, rbac.denial(user, target))

    def _create(self, resource: Resource, target: Target, request: Request) -> bytes:
        stored = writes.create(self._write(resource, target, request))
        if resource is NAMESPACES and self._controllers:
            metadata = {"name": "default", "namespace": stored.name}
            self.load({"kind": SERVICE_ACCOUNTS.kind, "metadata": metadata})
        return reads.singly(resource, stored)

    def _patch(self, resource: Resource, target: Target, request: Request, user: User) -> Reply:
        write = self._write(resource, target, request)
        if request.content_type == MERGE_PATCH:
            merged = reads.singly(resource, writes.merge(write))
            return Reply(200, merged, warnings=self._warnings(resource, request))
        if request.content_type != APPLY_PATCH:
            raise RefusalError(415, "UnsupportedMediaType", "415: Unsupported Media Type")

        def authorize_create() -> None:
            creation = replace(target, verb="create")
            if not rbac.is_allowed(self.store, user, creation):
                denial = rbac.denial(user, creation)
                raise forbidden(target, self.store.dialect.denied_creation(denial))

        stored, is_new = writes.apply(write, authorize_create)
        return Reply(201 if is_new else 200, reads.singly(resource, stored))

    def _warnings(self, resource: Resource, request: Request) -> list[str]:
        """What the server says about the fields of a body that it took."""
        if request.query.get("fieldValidation") == "Ignore":
            return []
        return self.store.dialect.unknown_fields(resource, json.loads(request.body))

    def _write(self, resource: Resource, target: Target, request: Request) -> writes.Write:
        return writes.Write(
            self.store, resource, target, request.body, request.query, request.agent
        )

    def _delete(self, resource: Resource, target: Target, request: Request) -> bytes:
        return deletion.delete(
            self.store,
            resource,
            target,
            request.body,
            request.query,
            finishes_namespaces=self._controllers,
        )

    def _beside_resources(self, method: str, path: str, user: User) -> Reply:
        """Paths that are no resource's."""
        if path == "/version":
            return Reply(200, _encode(self.store.dialect.info))
        if path in _OPEN_PATHS:
            content_type, body = _OPEN_PATHS[path]
            return Reply(200, body, content_type)
        if SUPERUSERS not in user.groups:
            message = f'forbidden: User "{user.name}" cannot {method.lower()} path "{path}"'
            raise RefusalError(403, "Forbidden", message)
        if path == KEYS_PATH:
            return Reply(200, _encode(self._tokens.keys()), KEYS_TYPE)
        return Reply(404, b'{"paths":[]}')


def _encode(content: Json) -> bytes:
    return json.dumps(content).encode()
