"""The TLS of the connections to an API server: `kubernetes.aio` makes the context."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from kubernetes.aio.client import ApiClient, Configuration
from pydantic import SecretStr

from acr_refresher.errors import Invalid
from acr_refresher.settings import SETTINGS


@lru_cache(SETTINGS.tls_clients_kept)
def tls_context(ca_pem: str | None, client_pem: SecretStr | None) -> ssl.SSLContext:
    """The TLS context for an authority and a client certificate, kept while an instance is warm.

    Making it takes 2 ms of CPU, a quarter of what an idle cluster takes. A renewed kubeconfig has
    another certificate, so it gets another context. Raises Invalid if OpenSSL refuses a certificate
    or key.
    """
    configuration = Configuration(ca_cert_data=ca_pem, retries=None)
    try:
        if client_pem is None:
            return ApiClient(configuration).rest_client.ssl_context
        with pem_file(client_pem) as configuration.cert_file:
            return ApiClient(configuration).rest_client.ssl_context
    except ssl.SSLError as error:
        raise Invalid(
            "the kubeconfig cannot be used: its certificates or key are broken, or the key does "
            f"not belong to the client certificate ({(error.reason or 'unknown').lower()})",
            service="kube",
        ) from error


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
