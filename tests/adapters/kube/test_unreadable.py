"""A Secret that an API server cannot decrypt: on a real server whose encryption key was changed."""

from __future__ import annotations

import pytest

from acr_refresher.errors import Unreachable
from adapters.kubeapi import ask
from localkube.cluster import KubeCluster


@pytest.mark.parametrize("kind", ["real"])
def test_the_secret_that_cannot_be_decrypted_is_named(unreadable: KubeCluster, kind: str) -> None:
    del kind  # it has the test run in the process of the real servers
    with pytest.raises(Unreachable) as raised:
        ask(unreadable.kubeconfig(), lambda api: api.list_secrets("acr-pull"))
    assert "the API server cannot decrypt locked/tls of secrets" in str(raised.value)
    assert ask(unreadable.kubeconfig(), lambda api: api.read_secret("default", "acr-pull")) is None
