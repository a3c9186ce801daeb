"""Whatever a kubeconfig says, it can be used or is invalid, with the place."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from acr_refresher.errors import Invalid, PortError
from acr_refresher.kube.api import KubernetesConnector
from acr_refresher.kube.files import resolve_references
from acr_refresher.kube.kubeconfig import read_kubeconfig, with_context
from acr_refresher.run.ports import Kubeconfig
from fuzzing import altered, assert_linear, fuzzed, garbled, values
from localkube.pki import Authority

AUTHORITY = Authority()
PAIR = AUTHORITY.client_certificate("u")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


CLUSTER = {
    "server": "https://api.example.com:6443/clusters/a",
    "certificate-authority-data": encoded(AUTHORITY.pem),
    "tls-server-name": "kubernetes",
    "proxy-url": "http://user:word@proxy.example.com:3128",
}
USER = {
    "token": "abc.def.ghi",
    "client-certificate-data": encoded(PAIR.certificate),
    "client-key-data": encoded(PAIR.key),
}
SOUND = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "contexts": [{"name": "here", "context": {"cluster": "a", "user": "b"}}],
    "clusters": [{"name": "a", "cluster": CLUSTER}],
    "users": [{"name": "b", "user": USER}],
}
TEXT = yaml.safe_dump(SOUND)
SECRETS = ("abc.def.ghi", "word@", USER["client-key-data"][:40])


def attempt(act: Callable[[], object]) -> None:
    """Do it. A refusal is one of ours, is short, and shows no secret."""
    try:
        act()
    except PortError as error:
        refused = error
    else:
        return
    assert type(refused) is Invalid
    message = str(refused)
    assert len(message) < 10_000
    assert message.isprintable() or "\\x" in message
    assert not [secret for secret in SECRETS if secret in message]


def use(text: str) -> None:
    """Read it up to a client that could send requests."""
    kubeconfig = Kubeconfig(SecretStr(text))
    attempt(lambda: KubernetesConnector("1").connect(kubeconfig))


def dumped(document: Any) -> str:
    try:
        return yaml.safe_dump(document, allow_unicode=True)
    except ValueError:  # an integer that Python refuses to print
        return json.dumps(None)


@fuzzed(150)
@given(altered(SOUND) | values)
def test_an_altered_kubeconfig_can_be_used_or_is_invalid(document: object) -> None:
    use(dumped(document))


@fuzzed(200)
@given(altered({**CLUSTER}, 1), altered({**USER}, 1))
def test_altered_fields_can_be_used_or_are_invalid(cluster: object, user: object) -> None:
    clusters, users = [{"name": "a", "cluster": cluster}], [{"name": "b", "user": user}]
    use(dumped({**SOUND, "clusters": clusters, "users": users}))


@fuzzed(150)
@given(garbled(TEXT))
def test_a_garbled_kubeconfig_can_be_used_or_is_invalid(text: str) -> None:
    use(text)


@fuzzed(200)
@given(st.text(max_size=60) | st.text(alphabet="a1:-[]{}&*!|>\"'%@#?, \n\t.=~<", max_size=60))
def test_any_text_can_be_used_or_is_invalid(text: str) -> None:
    use(text)


@fuzzed(200)
@given(garbled(AUTHORITY.pem), garbled(PAIR.certificate + PAIR.key))
def test_garbled_certificates_can_be_used_or_are_invalid(ca_pem: str, client_pem: str) -> None:
    def data(pem: str) -> str:
        return base64.b64encode(pem.encode("utf-8", "surrogatepass")).decode()

    cluster = {**CLUSTER, "certificate-authority-data": data(ca_pem)}
    user = {"client-certificate-data": data(client_pem), "client-key-data": data(PAIR.key)}
    clusters, users = [{"name": "a", "cluster": cluster}], [{"name": "b", "user": user}]
    use(json.dumps({**SOUND, "clusters": clusters, "users": users}))


@fuzzed(200)
@given(altered(SOUND))
def test_an_altered_trusted_kubeconfig_is_resolved_or_has_a_meaning(document: object) -> None:
    """No program is started: there is no `exec` in it."""

    async def resolved() -> Kubeconfig:
        return await resolve_references(SecretStr(dumped(document)), Path("/nowhere"), {})

    def act() -> None:
        read_kubeconfig(asyncio.run(resolved()))

    attempt(act)


@fuzzed(100)
@given(altered(SOUND), st.text(max_size=10))
def test_another_context_can_be_chosen_or_is_invalid(document: object, context: str) -> None:
    attempt(lambda: with_context(SecretStr(dumped(document)), context))


# ---- steps ---------------------------------------------------------------------------------------


def entries(size: int) -> str:
    users = [{"name": f"u{number}", "user": {}} for number in range(size)]
    return yaml.safe_dump({**SOUND, "users": users + SOUND["users"]})  # type: ignore[operator]  # a list


FAMILIES: dict[str, Callable[[int], str]] = {
    "users": entries,
    "keys": lambda size: "".join(f"k{number}: 1\n" for number in range(size)),
    "repeated keys": lambda size: "a: 1\n" * size,
    "anchors": lambda size: "".join(f"- &a{number} 1\n- *a{number}\n" for number in range(size)),
    "aliases": lambda size: "- &a {b: c}\n" + "- *a\n" * size,
    "merges": lambda size: "- &a {b: c}\n" + "- {<<: *a}\n" * size,
    "merges into one": lambda size: "a: &a {b: c}\nd: {<<: [" + "*a, " * size + "]}",
    "merges of a large one": lambda size: (
        "- &a {"
        + ", ".join(f"k{number}: 1" for number in range(size))
        + "}\n"
        + "- {<<: *a}\n" * size
    ),
    "nested merges": lambda size: (
        "- &a0 {b: c}\n"
        + "".join(f"- &a{at} {{<<: [*a{at - 1}, *a{at - 1}]}}\n" for at in range(1, size))
    ),
    "documents": lambda size: "---\na: 1\n" * size,
    "opened": lambda size: "[" * size,
    "dates": lambda size: "- 2026-99-99\n" * size,
    "numbers": lambda size: f"[{', '.join(['1' + ':1' * 40] * size)}]",
    "tags": lambda size: "- !!str a\n" * size,
    "directives": lambda size: "".join(f"%TAG !a{at}! tag:x\n" for at in range(size)) + "--- a",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_kubeconfig_takes_steps_by_its_size(family: str) -> None:
    assert_linear(lambda size: use(FAMILIES[family](size)), 300)
