"""Answers of an odd shape: each is Unreachable or Invalid, never an unexpected exception."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from acr_refresher.core.model import ServiceAccountState
from acr_refresher.errors import Invalid, PortError, Unreachable
from acr_refresher.kube.api import KubernetesApi
from acr_refresher.kube.files import resolve_references
from acr_refresher.kube.kubeconfig import read_kubeconfig
from acr_refresher.run.ports import Kubeconfig
from adapters.kubeapi import Server, ask, tls_server
from adapters.loopback import Serve, http
from localkube.pki import Authority

Ask = Callable[[KubernetesApi], Awaitable[object]]

METADATA = {"namespace": "shop", "name": "acr-pull", "uid": "1", "resourceVersion": "1"}
ACCOUNT = ServiceAccountState("shop", "default", "1")
CASES: Mapping[str, tuple[Ask, Mapping[str, Any]]] = {
    "namespaces": (
        lambda api: api.list_namespaces(),
        {
            "kind": "NamespaceList",
            "items": [{"metadata": {"name": "shop", "labels": {"a": "b"}, "annotations": None}}],
        },
    ),
    "secrets": (
        lambda api: api.list_secrets("acr-pull"),
        {
            "kind": "SecretList",
            "items": [
                {
                    "metadata": {**METADATA, "labels": {"a": "b"}, "annotations": {"a": "b"}},
                    "type": "kubernetes.io/dockerconfigjson",
                    "data": {".dockerconfigjson": "e30="},
                }
            ],
        },
    ),
    "service accounts": (
        lambda api: api.list_service_accounts(),
        {
            "kind": "ServiceAccountList",
            "items": [{"metadata": METADATA, "imagePullSecrets": [{"name": "acr-pull"}]}],
        },
    ),
    "service account": (
        lambda api: api.read_service_account("shop", "default"),
        {"metadata": METADATA, "imagePullSecrets": [{"name": "acr-pull"}]},
    ),
    "patched account": (
        lambda api: api.patch_service_account(ACCOUNT),
        {"metadata": METADATA, "imagePullSecrets": [{"name": "acr-pull"}]},
    ),
    "token": (
        lambda api: api.service_account_token("shop", "default", "sts", timedelta(minutes=10)),
        {"status": {"token": "t"}},
    ),
    "review": (lambda api: api.may(verb="get"), {"status": {"allowed": True}}),
}
NOT_AN_OBJECT = [b"", b"null", b"5", b"[1]", b"[]", b"[[1, 2]]", b'""', b'"x"', b"<html>", b"\xff"]
ODD = [None, 5, [1], "\u00e9", {"a": 1}, True, 10**30]


class Answers:
    """Gives each answer to one connection, in turn, and the last one again."""

    def __init__(self, bodies: list[bytes], status: str = "200 OK") -> None:
        self.answers = [http(status, body) for body in bodies]

    def __call__(self, connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


def outcomes(use: Ask, bodies: list[bytes], status: str = "200 OK") -> list[object]:
    """For each body that answers the request: the result, or the error."""
    serve: Serve = Answers(bodies, status)

    async def all_of_them(api: KubernetesApi) -> list[object]:
        found: list[object] = []
        for _ in bodies:
            try:
                found.append(await use(api))
            except PortError as error:
                found.append(error)
        return found

    with tls_server(serve) as server:
        return ask(server.kubeconfig(), all_of_them)


def broken(document: Any) -> list[Any]:
    """The document once for each part that is missing or something else."""
    if isinstance(document, dict):
        return [
            changed
            for key, value in document.items()
            if key != "kind"  # without it, the answer is not this list
            for changed in (
                {name: each for name, each in document.items() if name != key},
                *({**document, key: other} for other in [*ODD, *broken(value)]),
            )
        ]
    if isinstance(document, list):
        return [[other] for other in [*ODD, *broken(document[0])]]
    return []


@pytest.mark.parametrize(("use", "complete"), CASES.values(), ids=CASES)
def test_an_answer_that_is_no_object_is_no_api_servers(
    use: Ask, complete: Mapping[str, Any]
) -> None:
    *refused, accepted = outcomes(use, [*NOT_AN_OBJECT, json.dumps(complete).encode()])
    assert {type(each) for each in refused} == {Unreachable}
    assert all("Is it an API server?" in str(each) for each in refused)
    assert not isinstance(accepted, PortError)


@pytest.mark.parametrize(("use", "complete"), CASES.values(), ids=CASES)
def test_a_field_that_is_missing_or_something_else_has_a_meaning(
    use: Ask, complete: Mapping[str, Any]
) -> None:
    """Either the field does not matter, or the answer is invalid. No state holds a number."""
    for found in outcomes(use, [json.dumps(each).encode() for each in broken(complete)]):
        if isinstance(found, PortError):
            assert type(found) is Invalid
            assert "the answer is incomplete or malformed" in str(found)
        else:
            assert {1, 5} & set(_numbers(found)) == set()


def _numbers(state: Any) -> list[object]:
    """The numbers, but for truth values, in the fields of states."""
    if isinstance(state, Mapping):
        return _numbers(tuple(state.values()))
    if isinstance(state, tuple | list):
        return [number for each in state for number in _numbers(each)]
    if isinstance(state, SecretStr):
        return _numbers(state.get_secret_value())
    if hasattr(state, "__dataclass_fields__"):
        return _numbers(tuple(getattr(state, name) for name in state.__dataclass_fields__))
    return [state] if isinstance(state, int) and not isinstance(state, bool) else []


@pytest.mark.parametrize("status", ["400 Bad", "401 Unauthorized", "403 Forbidden", "409 Conflict"])
def test_a_refusal_of_any_shape_has_a_meaning(status: str) -> None:
    complete = {
        "message": "no",
        "details": {"name": "a", "kind": "b", "causes": [{"field": "c", "message": "d"}]},
    }
    bodies = [*NOT_AN_OBJECT, *(json.dumps(each).encode() for each in broken(complete))]
    for found in outcomes(lambda api: api.list_namespaces(), bodies, status):
        assert isinstance(found, PortError)


def test_a_long_message_is_not_searched_to_its_end() -> None:
    long = 'User "' + "x" * 10_000_000
    body = json.dumps({"message": long}).encode()
    [found] = outcomes(lambda api: api.list_namespaces(), [body], "403 Forbidden")
    assert "forbidden, but not by RBAC" in str(found)


# ---- kubeconfigs ---------------------------------------------------------------------------------


def trusted(folder: Path, **fields: str) -> str:
    """A kubeconfig with further lines in its cluster and its user."""
    document = Server(1, Authority()).kubeconfig()
    cluster, user = fields.get("cluster", ""), fields.get("user", "")
    document = document.replace("    server:", f"    {cluster}\n    server:")
    path = folder / "idc.yaml"
    path.write_text(document.replace("    token:", f"    {user}\n    token:"))
    return path.read_text()


@pytest.mark.parametrize(
    "odd",
    [
        "since: 2026-01-31",
        "at: 2026-01-31T00:00:00Z",
        "blob: !!binary AAAA",
        "some: !!set {a, b}",
        "2026-01-31: c",
        "number: .nan",
    ],
)
def test_a_trusted_kubeconfig_may_hold_any_yaml(tmp_path: Path, odd: str) -> None:
    document = SecretStr(trusted(tmp_path, cluster=odd, user=odd))
    resolved = asyncio.run(resolve_references(document, tmp_path, {}))
    assert read_kubeconfig(resolved).server == "https://127.0.0.1:1"


@pytest.mark.parametrize("odd", ["at: 2026-13-31", "at: !!int abc", "number: 1" + "0" * 5000])
def test_a_value_that_yaml_cannot_read_is_invalid(tmp_path: Path, odd: str) -> None:
    with pytest.raises(Invalid, match=r"line 16, column \d+: found a value .* \(put it in quotes"):
        read_kubeconfig(Kubeconfig(SecretStr(trusted(tmp_path, user=odd))))


def test_a_reference_that_is_no_path_is_invalid(tmp_path: Path) -> None:
    document = SecretStr(trusted(tmp_path, user='client-key: "a\\0b"'))
    with pytest.raises(Invalid, match="client-key: not the path of a file"):
        asyncio.run(resolve_references(document, tmp_path, {}))


PLUGIN = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, %s}"


@pytest.mark.parametrize("output", ["", "null", "5", "[1]", '"x"', "<html>", "[" * 10000, "\\377"])
def test_a_plugin_may_print_anything(tmp_path: Path, output: str) -> None:
    program = tmp_path / "plugin"
    program.write_text(f"#!/bin/sh\nprintf '{output}'\n")
    program.chmod(0o700)
    document = SecretStr(trusted(tmp_path, user=PLUGIN % "env: null"))
    with pytest.raises(Invalid, match="its output is not valid"):
        asyncio.run(resolve_references(document, tmp_path, {}))


@pytest.mark.parametrize("user", ["name: me", PLUGIN % "provideClusterInfo: true"])
def test_a_cluster_that_is_no_json_is_invalid(tmp_path: Path, user: str) -> None:
    document = trusted(tmp_path, cluster="self: !!binary /w==", user=user)
    with pytest.raises(Invalid, match="fields that JSON cannot hold"):
        asyncio.run(resolve_references(SecretStr(document), tmp_path, {}))
