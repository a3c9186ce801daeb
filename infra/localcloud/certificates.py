"""Self-made keys and certificates for services on the loopback interface."""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

# Tests travel in time in this process, but not in a server beside it: what both of them look at
# must be valid at any time.
BEGINNING_OF_TIME = datetime(2000, 1, 1, tzinfo=timezone.utc)
END_OF_TIME = datetime(2100, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class KeyPair:
    """A private key and the certificate that belongs to it."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def self_signed(common_name: str) -> KeyPair:
    """A root: it may sign others, and is trusted by being named."""
    key = _new_key()
    name = _name(common_name)
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    builder = _builder(name, name, key).add_extension(constraints, critical=True)
    return KeyPair(key, builder.sign(key, hashes.SHA256()))


def loopback_server(root: KeyPair) -> KeyPair:
    """A TLS server's certificate for localhost and 127.0.0.1, signed by the root."""
    key = _new_key()
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    builder = _builder(_name("localhost"), root.certificate.subject, key)
    certificate = builder.add_extension(names, critical=False).sign(root.key, hashes.SHA256())
    return KeyPair(key, certificate)


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGINNING_OF_TIME)
        .not_valid_after(END_OF_TIME)
    )
