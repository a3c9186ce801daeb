"""Secrets that an API server cannot decrypt: on a real server whose encryption key was changed."""

from __future__ import annotations

import pytest

from acr_refresher.errors import Unreachable
from adapters.kubeapi import ask
from localkube.cluster import KubeCluster

KEYS = "real: an old and a new encryption key"


@pytest.mark.parametrize("kind", [KEYS])
def test_the_secret_that_cannot_be_decrypted_is_named(
    keyed_servers: list[KubeCluster], kind: str
) -> None:
    del kind
    old, new = keyed_servers
    new.apply_rbac()
    old.create_namespace("theirs")
    new.create_namespace("shop")
    old.create_secret("theirs", "tls")
    with pytest.raises(Unreachable) as raised:
        ask(new.kubeconfig(), lambda api: api.list_secrets("acr-pull"))
    assert "the API server cannot decrypt theirs/tls of secrets" in str(raised.value)
    assert ask(new.kubeconfig(), lambda api: api.read_secret("shop", "acr-pull")) is None
