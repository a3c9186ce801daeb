"""What the Status object of a refused request says: who refused it, and which right is missing.

A Status may quote what was sent, or contain anything that a hostile server likes. So its message is
never repeated. Only names in it are, if they look like names of Kubernetes objects. The RBAC rule
that is missing follows from our own request, because readers paste it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, BeforeValidator, ValidationError

from acr_refresher.errors import BrokenObject, Denied, Invalid, PortError, Unreachable
from acr_refresher.log import mask_text
from acr_refresher.settings import SETTINGS

TOKENS = "serviceaccounts/token"
NAMED = frozenset({"secrets", TOKENS})
"""Resources on which the function has rights for single names only."""
VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}
"""The verbs that RBAC has for methods. A GET is `get` or `list`."""


def _text(value: Any) -> str:
    return value[: SETTINGS.answer_text] if isinstance(value, str) else ""


def _fields(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


def _list_of_fields(value: Any) -> Any:
    listed = value if isinstance(value, list) else []
    return list(map(_fields, listed[: SETTINGS.answer_causes]))


Text = Annotated[str, BeforeValidator(_text)]
"""A text, or an empty one: a null in one field must not hide what the others say."""


class Cause(BaseModel):
    """One of the causes in a Status."""

    reason: Text = ""
    field: Text = ""
    message: Text = ""


class Details(BaseModel):
    """The details of a Status."""

    causes: Annotated[tuple[Cause, ...], BeforeValidator(_list_of_fields)] = ()


class Status(BaseModel):
    """The parts of the Kubernetes API's Status object that are looked at."""

    message: Text = ""
    reason: Text = ""
    details: Annotated[Details, BeforeValidator(_fields)] = Details()


def read_status(content: bytes) -> Status:
    """The Status, cut to what is looked at. It is empty if the answer has none."""
    try:
        return Status.model_validate_json(content)
    except ValidationError:
        return Status()


# ---- admission and storage -----------------------------------------------------------------------


class Refusal(NamedTuple):
    """The meaning of a refusal, its words, and whether the same request may succeed soon."""

    meaning: type[PortError]
    words: str
    passes: bool = False


_SPOKEN = re.compile(
    r"""
    admission\ webhook\ "(?P<webhook>[^"]{0,253})"\ denied\ the\ request
    | admission\ webhook\ "(?P<effective>[^"]{0,253})"\ does\ not\ support\ dry\ run
    | AdmissionPolicy\ '(?P<policy>[^']{0,253})'(?:\ with\ binding\ '(?P<binding>[^']{0,253})')?
      \ denied\ request
    | (?:exceeded|failed|status\ unknown\ for)\ quota:\ (?P<quota>[^,:]{0,253})[,:]
    | failed\ calling\ (?:admission\ )?webhook\ "(?P<failed>[^"]{0,253})"
    | unable\ to\ transform\ key\ "(?P<key>[^"]{0,700})"
    """,
    re.VERBOSE,
)
"""What admission and storage say. In these texts, a policy's own words follow the API server's, so
the first match counts. They are in k8s.io/apiserver (pkg/admission/plugin/webhook,
pkg/admission/plugin/policy/validating, pkg/storage/etcd3) and k8s.io/kubernetes
(plugin/pkg/admission/resourcequota)."""
_POLICY = re.compile(
    r"""
    denied\ the\ request:\ \[(?P<gatekeeper>[^]]{1,253})\]
    | blocked\ due\ to\ the\ following\ policies:?\s{1,9}(?P<kyverno>[^\s:]{1,253}):
    """,
    re.VERBOSE,
)
"""How Gatekeeper and Kyverno name the policy. Their webhooks have one name for all policies."""
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}", re.ASCII)
"""The API server accepts no other names of policies, webhooks, quotas, namespaces and Secrets."""
CANNOT_DRY_RUN = "does not support dry runs (its sideEffects), so this cannot be tried"
_ALLOW = "Change the policy so that it allows this request."


