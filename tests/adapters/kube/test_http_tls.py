"""TLS: which servers we trust, which trust us, and where the client key is meanwhile."""

from __future__ import annotations

import builtins
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from acr_refresher.errors import Denied, Invalid, Unreachable
from acr_refresher.kube.kept import OpenKubeconfigs
from acr_refresher.kube.tls import pem_file, tls_context
from adapters.kubeapi import Server, changed, encoded, namespaces, tls_server
from adapters.loopback import answering, free_port, http, tcp_server
from localkube.double import DoubleCluster
from localkube.pki import Authority

NO_NAMESPACES = http("200 OK", b'{"kind": "NamespaceList", "items": []}')


def test_no_server_is_unreachable(double: DoubleCluster) -> None:
    server = f"https://127.0.0.1:{free_port()}"

    with pytest.raises(Unreachable) as raised:
        namespaces(changed(double.kubeconfig(), server=server))

    assert str(raised.value) == (
        f"cannot connect to API server {server}: connection refused. "
        "Is the cluster up, and can the function's VPC reach it?"
    )
    assert raised.value.retryable


def test_a_host_without_address_is_unreachable(double: DoubleCluster) -> None:
    kubeconfig = changed(double.kubeconfig(), server="https://nowhere.invalid")

    with pytest.raises(
        Unreachable,
        match=r"https://nowhere\.invalid: host name nowhere\.invalid cannot be resolved",
    ):
        namespaces(kubeconfig)


def test_a_certificate_of_another_authority_is_not_trusted(double: DoubleCluster) -> None:
    other = encoded(Authority("other").pem)
    before = len(double.journal)

    with pytest.raises(Unreachable, match=r"is not trusted .*certificate-authority-data") as raised:
        namespaces(changed(double.kubeconfig(), certificate_authority_data=other))

    assert not raised.value.retryable
    assert len(double.journal) == before, "nothing was sent"


def test_without_an_authority_only_public_ones_are_trusted(double: DoubleCluster) -> None:
    with pytest.raises(Unreachable, match="is not trusted"):
        namespaces(changed(double.kubeconfig(), certificate_authority_data=None))


def test_a_certificate_for_another_name_is_not_trusted(double: DoubleCluster) -> None:
    with pytest.raises(Unreachable, match="tls-server-name") as raised:
        namespaces(changed(double.kubeconfig(), tls_server_name="kubernetes"))

    assert not raised.value.retryable


def test_the_name_to_verify_can_be_given(double: DoubleCluster) -> None:
    assert namespaces(changed(double.kubeconfig(), tls_server_name="localhost"))


@pytest.mark.parametrize("certificate", ["none", "expired", "of another authority"])
def test_a_client_certificate_refused_in_the_handshake_is_denied(certificate: str) -> None:
    with tls_server(answering(NO_NAMESPACES), wants_certificate=True) as server:
        given = {
            "none": None,
            "expired": server.authority.client_certificate("u", validity=timedelta(hours=-1)),
            "of another authority": Authority("other").client_certificate("u"),
        }
        with pytest.raises(Denied, match="refuses the client certificate in the TLS handshake"):
            namespaces(server.kubeconfig(given[certificate]))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"client_key_data": encoded(Authority().client_certificate("other").key)},
            "key values mismatch",
        ),
        ({"client_certificate_data": encoded("-----BEGIN CERTIFICATE-----\nAAAA")}, "pem lib"),
    ],
    ids=["key of another certificate", "broken certificate"],
)
def test_a_client_certificate_that_cannot_be_loaded_is_invalid(
    double: DoubleCluster, fields: dict[str, str], reason: str
) -> None:
    refused = f"OpenSSL refuses its client-certificate-data or client-key-data: {reason}$"
    with pytest.raises(Invalid, match=refused):
        namespaces(changed(double.kubeconfig(), "user", **fields))


