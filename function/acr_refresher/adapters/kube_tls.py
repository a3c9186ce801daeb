"""TLS to API servers: what `kubernetes.aio` makes of authorities and client certificates."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from kubernetes.aio.client import ApiClient, Configuration
from pydantic import SecretStr

from acr_refresher.adapters.kubeconfig import ServerAccess
from acr_refresher.errors import Invalid

MOST_KEPT = 2000
"""Of 27 KB each."""

MadeOf: TypeAlias = "tuple[str | None, SecretStr | None]"


@dataclass(frozen=True, slots=True)
class TlsClients:
    """One client for each authority and client certificate, as long as an instance is warm.

    To make one takes 2 ms of CPU, a quarter of an idle cluster's. Whose kubeconfig is renewed has
    another certificate, and so another client; the old one goes when more are kept than may be.
    """

    _kept: dict[MadeOf, ApiClient] = field(default_factory=dict, repr=False)

    def client(self, access: ServerAccess) -> ApiClient:
        """Opens no connection. Raises Invalid where OpenSSL cannot use a certificate or key."""
        made_of = (access.ca_pem, access.client_pem)
        client = self._kept.pop(made_of, None) or _client(*made_of)
        self._kept[made_of] = client  # at the end
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]  # which was used longest ago
        return client


def _client(ca_pem: str | None, client_pem: SecretStr | None) -> ApiClient:
    configuration = Configuration(ca_cert_data=ca_pem, retries=None)
    try:
        if client_pem is None:
            return ApiClient(configuration)
        with pem_file(client_pem) as configuration.cert_file:
            return ApiClient(configuration)
    except ssl.SSLError as error:
        raise Invalid(
            "the kubeconfig cannot be used: its certificates or key are broken, or the key is not "
            f"the client certificate's ({(error.reason or 'unknown').lower()})",
            service="kube",
        ) from error


@contextmanager
def pem_file(pem: SecretStr) -> Iterator[str]:
    """A path for OpenSSL, which reads keys from files only: in memory, so never on a disk.

    Only Linux has memfd; elsewhere, on a developer's machine, it is a file of the user's own that
    is removed at once.
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
