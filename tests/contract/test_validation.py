"""The API refuses invalid secrets and changes of immutable secrets."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from contract.requests import NAME, apply, encoded, merge, pull_secret, secret_path
from contract.versions import TOO_LONG, Version, expected
from localkube import KubeCluster
from localkube.wire import Json

MIB = 1024 * 1024


@dataclass(frozen=True)
class Invalid:
    """A Secret that is refused, and the error."""

    fields: Json
    field: str
    message: str | Mapping[Version, str]
    reason: str = "FieldValueInvalid"


def opaque(value: bytes) -> Json:
    return {"type": "Opaque", "data": {"x": base64.b64encode(value).decode()}}


INVALID = {
    "Docker config that is no JSON": Invalid(
        {"data": {".dockerconfigjson": encoded("{nope")}},
        "data[.dockerconfigjson]",
        'Invalid value: "<secret contents redacted>": invalid character',
    ),
    "Docker config under another key": Invalid(
        {"data": {"config.json": encoded("{}")}},
        "data[.dockerconfigjson]",
        "Required value",
        "FieldValueRequired",
    ),
    "no data": Invalid(
        {"data": {}}, "data[.dockerconfigjson]", "Required value", "FieldValueRequired"
    ),
    "more than 1 MiB": Invalid(
        opaque(b"a" * (MIB + 1)),
        "data",
        TOO_LONG,
        "FieldValueTooLong",
    ),
    "key with a slash": Invalid(
        {"type": "Opaque", "data": {"a/b": encoded("1")}},
        "data[a/b]",
        'Invalid value: "a/b": a valid config key must consist of',
    ),
    "label with a space": Invalid(
        {"metadata": {"labels": {"team": "a b"}}},
        "metadata.labels",
        'Invalid value: "a b": a valid label must be',
    ),
    "annotation key with a space": Invalid(
        {"metadata": {"annotations": {"a b": "1"}}},
        "metadata.annotations",
        'Invalid value: "a b": name part must consist of',
    ),
}


@pytest.mark.parametrize("case", INVALID.values(), ids=INVALID.keys())
def test_invalid_secrets_are_refused(cluster: KubeCluster, namespace: str, case: Invalid) -> None:
    """An apply and a POST get the same error, which names the invalid field."""
    secret = pull_secret(**case.fields)
    message = case.message if isinstance(case.message, str) else expected(case.message, cluster)
    applied = apply(cluster, namespace, secret)
    posted = cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    for answer in (applied, posted):
        assert (answer.status, answer.reason) == (422, "Invalid")
        assert f'Secret "{NAME}" is invalid: {case.field}: {message}' in answer.message
        [cause] = answer.body["details"]["causes"]
        assert (cause["reason"], cause["field"]) == (case.reason, case.field)
    assert cluster.get_secret(namespace, NAME) is None


def test_a_secret_of_just_1_mib_is_stored(cluster: KubeCluster, namespace: str) -> None:
    assert apply(cluster, namespace, pull_secret(**opaque(b"a" * MIB))).status == 201


def test_names_are_lower_case(cluster: KubeCluster, namespace: str) -> None:
    answer = apply(cluster, namespace, pull_secret(metadata={"name": "Pull_1"}), as_user=None)
    assert answer.status == 422
    assert 'metadata.name: Invalid value: "Pull_1": a lowercase RFC 1123' in answer.message


def test_secrets_need_a_name(cluster: KubeCluster, namespace: str) -> None:
    answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {}})
    assert answer.status == 422
    assert "name or generateName is required" in answer.message


def test_text_is_stored_as_data(cluster: KubeCluster, namespace: str) -> None:
    created = cluster.create_secret(namespace, "plain", stringData={"a": "text"})
    assert created["data"] == {"a": encoded("text")}
    assert created["type"] == "Opaque"
    assert "stringData" not in created


def test_data_that_is_not_base64_is_refused_with_an_error_per_method(
    cluster: KubeCluster, namespace: str
) -> None:
    apply(cluster, namespace, pull_secret())
    bad = {".dockerconfigjson": "%%%"}
    path = f"/api/v1/namespaces/{namespace}/secrets"
    answers = [
        apply(cluster, namespace, pull_secret(data=bad)),
        merge(cluster, secret_path(namespace), {"data": bad}),
        cluster.request("POST", path, pull_secret(data=bad)),
    ]
    assert [answer.status for answer in answers] == [500, 422, 400]
    assert all("illegal base64 data at input byte 0" in answer.message for answer in answers)


def test_a_secret_keeps_its_type(cluster: KubeCluster, namespace: str) -> None:
    apply(cluster, namespace, pull_secret())
    answer = apply(cluster, namespace, pull_secret(**opaque(b"1")))
    assert answer.status == 422
    assert 'type: Invalid value: "Opaque": field is immutable' in answer.message


IMMUTABLE = {
    "data": ({"data": {"x": encoded("2")}}, 422, "data: Forbidden: field is immutable"),
    "turned off": ({"immutable": False}, 422, "immutable: Forbidden: field is immutable"),
    "left out": ({"immutable": None}, 422, "immutable: Forbidden: field is immutable"),
    "label": ({"metadata": {"labels": {"a": "b"}}}, 200, ""),
}


@pytest.mark.parametrize(("patch", "status", "message"), IMMUTABLE.values(), ids=IMMUTABLE.keys())
def test_an_immutable_secret_changes_in_its_metadata_only(
    cluster: KubeCluster, namespace: str, patch: Json, status: int, message: str
) -> None:
    cluster.create_secret(namespace, NAME, immutable=True, data={"x": encoded("1")})
    answer = merge(cluster, secret_path(namespace), patch)
    assert answer.status == status
    assert message in answer.message


class TestPlace:
    """Where new content is accepted."""

    def test_in_no_missing_namespace(self, cluster: KubeCluster) -> None:
        for secret in (pull_secret(), pull_secret(data={})):
            answer = apply(cluster, "missing", secret)
            assert (answer.status, answer.reason) == (404, "NotFound")
            assert answer.message == 'namespaces "missing" not found'

    def test_in_no_other_namespace_than_its_own(self, cluster: KubeCluster, namespace: str) -> None:
        secret = pull_secret(metadata={"namespace": "default"})
        answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
        assert answer.status == 400
        assert "does not match the namespace sent on the request" in answer.message

    @pytest.mark.parametrize("resource", ["secrets", "serviceaccounts"])
    def test_not_twice(self, cluster: KubeCluster, namespace: str, resource: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/{resource}"
        cluster.expect("POST", path, {"metadata": {"name": "one"}})
        answer = cluster.request("POST", path, {"metadata": {"name": "one"}})
        assert (answer.status, answer.reason) == (409, "AlreadyExists")
        assert answer.message == f'{resource} "one" already exists'
