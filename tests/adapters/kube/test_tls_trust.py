"""Which servers are trusted: what kubectl trusts, with every version of Python and of OpenSSL.

Each case is a TLS server of its own. The certificates are made here, also those of old authorities
that `cryptography` no longer makes.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from acr_refresher.errors import Unreachable
from adapters.kubeapi import Server, namespaces
from adapters.loopback import answering, http, over_tls, tcp_server
from localkube.pki import KeyPair, private_pem

NOW = dt.datetime.now(dt.timezone.utc)
DAY = dt.timedelta(days=1)
LOOPBACK = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
CA = x509.BasicConstraints(ca=True, path_length=None)
NO_CA = x509.BasicConstraints(ca=False, path_length=None)


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and the name that it issues others under."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def issue(
    name: str,
    issuer: Issued | None = None,
    *extensions: x509.ExtensionType,
    key_identifiers: bool = True,
    until: dt.datetime = NOW + DAY,
) -> Issued:
    """A certificate by an issuer, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(NOW, until) - DAY)
        .not_valid_after(until)
    )
    if key_identifiers:
        extensions += (
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
        )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return Issued(builder.sign(signer, hashes.SHA256()), key)


def server_of(issuer: Issued | None, *, key_identifiers: bool = True) -> Issued:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return issue("server", issuer, NO_CA, usage, LOOPBACK, key_identifiers=key_identifiers)


def der(tag: int, *parts: bytes) -> bytes:
    """A value in ASN.1's distinguished encoding, whose length takes as few bytes as possible."""
    content = b"".join(parts)
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    long = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(long)]) + long + content


def of_version_1(name: str) -> Issued:
    """An authority of X.509 version 1, as `openssl req -x509` made them for years."""
    made = issue(name, key_identifiers=False)
    version = bytes.fromhex("a003020102")
    signed = der(0x30, made.certificate.tbs_certificate_bytes.partition(version)[2])
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")  # ecdsa-with-SHA256
    signature = made.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    complete = der(0x30, signed, algorithm, der(0x03, b"\0", signature))
    return Issued(x509.load_der_x509_certificate(complete), made.key)


Case = tuple[Issued, tuple[Issued, ...]]
"""An entry of certificate-authority-data, and the chain of the server."""


def intermediate_alone() -> Case:
    authority = issue("intermediate", issue("root", None, CA), CA)
    return authority, (server_of(authority),)


def intermediate_in_the_chain() -> Case:
    root = issue("root", None, CA)
    authority = issue("intermediate", root, CA)
    return root, (server_of(authority), authority)


def servers_own() -> Case:
    server = server_of(issue("root", None, CA))
    return server, (server,)


def self_signed_server() -> Case:
    server = server_of(None)
    return server, (server,)


def without_key_identifiers() -> Case:
    root = issue("root", None, CA, key_identifiers=False)
    return root, (server_of(root, key_identifiers=False),)


def version_1() -> Case:
    root = of_version_1("root")
    assert root.certificate.version is x509.Version.v1
    return root, (server_of(root),)


TRUSTED = [
    intermediate_alone,
    intermediate_in_the_chain,
    servers_own,
    self_signed_server,
    without_key_identifiers,
    version_1,
]


def no_authority() -> Case:
    root = issue("root", None, NO_CA)
    return root, (server_of(root),)


def another_authority() -> Case:
    return issue("root", None, CA), (server_of(issue("other", None, CA)),)


def the_end_of_a_chain_that_is_incomplete() -> Case:
    root = issue("root", None, CA)
    return root, (server_of(issue("intermediate", root, CA)),)


def expired_authority() -> Case:
    root = issue("root", None, CA, until=NOW - DAY)
    return root, (server_of(root),)


REFUSED = [
    (no_authority, "invalid CA certificate"),
    (another_authority, "unable to get local issuer certificate"),
    (the_end_of_a_chain_that_is_incomplete, "unable to get local issuer certificate"),
    (expired_authority, "certificate has expired"),
]


def visit(case: Case) -> object:
    authority, chain = case
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates = "".join(each.pem for each in chain)
    KeyPair(certificates, private_pem(chain[0].key)).load_into(context)
    serve = over_tls(context, answering(http("200 OK", b'{"kind": "NamespaceList", "items": []}')))
    with tcp_server(serve) as port:
        return namespaces(Server(port, authority).kubeconfig())


@pytest.mark.parametrize("case", TRUSTED)
def test_what_kubectl_trusts_is_trusted(case: Callable[[], Case]) -> None:
    assert visit(case()) == ()


@pytest.mark.parametrize(("case", "reason"), REFUSED)
def test_what_is_not_trusted_is_refused_with_openssls_reason(
    case: Callable[[], Case], reason: str
) -> None:
    with pytest.raises(Unreachable, match=rf"is not trusted \({reason}\)") as raised:
        visit(case())

    assert not raised.value.retryable
