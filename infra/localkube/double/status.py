"""Refusals: what the API answers, as a Status, when it does not do what was asked."""

from collections.abc import Sequence

from localkube.double.routing import Resource, Target
from localkube.wire import Json

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)
INTERNAL = ""  # the real server gives no reason with a 500 of its decoder


class RefusalError(Exception):
    """An answer other than success: HTTP status, machine-readable reason, message, details."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Json | None = None,
        metadata: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata or {},
            "status": "Failure",
            "message": message,
            **({"reason": reason} if reason else {}),
            **({"details": details} if details else {}),
            "code": code,
        }


def bad_request(message: str) -> RefusalError:
    return RefusalError(400, "BadRequest", message)


def unauthorized() -> RefusalError:
    return RefusalError(401, "Unauthorized", "Unauthorized")


def internal(message: str) -> RefusalError:
    return RefusalError(500, INTERNAL, message)


def not_found(resource: Resource, name: str) -> RefusalError:
    message = f'{resource.qualified} "{name}" not found'
    return RefusalError(404, "NotFound", message, {"name": name, "kind": resource.plural})


def no_such_resource() -> RefusalError:
    return RefusalError(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: Resource, name: str) -> RefusalError:
    message = f'{resource.qualified} "{name}" already exists'
    return RefusalError(409, "AlreadyExists", message, {"name": name, "kind": resource.plural})


def conflict(kind: str, name: str, why: str) -> RefusalError:
    message = f'Operation cannot be fulfilled on {kind} "{name}": {why}'
    return RefusalError(409, "Conflict", message, {"name": name, "kind": kind})


def forbidden(target: Target, why: str, causes: Sequence[Json] = ()) -> RefusalError:
    """A request that is not allowed; ``why`` names the rule or policy."""
    named = f' "{target.name}"' if target.name else ""
    details: Json = {"kind": target.plural}
    if target.group:
        details["group"] = target.group
    if target.name:
        details["name"] = target.name
    if causes:
        details["causes"] = list(causes)
    qualified = f"{target.plural}.{target.group}" if target.group else target.plural
    return RefusalError(403, "Forbidden", f"{qualified}{named} is forbidden: {why}", details)


def invalid(kind: str, name: str, causes: Sequence[tuple[str, str, str]]) -> RefusalError:
    """An object that fails validation: causes of (reason, field, message)."""
    texts = [f"{field}: {message}" for _, field, message in causes]
    why = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {
        **({"name": name} if name else {}),
        "kind": kind,
        "causes": [
            {"reason": reason, "message": message, "field": field}
            for reason, field, message in causes
        ],
    }
    return RefusalError(422, "Invalid", f'{kind} "{name}" is invalid: {why}', details)


def invalid_options(field: str, reason: str, message: str) -> RefusalError:
    """Query parameters that do not go together."""
    return invalid("PatchOptions.meta.k8s.io", "", [(reason, field, message)])


def expired(continue_token: str) -> RefusalError:
    """A continue token whose snapshot is gone, with one for the inconsistent remainder."""
    return RefusalError(410, "Expired", EXPIRED, metadata={"continue": continue_token})