def test_a_key_with_a_password_is_invalid_and_openssl_does_not_ask_for_it() -> None:
    authority = Authority()
    pair = authority.client_certificate("u")
    encrypted = (
        load_pem_private_key(pair.key.encode(), None)
        .private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"word")
        )
        .decode()
    )

    with pytest.raises(Invalid, match=r"client-key-data: it needs a password$"):
        tls_context(authority.pem, SecretStr(pair.certificate + encrypted))


def test_an_authority_that_cannot_be_loaded_is_invalid(double: DoubleCluster) -> None:
    broken = encoded("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    with pytest.raises(
        Invalid, match="OpenSSL refuses its certificate-authority-data: no start line"
    ):
        namespaces(changed(double.kubeconfig(), certificate_authority_data=broken))


def test_a_server_that_does_not_speak_tls_is_named_so() -> None:
    with tcp_server(answering(http("400 Bad Request"))) as port:
        kubeconfig = Server(port, Authority()).kubeconfig()
        with pytest.raises(Unreachable) as raised:
            namespaces(kubeconfig)

    assert str(raised.value) == (
        f"cannot connect to API server https://127.0.0.1:{port}: the TLS handshake failed (wrong"
        " version number). Check server in the kubeconfig."
    )


# ---- from run to run ----------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["the good one", "the expired one"])
def test_a_warm_instance_shows_the_certificate_of_the_kubeconfig_at_hand(first: str) -> None:
    with tls_server(answering(NO_NAMESPACES), wants_certificate=True) as server:
        kept = OpenKubeconfigs()
        good = server.kubeconfig(server.authority.client_certificate("u"))
        expired = server.authority.client_certificate("u", validity=timedelta(hours=-1))
        bad = server.kubeconfig(expired)

        for kubeconfig in (good, bad, good, bad) if first == "the good one" else (bad, good, bad):
            if kubeconfig == good:
                assert namespaces(kubeconfig, kept) == ()
            else:
                with pytest.raises(
                    Denied, match="refuses the client certificate in the TLS handshake"
                ):
                    namespaces(kubeconfig, kept)


def test_a_warm_instance_trusts_the_authority_of_the_kubeconfig_at_hand(
    double: DoubleCluster,
) -> None:
    kept = OpenKubeconfigs()
    assert namespaces(double.kubeconfig(), kept)

    other = encoded(Authority("other").pem)
    with pytest.raises(Unreachable, match="is not trusted"):
        namespaces(changed(double.kubeconfig(), certificate_authority_data=other), kept)


def test_one_that_is_broken_stays_broken(double: DoubleCluster) -> None:
    broken = changed(
        double.kubeconfig(),
        "user",
        client_key_data=encoded(Authority().client_certificate("other").key),
    )

    kept = OpenKubeconfigs()
    for _ in range(2):
        with pytest.raises(Invalid, match=r"client-key-data: key values mismatch$"):
            namespaces(broken, kept)


# ---- the client key ------------------------------------------------------------------------------


def test_the_client_key_is_never_on_a_disk(
    double: DoubleCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is opened for writing but a file in memory, nothing is made in the folder for it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tmp_path.chmod(0o500)
    written: list[str] = []
    really_open = builtins.open

    def watched(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if set(mode) & set("wax+"):
            written.append(
                str(Path(f"/proc/self/fd/{file}").readlink()) if isinstance(file, int) else file
            )
        return really_open(file, mode, *arguments, **options)

    monkeypatch.setattr(builtins, "open", watched)

    assert namespaces(double.kubeconfig())

    assert written == ["/memfd:client-pem (deleted)"]
    assert list(tmp_path.iterdir()) == []


def test_the_key_in_memory_is_gone_after_use() -> None:
    with pem_file(SecretStr("the-key")) as path:
        assert Path(path).read_text() == "the-key"
        in_use = Path(path).readlink()
    assert not Path(path).exists() or Path(path).readlink() != in_use


def test_without_files_in_memory_it_is_a_file_of_our_own_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pem_file(SecretStr("the-key")) as path:
        assert Path(path).read_text() == "the-key"
        assert Path(path).stat().st_mode & 0o777 == 0o600

    assert list(tmp_path.iterdir()) == []
