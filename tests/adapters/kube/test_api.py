"""The API server as runs use it: one suite, on the double and on the real kube-apiserver."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from acr_refresher.core.model import SecretContent, ServiceAccountState
from acr_refresher.errors import Conflict, Gone, Invalid
from acr_refresher.kube import lists as kube_lists
from acr_refresher.kube.api import KubernetesApi, KubernetesConnector
from acr_refresher.kube.objects import secret_state
from acr_refresher.run.ports import Kubeconfig
from acr_refresher.settings import SETTINGS
from adapters import kubeapi
from localkube.cluster import KubeCluster
from localkube.double import DoubleCluster

T = TypeVar("T")
NewNamespace = Callable[[KubeCluster], str]

DOCUMENT = '{"auths": {"registry.example.com": {"auth": "dXNlcjp0b2tlbg=="}}}'
OTHER_DOCUMENT = '{"auths": {"other.example.com": {"auth": "dXNlcjp3b3Jk"}}}'
UNKNOWN_UID = "6a1d7f0e-0000-4000-8000-000000000000"


def content(document: str = DOCUMENT) -> SecretContent:
    return SecretContent({"acr-refresher/run": "run-1"}, SecretStr(document), ())


def ask(cluster: KubeCluster, use: Callable[[KubernetesApi], Awaitable[T]]) -> T:
    """What `use` gets with the rights of infra/rbac."""
    return kubeapi.ask(cluster.kubeconfig(), use)


def stranger(document: str = OTHER_DOCUMENT) -> dict[str, Any]:
    """The fields of a Secret that another client made."""
    encoded = base64.b64encode(document.encode()).decode()
    return {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": encoded}}


def uid_of(cluster: KubeCluster, namespace: str) -> str:
    secret = cluster.get_secret(namespace, "acr-pull")
    assert secret is not None
    return str(secret["metadata"]["uid"])


def version_of(cluster: KubeCluster, namespace: str) -> str:
    secret = cluster.get_secret(namespace, "acr-pull")
    assert secret is not None
    return str(secret["metadata"]["resourceVersion"])


# ---- lists ---------------------------------------------------------------------------------------


def test_namespaces_have_their_labels(cluster: KubeCluster, new_namespace: NewNamespace) -> None:
    name = new_namespace(cluster)
    cluster.create_namespace(f"{name}-labelled", {"team": "shop"})

    found = {each.name: each for each in ask(cluster, lambda api: api.list_namespaces())}

    assert found[f"{name}-labelled"].labels["team"] == "shop"
    assert "team" not in found[name].labels
    assert not found[name].terminating


def test_secrets_of_the_name_are_found_in_all_namespaces(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    ours, theirs = new_namespace(cluster), new_namespace(cluster)
    ask(cluster, lambda api: api.apply_secret(ours, "acr-pull", content(), None))
    cluster.create_secret(theirs, "acr-pull", **stranger(), immutable=True)
    cluster.create_secret(theirs, "database", stringData={"password": "word"})

    secrets = ask(cluster, lambda api: api.list_secrets("acr-pull"))

    found = {secret.namespace: secret for secret in secrets}
    assert found[ours].managed
    assert not found[ours].immutable
    assert found[ours].type == "kubernetes.io/dockerconfigjson"
    assert found[ours].uid == uid_of(cluster, ours)
    assert found[ours].annotations == {"acr-refresher/run": "run-1"}
    assert found[ours].dockerconfigjson.get_secret_value() == DOCUMENT
    assert not found[theirs].managed
    assert found[theirs].immutable
    assert len([secret for secret in secrets if secret.namespace == theirs]) == 1


def test_one_secret_is_read_as_it_is_listed(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    ours, without = new_namespace(cluster), new_namespace(cluster)
    ask(cluster, lambda api: api.apply_secret(ours, "acr-pull", content(), None))
    cluster.create_secret(ours, "database", stringData={"password": "word"})

    async def read(api: KubernetesApi) -> None:
        listed = await api.list_secrets("acr-pull")
        assert await api.read_secret(ours, "acr-pull") in listed
        assert await api.read_secret(without, "acr-pull") is None

    ask(cluster, read)


def test_service_accounts_have_their_references_in_order(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    cluster.create_service_account(namespace, "builder", ["b", "a"])

    accounts = ask(cluster, lambda api: api.list_service_accounts())

    [builder] = [a for a in accounts if (a.namespace, a.name) == (namespace, "builder")]
    assert builder.image_pull_secrets == ("b", "a")
    assert builder == ask(cluster, lambda api: api.read_service_account(namespace, "builder"))


def test_a_long_list_is_read_page_by_page(
    cluster: KubeCluster, new_namespace: NewNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = new_namespace(cluster)
    for number in range(5):
        cluster.create_service_account(namespace, f"account-{number}")
    monkeypatch.setattr(kube_lists, "SETTINGS", replace(SETTINGS, kube_page_size=2))

    async def listed(api: KubernetesApi) -> tuple[set[str], int]:
        accounts = await api.list_service_accounts()
        return {a.name for a in accounts if a.namespace == namespace}, api.requests

    names, requests = ask(cluster, listed)

    assert names >= {f"account-{number}" for number in range(5)}
    assert requests > 2


# ---- the secret ----------------------------------------------------------------------------------


def test_a_secret_is_created_and_then_changed_by_its_uid(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    ask(cluster, lambda api: api.apply_secret(namespace, "acr-pull", content("{}"), None))
    uid = uid_of(cluster, namespace)

    ask(cluster, lambda api: api.apply_secret(namespace, "acr-pull", content(), uid))

    secret = cluster.get_secret(namespace, "acr-pull")
    assert secret is not None
    assert secret["metadata"]["uid"] == uid
    assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "acr-refresher"}
    assert secret["metadata"]["annotations"] == {"acr-refresher/run": "run-1"}
    assert base64.b64decode(secret["data"][".dockerconfigjson"]).decode() == DOCUMENT
    managers = {field["manager"] for field in secret["metadata"]["managedFields"]}
    assert managers == {"acr-refresher"}


def test_fields_that_another_took_are_taken_back_by_uid(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    cluster.create_secret(namespace, "acr-pull", **stranger())
    uid = uid_of(cluster, namespace)

    ask(cluster, lambda api: api.apply_secret(namespace, "acr-pull", content(), uid))

    secret = cluster.get_secret(namespace, "acr-pull")
    assert secret is not None
    assert base64.b64decode(secret["data"][".dockerconfigjson"]).decode() == DOCUMENT


def test_a_secret_is_changed_only_at_the_version_that_was_read(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)

    async def overlap(api: KubernetesApi) -> None:
        await api.apply_secret(namespace, "acr-pull", content("{}"), None)
        listed = await api.read_secret(namespace, "acr-pull")
        assert listed
        seen = listed.uid, listed.resource_version
        await api.apply_secret(namespace, "acr-pull", content(), *seen)
        with pytest.raises(Conflict, match="the object has changed"):
            await api.apply_secret(namespace, "acr-pull", content("[]"), *seen)
        by_now = await api.read_secret(namespace, "acr-pull")
        assert by_now
        assert by_now.dockerconfigjson.get_secret_value() == DOCUMENT
        assert by_now.resource_version != listed.resource_version
        # Who goes by what is there now, and has the same to write, writes nothing.
        await api.apply_secret(
            namespace, "acr-pull", content(), by_now.uid, by_now.resource_version
        )
        assert await api.read_secret(namespace, "acr-pull") == by_now

    ask(cluster, overlap)


@pytest.mark.parametrize("fields", [stranger(), {"type": "Opaque", "data": {}}])
def test_a_secret_that_appeared_meanwhile_is_a_conflict_that_names_its_writer(
    cluster: KubeCluster, new_namespace: NewNamespace, fields: dict[str, Any]
) -> None:
    namespace = new_namespace(cluster)
    cluster.create_secret(namespace, "acr-pull", **fields)
    before = cluster.get_secret(namespace, "acr-pull")

    with pytest.raises(
        Conflict, match=r"belongs to another writer: written by .+ \(409\)"
    ) as raised:
        ask(cluster, lambda api: api.apply_secret(namespace, "acr-pull", content(), None))

    assert raised.value.code == "409"
    assert cluster.get_secret(namespace, "acr-pull") == before


@pytest.mark.parametrize("exists", [False, True])
def test_a_secret_that_is_not_the_one_seen_is_a_conflict(
    cluster: KubeCluster, new_namespace: NewNamespace, exists: bool
) -> None:
    namespace = new_namespace(cluster)
    if exists:
        cluster.create_secret(namespace, "acr-pull", **stranger())
    before = cluster.get_secret(namespace, "acr-pull")

    with pytest.raises(Conflict):
        ask(cluster, lambda api: api.apply_secret(namespace, "acr-pull", content(), UNKNOWN_UID))

    assert cluster.get_secret(namespace, "acr-pull") == before


def test_a_secret_is_deleted_once(cluster: KubeCluster, new_namespace: NewNamespace) -> None:
    namespace = new_namespace(cluster)
    cluster.create_secret(namespace, "acr-pull", **stranger())
    uid, version = uid_of(cluster, namespace), version_of(cluster, namespace)

    ask(cluster, lambda api: api.delete_secret(namespace, "acr-pull", uid, version))
    assert cluster.get_secret(namespace, "acr-pull") is None
    with pytest.raises(Gone):
        ask(cluster, lambda api: api.delete_secret(namespace, "acr-pull", uid, version))


def test_the_answer_to_a_write_says_whether_the_secret_is_new(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    writes = [
        ask(cluster, lambda api: api.apply_secret(namespace, "acr-pull", content(), None))
        for _ in range(2)
    ]
    assert [each.created for each in writes] == [True, False]


def test_an_object_is_found_by_name_and_none_is_only_none_by_a_list(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    body = {"metadata": {"name": "builder"}}
    cluster.expect("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", body)

    async def found(api: KubernetesApi) -> tuple[object, ...]:
        account = await api.find_service_account(namespace, "builder")
        there = await api.find_namespace(namespace)
        return (
            account and account.name,
            await api.find_service_account(namespace, "nobody"),
            there and there.name,
            await api.find_namespace(f"{namespace}-not"),
        )

    assert ask(cluster, found) == ("builder", None, namespace, None)


def test_anothers_secret_is_not_deleted(cluster: KubeCluster, new_namespace: NewNamespace) -> None:
    namespace = new_namespace(cluster)
    cluster.create_secret(namespace, "acr-pull", **stranger())

    version = version_of(cluster, namespace)

    with pytest.raises(Conflict):
        ask(cluster, lambda api: api.delete_secret(namespace, "acr-pull", UNKNOWN_UID, version))

    assert cluster.get_secret(namespace, "acr-pull") is not None


def test_a_secret_that_has_changed_since_it_was_read_is_not_deleted(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    """Somebody may have taken our label off."""
    namespace = new_namespace(cluster)
    applied = ask(cluster, lambda api: api.apply_secret(namespace, "acr-pull", content(), None))
    written = applied.secret
    cluster.expect(
        "PATCH",
        f"/api/v1/namespaces/{namespace}/secrets/acr-pull",
        {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}},
        content_type="application/merge-patch+json",
    )
    place = (namespace, "acr-pull", written.uid, written.resource_version)

    with pytest.raises(Conflict):
        ask(cluster, lambda api: api.delete_secret(*place))

    assert cluster.get_secret(namespace, "acr-pull") is not None


def test_the_answer_to_a_write_is_the_secret_as_it_is_listed(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    labelled = replace(content(), labels={"example.com/owner": "platform"})
    applied = ask(cluster, lambda api: api.apply_secret(namespace, "acr-pull", labelled, None))
    written = applied.secret
    assert written == ask(cluster, lambda api: api.read_secret(namespace, "acr-pull"))
    assert written.labels["example.com/owner"] == "platform"
    assert written.managed


def test_who_manages_what_we_write_is_read_with_the_lists(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    cluster.create_service_account(namespace, "builder", ["docker-hub"])
    ask(cluster, lambda api: api.apply_secret(namespace, "acr-pull", content(), None))
    merge = {"content_type": "application/merge-patch+json"}
    secret = f"/api/v1/namespaces/{namespace}/secrets/acr-pull"
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/builder"
    data = {".dockerconfigjson": base64.b64encode(OTHER_DOCUMENT.encode()).decode()}
    annotated = {"metadata": {"annotations": {"team": "shop"}}}
    cluster.expect("PATCH", f"{secret}?fieldManager=reflector", {"data": data}, **merge)
    cluster.expect("PATCH", f"{secret}?fieldManager=people", annotated, **merge)
    references = {"imagePullSecrets": [{"name": "theirs"}]}
    cluster.expect("PATCH", f"{account}?fieldManager=argocd", references, **merge)

    async def read(api: KubernetesApi) -> None:
        found = await api.read_secret(namespace, "acr-pull")
        assert found
        assert set(found.managers) == {"acr-refresher", "reflector"}
        builder = await api.read_service_account(namespace, "builder")
        assert builder.managers == ("argocd",)
        age = datetime.now(timezone.utc) - datetime.fromisoformat(f"{builder.created[:-1]}+00:00")
        assert timedelta(seconds=-2) < age < timedelta(minutes=5)

    ask(cluster, read)


@pytest.mark.parametrize(
    "entries",
    [
        7,
        [7],
        [{}],
        [{"fieldsV1": {"f:data": {}}}],
        [{"fieldsV1": [], "manager": "x"}],
        [{"fieldsV1": {"f:data": {}}, "manager": 7}],
        [{"fieldsV1": {"f:data": {}}, "manager": "\u202e"}],
        [{"fieldsV1": {"f:data": {}}, "manager": "x" * 129}],
        [{"fieldsV1": {"f:metadata": {"f:labels": 7}}, "manager": "x"}],
    ],
)
def test_managers_that_no_server_writes_are_left_out(entries: object) -> None:
    metadata = {"namespace": "shop", "name": "acr-pull", "uid": "u", "resourceVersion": "1"}
    assert secret_state({"metadata": {**metadata, "managedFields": entries}}, {}).managers == ()


# ---- service accounts ----------------------------------------------------------------------------


def test_references_are_written_at_the_version_they_were_read_at(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)
    cluster.create_service_account(namespace, "builder", ["theirs"])

    async def bind(api: KubernetesApi) -> ServiceAccountState:
        read = await api.read_service_account(namespace, "builder")
        references = (*read.image_pull_secrets, "acr-pull")
        bound = ServiceAccountState(namespace, "builder", read.resource_version, references)
        await api.patch_service_account(bound)
        with pytest.raises(Conflict, match="the object has changed"):
            await api.patch_service_account(
                ServiceAccountState(namespace, "builder", read.resource_version)
            )
        return await api.read_service_account(namespace, "builder")

    assert ask(cluster, bind).image_pull_secrets == ("theirs", "acr-pull")


def test_a_service_account_that_is_not_there_is_gone(
    cluster: KubeCluster, new_namespace: NewNamespace
) -> None:
    namespace = new_namespace(cluster)

    with pytest.raises(Gone):
        ask(cluster, lambda api: api.read_service_account(namespace, "nobody"))


# ---- what only the double can do --------------------------------------------------------------


def test_the_api_server_sees_who_we_are(double: DoubleCluster) -> None:
    agents: list[str] = []
    answer = double.api.answer

    def listening(request: Any) -> Any:
        agents.append(request.agent)
        return answer(request)

    double.api.answer = listening  # type: ignore[method-assign]  # listens, changes nothing
    ask(double, lambda api: api.list_namespaces())

    assert agents == ["acr-refresher/1.2.3"]


def test_every_request_is_counted_and_a_list_is_one(double: DoubleCluster) -> None:
    async def look(api: KubernetesApi) -> int:
        await api.list_namespaces()
        await api.list_secrets("acr-pull")
        await api.list_service_accounts()
        return api.requests

    assert ask(double, look) == 3
    assert json.dumps([entry.status for entry in double.journal[-3:]]) == "[200, 200, 200]"


def test_a_lapsed_kubeconfig_is_not_tried(double: DoubleCluster) -> None:
    now = datetime(2026, 1, 31, tzinfo=timezone.utc)
    lapsed = Kubeconfig(SecretStr(double.kubeconfig()), now - timedelta(minutes=1))

    with pytest.raises(Invalid, match="it expired at 2026-01-30T23:59:00Z"):
        KubernetesConnector("1.2.3").connect(lapsed, now)


def test_annotations_that_the_configuration_cannot_have_set_are_left_out() -> None:
    """Anyone who may edit the Secret can write 256 KiB of them."""
    metadata = {"namespace": "shop", "name": "acr-pull", "uid": "u", "resourceVersion": "1"}
    annotations = {"a/large": "x" * 70_000, "a/small": "y", "acr-refresher/run": "run-1"}
    labels = {"app.kubernetes.io/managed-by": "acr-refresher"}
    managed = {"metadata": {**metadata, "annotations": annotations, "labels": labels}}
    kept = secret_state(managed, {}).annotations
    assert kept == {"a/small": "y", "acr-refresher/run": "run-1"}
    foreign = {"metadata": {**metadata, "annotations": annotations}}
    assert secret_state(foreign, {}).annotations == {}
