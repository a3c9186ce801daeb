"""Whatever stands in the annotations and documents of a cluster, a plan and a status follow."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from acr_refresher.core.model import Cluster, KubeconfigAccess, NamespaceState, SecretState
from acr_refresher.core.plan import plan
from acr_refresher.core.secret import (
    CONTENT_ANNOTATION,
    ENTRIES_ANNOTATION,
    MANAGED_BY_LABEL,
    MANAGER,
    REFRESHED_AT_ANNOTATION,
    _checksum,
)
from acr_refresher.core.secret_status import by_urgency, secret_statuses
from acr_refresher.core.select import INSTANCE_IDS_ANNOTATION, ROLE_ANNOTATIONS
from acr_refresher.kube.objects import namespace_state, secret_state
from factories import MAIN, NOW, PARTNER, credential, request, secret, state, wanted
from fuzzing import altered, assert_linear, fuzzed, garbled, texts, values

SOUND = secret(credential(MAIN), credential(PARTNER))
RECORD = json.loads(SOUND.annotations[ENTRIES_ANNOTATION])
DOCUMENT = json.loads(SOUND.dockerconfigjson.get_secret_value())
PULL_SECRETS = (wanted(MAIN, PARTNER, namespaces=("*",)),)
CLUSTER = Cluster("prod", KubeconfigAccess("idc.yaml"), PULL_SECRETS)


def edited(record: str, document: str, refreshed_at: str = "") -> SecretState:
    """The Secret after somebody edited it, who knows how its checksum is made."""
    given = SecretStr(document)
    annotations = {
        **SOUND.annotations,
        ENTRIES_ANNOTATION: record,
        CONTENT_ANNOTATION: _checksum(record, given),
        REFRESHED_AT_ANNOTATION: refreshed_at or SOUND.annotations[REFRESHED_AT_ANNOTATION],
    }
    return replace(SOUND, annotations=annotations, dockerconfigjson=given)


def check(found: SecretState, *namespaces: NamespaceState) -> None:
    """A plan and a status follow, which can be shown."""
    seen = state(found, namespaces=namespaces or ("default",))
    for actions in plan(PULL_SECRETS, seen, request(), NOW):
        assert all(repr(action) for action in actions)
    statuses = secret_statuses(CLUSTER, seen, NOW)
    assert len(by_urgency(statuses)) == len(statuses)


@fuzzed(200)
@given(altered(RECORD), altered(DOCUMENT), texts)
def test_an_edited_pull_secret_has_a_plan_and_a_status(
    record: object, document: object, refreshed_at: str
) -> None:
    check(edited(json.dumps(record), json.dumps(document), refreshed_at))
    check(edited(json.dumps(record), json.dumps(DOCUMENT)))
    check(edited(json.dumps(RECORD), json.dumps(document)))


@fuzzed(150)
@given(garbled(json.dumps(RECORD)), garbled(json.dumps(DOCUMENT)))
def test_a_garbled_pull_secret_has_a_plan_and_a_status(record: str, document: str) -> None:
    check(edited(record, document))
    check(edited(record, json.dumps(DOCUMENT)))


@fuzzed(150)
@given(texts, st.text(max_size=30))
def test_any_login_in_a_document_has_a_plan_and_a_status(login: str, other: str) -> None:
    for given_login in (login, other, f"{login}:{other}"):
        data = base64.b64encode(given_login.encode("utf-8", "surrogatepass")).decode()
        auths = {host: {"auth": data} for host in DOCUMENT["auths"]}
        check(edited(json.dumps(RECORD), json.dumps({"auths": auths})))


MANIFEST = {
    "metadata": {
        "namespace": "default",
        "name": "acr-pull",
        "uid": "1",
        "resourceVersion": "1",
        "labels": {MANAGED_BY_LABEL: MANAGER},
        "annotations": dict(SOUND.annotations),
    },
    "type": SOUND.type,
    "data": {
        ".dockerconfigjson": base64.b64encode(
            SOUND.dockerconfigjson.get_secret_value().encode()
        ).decode()
    },
}
MALFORMED = (KeyError, TypeError, AttributeError, ValueError)
"""What converting an object may raise: the adapter turns it into Invalid."""


def converted(convert: Callable[[Any], Any], found: object) -> Any:
    try:
        return convert(found)
    except MALFORMED:
        return None


@fuzzed(150)
@given(altered(MANIFEST))
def test_an_altered_object_is_malformed_or_has_a_plan(manifest: object) -> None:
    read = converted(lambda given: secret_state(given, decoded={}), manifest)
    if read is not None:
        check(read)


@fuzzed(150)
@given(texts | st.lists(texts).map(",".join), values)
def test_any_annotation_of_a_namespace_is_a_request_or_none(wanted_ids: str, other: object) -> None:
    annotations = {INSTANCE_IDS_ANNOTATION: wanted_ids, next(iter(ROLE_ANNOTATIONS)): other}
    found = {"metadata": {"name": "default", "annotations": annotations}}
    for given_annotations in (annotations, {INSTANCE_IDS_ANNOTATION: wanted_ids}):
        found["metadata"]["annotations"] = given_annotations
        read = converted(namespace_state, found)
        if read is not None:
            check(SOUND, read)


# ---- steps ---------------------------------------------------------------------------------------


def entries(size: int, **changes: object) -> str:
    sound = RECORD[0]
    return json.dumps(
        [{**sound, "registry": f"r{at}", "hosts": [f"h{at}"], **changes} for at in range(size)]
    )


RECORDS: Mapping[str, Callable[[int], str]] = {
    "registries": entries,
    "entries of one registry": lambda size: entries(size, registry="main"),
    "hosts": lambda size: entries(1, hosts=[f"h{at}" for at in range(size)]),
    "hosts of one name": lambda size: entries(1, hosts=["h"] * size),
    "opened": lambda size: "[" * size,
    "digits": lambda size: entries(1, expiresAt="1" * size),
}


@pytest.mark.parametrize("family", RECORDS)
def test_a_record_takes_steps_by_its_size(family: str) -> None:
    assert_linear(lambda size: check(edited(RECORDS[family](size), json.dumps(DOCUMENT))), 500)


@pytest.mark.parametrize("form", ["cri-{}", "cn-hangzhou:cri-{}", "a", ""])
def test_a_namespaces_request_takes_steps_by_its_size(form: str) -> None:
    def ask(size: int) -> None:
        ids = ",".join(form.format(at) for at in range(size))
        found = {"metadata": {"name": "default", "annotations": {INSTANCE_IDS_ANNOTATION: ids}}}
        check(SOUND, namespace_state(found))

    assert_linear(ask, 500)


def test_a_document_takes_steps_by_its_size() -> None:
    def read(size: int) -> None:
        auths = {f"h{at}": {"auth": "YTpi"} for at in range(size)}
        check(edited(json.dumps(RECORD), json.dumps({"auths": auths})))

    assert_linear(read, 500)
