"""Refusals by admission, storage and RBAC: read from the message, without what it may quote."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from acr_refresher.core.model import SecretContent, ServiceAccountState
from acr_refresher.errors import (
    BrokenObject,
    Conflict,
    Denied,
    Gone,
    Invalid,
    PortError,
    Unreachable,
)
from acr_refresher.kube.api import KubernetesApi
from adapters.kubeapi import ask, tls_server
from adapters.loopback import answering, http

Ask = Callable[[KubernetesApi], Awaitable[object]]

CONTENT = SecretContent({}, SecretStr("{}"), ())
ACCOUNT = ServiceAccountState("shop", "default", "1")
REQUESTS: dict[str, Ask] = {
    "list": lambda api: api.list_secrets("acr-pull"),
    "apply": lambda api: api.apply_secret("shop", "acr-pull", CONTENT, None),
    "delete": lambda api: api.delete_secret("shop", "acr-pull", "1", "7"),
    "read account": lambda api: api.read_service_account("shop", "default"),
    "patch account": lambda api: api.patch_service_account(ACCOUNT),
    "token": lambda api: api.service_account_token("shop", "default", "a", timedelta(minutes=10)),
}
DENIALS = [
    (
        'admission webhook "no.example.com" denied the request: the-secret',
        "denied by admission webhook no.example.com. Change the policy",
    ),
    (
        'admission webhook "no.example.com" denied the request without explanation',
        "denied by admission webhook no.example.com. Change the policy",
    ),
    (
        'admission webhook "validation.gatekeeper.sh" denied the request: [needs-team] the-secret',
        "denied by admission webhook validation.gatekeeper.sh, policy needs-team. Change",
    ),
    (
        (
            'admission webhook "validate.kyverno.svc-fail" denied the request: \n\nresource '
            "Secret/shop/acr-pull was blocked due to the following policies \n\nneeds-team:\n  "
            "a-rule: the-secret"
        ),
        "denied by admission webhook validate.kyverno.svc-fail, policy needs-team. Change",
    ),
    (
        (
            "secrets \"acr-pull\" is forbidden: ValidatingAdmissionPolicy 'no-pull' with binding "
            "'everywhere' denied request: the-secret"
        ),
        "denied by ValidatingAdmissionPolicy no-pull, binding everywhere. Change the policy",
    ),
    (
        "ValidatingAdmissionPolicy 'no-pull' denied request: the-secret",
        "denied by ValidatingAdmissionPolicy no-pull. Change the policy",
    ),
    (
        'secrets "acr-pull" is forbidden: exceeded quota: small, requested: secrets=1',
        "denied by quota small. Raise the quota.",
    ),
    (
        (
            'admission webhook "no.example.com" denied the request: failed calling webhook "x": '
            "it is forbidden because it is being terminated"
        ),
        "denied by admission webhook no.example.com. Change the policy",
    ),
    (
        'admission webhook "\u202emoc.elpmaxe" denied the request: no',
        "denied by admission webhook (its name cannot be shown). Change the policy",
    ),
]
STATUSES = (400, 401, 403, 404, 409, 410, 413, 422, 429, 500)


def error_for(use: Ask, status: int, message: str, **fields: object) -> PortError:
    """The error of a request that gets this Status."""
    body = json.dumps({"kind": "Status", "message": message, "code": status, **fields})
    with (
        tls_server(answering(http(f"{status} X", body.encode()))) as server,
        pytest.raises(PortError) as raised,
    ):
        ask(server.kubeconfig(), use)
    return raised.value


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("use", REQUESTS.values(), ids=REQUESTS)
def test_a_denial_has_any_status_and_is_never_taken_for_another(use: Ask, status: int) -> None:
    """The cause is one with which the API server itself would say that the namespace goes."""
    (message, words), *_ = DENIALS
    causes = [{"reason": "NamespaceTerminating"}, {"field": "metadata.uid"}]
    error = error_for(use, status, message, reason="NotFound", details={"causes": causes})
    assert type(error) is Denied
    assert words in str(error)
    assert str(error).endswith(f"({status})")
    assert not error.retryable


@pytest.mark.parametrize(
    "odd",
    [
        {"reason": None},
        {"reason": 5},
        {"details": None},
        {"details": []},
        {"details": {"causes": None}},
        {"details": {"causes": [5, {"field": None, "message": None}]}},
    ],
    ids=str,
)
def test_an_odd_field_of_a_status_does_not_hide_its_message(odd: dict[str, object]) -> None:
    (message, words), *_ = DENIALS
    error = error_for(REQUESTS["apply"], 404, message, **odd)
    assert type(error) is Denied
    assert words in str(error)


@pytest.mark.parametrize("status", [403, 422, 500])
@pytest.mark.parametrize(("message", "words"), DENIALS)
def test_who_denies_is_named_without_their_words(status: int, message: str, words: str) -> None:
    error = error_for(REQUESTS["apply"], status, message)
    assert type(error) is Denied
    assert words in str(error)
    assert "the-secret" not in str(error)
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("why", "words", "passes"),
    [
        (
            'Post "https://a.b.svc:443/?timeout=10s": dial tcp 10.0.0.1:443: connection refused',
            "admission webhook no.example.com fails. Is it running?",
            True,
        ),
        (
            'failed to call webhook: Post "https://a.b.svc:443/": context deadline exceeded',
            "admission webhook no.example.com gives the API server no answer in time. Is it",
            False,
        ),
    ],
)
@pytest.mark.parametrize("use", REQUESTS.values(), ids=REQUESTS)
def test_a_webhook_that_fails_is_named(use: Ask, why: str, words: str, *, passes: bool) -> None:
    message = f'Internal error occurred: failed calling webhook "no.example.com": {why}'
    error = error_for(use, 500, message)
    assert type(error) is Unreachable
    assert words in str(error)
    assert error.retryable is passes


def test_a_webhook_that_cannot_be_tried_is_no_denial() -> None:
    message = 'admission webhook "no.example.com" does not support dry run'
    error = error_for(REQUESTS["apply"], 400, message)
    assert type(error) is Invalid
    assert "admission webhook no.example.com does not support dry runs" in str(error)


def test_a_secret_that_cannot_be_decrypted_is_named() -> None:
    message = (
        'Internal error occurred: unable to transform key "/registry/secrets/theirs/tls": '
        "no matching key was found for the provided AES transformer"
    )
    error = error_for(REQUESTS["list"], 500, message)
    assert type(error) is BrokenObject
    assert not error.retryable
    assert "the API server cannot decrypt theirs/tls of secrets" in str(error)


@pytest.mark.parametrize("key", ["x", "/a/\u202eb/c", "/registry/secrets/A B/c", ""])
def test_a_key_that_names_no_object_is_not_shown(key: str) -> None:
    error = error_for(REQUESTS["list"], 500, f'unable to transform key "{key}": no')
    assert "the API server cannot decrypt an object" in str(error)


@pytest.mark.parametrize(
    ("use", "status", "fields", "meaning", "words"),
    [
        ("apply", 404, {"reason": "NotFound"}, Gone, "the object or its namespace does not exist"),
        ("apply", 404, {}, Unreachable, "Is it an API server?"),
        ("apply", 410, {"reason": "Expired"}, Invalid, "rejects the request as malformed"),
        ("list", 410, {"reason": "Expired"}, Gone, "this page of the list has expired"),
        ("apply", 409, {"reason": "Conflict"}, Conflict, "the object has changed"),
    ],
)
def test_without_admission_the_status_counts(
    use: str, status: int, fields: dict[str, object], meaning: type[PortError], words: str
) -> None:
    error = error_for(REQUESTS[use], status, "declared by a test", **fields)
    assert type(error) is meaning
    assert words in str(error)


@pytest.mark.parametrize(
    ("use", "where", "rule"),
    [
        (
            "list",
            "the ClusterRole of the kubeconfig's user",
            'resources: ["secrets"], resourceNames: ["acr-pull"], verbs: ["list"]',
        ),
        (
            "apply",
            "the ClusterRole of the kubeconfig's user",
            'resources: ["secrets"], resourceNames: ["acr-pull"], verbs: ["patch"]',
        ),
        (
            "delete",
            "the ClusterRole of the kubeconfig's user",
            'resources: ["secrets"], resourceNames: ["acr-pull"], verbs: ["delete"]',
        ),
        (
            "patch account",
            "the ClusterRole of the kubeconfig's user",
            'resources: ["serviceaccounts"], verbs: ["patch"]',
        ),
        (
            "token",
            "the Role of the kubeconfig's user in shop",
            'resources: ["serviceaccounts/token"], resourceNames: ["default"], verbs: ["create"]',
        ),
    ],
)
def test_the_rule_to_paste_follows_from_our_request(use: str, where: str, rule: str) -> None:
    """A server that names any other right cannot make a reader grant it."""
    message = (
        'secrets is forbidden: User "hunter2" cannot escalate resource "*" in API group "*" in the '
        'namespace "kube-system"'
    )
    error = error_for(REQUESTS[use], 403, message, details={"name": "*", "kind": "*"})
    lacks = "lacks this rule, or its binding is missing"
    assert str(error).endswith(f'{where} {lacks}: {{apiGroups: [""], {rule}}} (403)')
    assert "hunter2" not in str(error)


def test_an_apply_that_would_create_names_that_right() -> None:
    message = 'secrets "acr-pull" is forbidden: User "a" cannot create resource "secrets"'
    error = error_for(REQUESTS["apply"], 403, message)
    assert 'resourceNames: ["acr-pull"], verbs: ["create"]}' in str(error)


def test_another_api_group_is_named() -> None:
    message = 'x is forbidden: User "a" cannot create resource "x" in API group "y"'
    error = error_for(lambda api: api.may(verb="get"), 403, message)
    group = '{apiGroups: ["authorization.k8s.io"], resources: ["selfsubjectaccessreviews"], '
    assert group + 'verbs: ["create"]}' in str(error)


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("system:serviceaccount:ops:acr-refresher", "system:serviceaccount:ops:acr-refresher"),
        ("https://issuer.example.com#me", "https://issuer.example.com#me"),
        ("239482739482739482-1699999999", "239482739482739482-1699999999"),
        ("the-token", ""),  # of the kubeconfig: a server may repeat what it was sent
        ("eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl", ""),
        ("a b", ""),
        ("a\u202eb", ""),
        ("x" * 300, ""),
    ],
)
def test_a_user_is_named_only_if_it_looks_like_one(named: str, shown: str) -> None:
    message = f'namespaces is forbidden: User "{named}" cannot list resource "namespaces"'
    body = json.dumps({"message": message}).encode()
    with tls_server(answering(http("403 Forbidden", body))) as server:
        assert ask(server.kubeconfig(), lambda api: api.refused_user()) == shown


def test_what_a_conflict_names_is_bounded_and_printable() -> None:
    causes = [{"field": f"f{each}" * 50, "message": 'conflict with "x"'} for each in range(1000)]
    causes[0] = {"field": "\u202ea", "message": 'conflict with "\u202eb"'}
    for status in (409, 422):
        error = error_for(REQUESTS["apply"], status, "no", details={"causes": causes})
        assert len(str(error)) < 600
        assert str(error).isprintable()


def test_an_audit_id_that_is_none_is_not_kept() -> None:
    for given, kept in (("0a1b-2c", "0a1b-2c"), ("a b", ""), ("x" * 100, "")):
        answer = http("403 Forbidden", b"{}", f"Audit-Id: {given}")
        with tls_server(answering(answer)) as server, pytest.raises(Denied) as raised:
            ask(server.kubeconfig(), REQUESTS["list"])
        assert raised.value.request_id == kept
