"""The TLS of the connections to an API server, the same with every version of Python and OpenSSL.

`kubernetes.aio` makes the context, but leaves to Python which certificates are trusted, and Python
3.13 changed that. Here it is what kubectl, which is written in Go, trusts:

- Every certificate of certificate-authority-data is trusted, also if it is an intermediate one or
  the server's own. https://pkg.go.dev/crypto/x509#VerifyOptions
- Authorities without the extensions of RFC 5280, such as key identifiers, and of X.509 version 1
  are trusted. https://docs.python.org/3.13/library/ssl.html#ssl.create_default_context
"""

from __future__ import annotations

import os
import re
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes.aio.client import ApiClient, Configuration
from pydantic import SecretStr

from acr_refresher.errors import Invalid


def tls_context(ca_pem: str | None, client_pem: SecretStr | None) -> ssl.SSLContext:
    """A TLS context for an authority and a client certificate.

    Raises Invalid if OpenSSL refuses a certificate or key.
    """
    configuration = Configuration(ca_cert_data=ca_pem, retries=None)
    try:
        context = ApiClient(configuration).rest_client.ssl_context
    except (ssl.SSLError, ValueError) as error:
        raise _invalid("certificate-authority-data", error) from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if client_pem is not None:
        _load_client(context, client_pem)
    return context


def _load_client(context: ssl.SSLContext, client_pem: SecretStr) -> None:
    try:
        with pem_file(client_pem) as path:
            context.load_cert_chain(path, password=_refuse_password)
    except (ssl.SSLError, ValueError) as error:
        raise _invalid("client-certificate-data or client-key-data", error) from error


def _refuse_password() -> str:
    """OpenSSL would ask for it at the terminal."""
    raise ValueError


def _invalid(fields: str, error: Exception) -> Invalid:
    """Names OpenSSL's own reason, which holds no data."""
    reason = getattr(error, "reason", None) or _PLACE.sub("", getattr(error, "strerror", "") or "")
    shown = reason.replace("_", " ").lower() or "it needs a password"
    return Invalid(
        f"the kubeconfig cannot be used: OpenSSL refuses its {fields}: {shown}", service="kube"
    )


_PLACE = re.compile(r"^\[\w+\] | \(_ssl\.c:\d+\)$", re.ASCII)
"""What Python adds to a reason: the part of OpenSSL, and the line in Python's source."""


@contextmanager
def pem_file(pem: SecretStr) -> Iterator[str]:
    """A path for OpenSSL, which reads keys from files only: a file in memory, never on a disk.

    Only Linux has such files. On other systems (a developer's machine) it is a temporary file that
    only the user can read.
    """
    content = pem.get_secret_value().encode()
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    with open(os.memfd_create("client-pem"), "wb") as file:  # noqa: PTH123  # a descriptor
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