def spoken_refusal(body: Status) -> Refusal | None:
    """What admission or storage says in the message. A policy's author chooses the status."""
    said = _SPOKEN.search(body.message)
    if said is None:
        return None
    if said["failed"] is not None:
        return _failed_webhook(said["failed"], body.message)
    if said["key"] is not None:
        return Refusal(BrokenObject, _unreadable(said["key"]))
    if said["effective"] is not None:
        words = f"{_named('admission webhook', said['effective'])} {CANNOT_DRY_RUN}"
        return Refusal(Invalid, words)
    if said["quota"] is not None:
        return Refusal(Denied, f"denied by {_named('quota', said['quota'])}. Raise the quota.")
    if said["webhook"] is not None:
        policy = _POLICY.search(body.message, said.start())
        by = _named("admission webhook", said["webhook"])
        by += _also("policy", policy[policy.lastgroup or 0] if policy else "")
    else:
        by = _named("ValidatingAdmissionPolicy", said["policy"])
        by += _also("binding", said["binding"] or "")
    return Refusal(Denied, f"denied by {by}. {_ALLOW}")


def _failed_webhook(name: str, message: str) -> Refusal:
    """The failure of a webhook. One that hangs is not asked again: it has taken its time-out."""
    hangs = "deadline exceeded" in message or "Client.Timeout" in message
    how = "gives the API server no answer in time" if hangs else "fails"
    words = f"{_named('admission webhook', name)} {how}. Is it running?"
    return Refusal(Unreachable, words, passes=not hangs)


def _unreadable(key: str) -> str:
    """What to say about the object of this key in etcd: `/registry/secrets/shop/acr-pull`."""
    kind, namespace, name = ("", "", *key.split("/"))[-3:]
    known = all(map(_NAME.fullmatch, (kind, namespace, name)))
    stored = f"{namespace}/{name} of {kind}" if known else "an object"
    return (
        f"the API server cannot decrypt {stored}, which it has in its storage. Restore the key of"
        " its encryption at rest, or delete the object."
    )


def _named(kind: str, name: str) -> str:
    return f"{kind} {name}" if _NAME.fullmatch(name) else f"{kind} (its name cannot be shown)"


def _also(kind: str, name: str) -> str:
    return f", {kind} {name}" if _NAME.fullmatch(name) else ""


# ---- RBAC ----------------------------------------------------------------------------------------


_USER = re.compile(r'is forbidden: User "(?P<user>[^"]{1,253})" cannot ')
_USER_NAME = re.compile(r"[\w.:@/+=#-]+", re.ASCII)


def refused_user(content: bytes) -> str:
    """The user that a refusal by RBAC names; empty if it names none that looks like a user."""
    refusal = _USER.search(read_status(content).message)
    user = refusal["user"] if refusal else ""
    return user if _USER_NAME.fullmatch(user) and mask_text(user) == user else ""


def refused_by_rbac(body: Status) -> bool:
    """Whether RBAC refused the request, and not admission."""
    refusal = _USER.search(body.message) or body.message.endswith("is forbidden: ")
    return bool(refusal) and spoken_refusal(body) is None


def missing_rule(method: str, path: str, body: Status) -> str:
    """The RBAC rule that the request needs, and the role that lacks it.

    The rule follows from the request alone. The message decides only whether an apply needs the
    right to patch or to create. Some servers refuse a creation without a reason.
    """
    group, namespace, resource, name = _target(path)
    verb = VERBS.get(method) or ("get" if name and "?" not in path else "list")
    refused = body.message
    if method == "PATCH" and (refused.endswith("is forbidden: ") or '" cannot create ' in refused):
        verb = "create"
    names = f'resourceNames: ["{name}"], ' if name and resource in NAMED else ""
    rule = f'{{apiGroups: ["{group}"], resources: ["{resource}"], {names}verbs: ["{verb}"]}}'
    role = "the ClusterRole of the kubeconfig's user"
    if resource == TOKENS:  # only the right to the token of one account is in a Role
        role = f"the Role of the kubeconfig's user in {namespace}"
    return f"{role} lacks this rule, or its binding is missing: {rule}"


def _target(path: str) -> tuple[str, str, str, str]:
    """The API group, namespace, resource with subresource, and name in our own request."""
    parts = urlsplit(path)
    _, api, *places = parts.path.split("/")
    group, namespace = "", ""
    if api == "apis":
        group, *places = places
    _version, *places = places
    if places[0] == "namespaces" and places[1:]:
        _, namespace, *places = places
    resource, name, *subresource = *places, *([""] * (len(places) == 1))
    selector = "".join(parse_qs(parts.query).get("fieldSelector", ()))
    named = name or selector.removeprefix("metadata.name=")
    return group, namespace, "/".join((resource, *subresource)), named
