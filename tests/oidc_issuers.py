"""Issuers of OpenID Connect tokens: an issuer made by a test, and a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from localkube import KubeCluster

Jwks = dict[str, Any]


@dataclass(frozen=True)
class Issuer:
    """An issuer with an RSA or an EC key."""

    url: str
    rsa_key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    ec_key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def jwks(self) -> Jwks:
        rsa_jwk = json.loads(RSAAlgorithm.to_jwk(self.rsa_key.public_key()))
        ec_jwk = json.loads(ECAlgorithm.to_jwk(self.ec_key.public_key()))
        return {"keys": [{**rsa_jwk, "kid": "RS256"}, {**ec_jwk, "kid": "ES256"}]}

    def token(self, claims: dict[str, Any], algorithm: str = "RS256", key_id: str = "") -> str:
        key = self.ec_key if algorithm == "ES256" else self.rsa_key
        headers = {"kid": key_id or algorithm}
        return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def jwks_of(cluster: KubeCluster) -> Callable[[], Jwks]:
    """Fetch the keys with which an API server signs service account tokens."""

    def fetch() -> Jwks:
        keys: Jwks = (
            cluster.access.pool()
            .request(
                "GET",
                f"{cluster.url}/openid/v1/jwks",
                headers={"Accept": "application/jwk-set+json"},
            )
            .json()
        )
        return keys

    return fetch


def service_account_token(
    cluster: KubeCluster, namespace: str, name: str, audience: str = "sts.aliyuncs.com"
) -> str:
    """A token that the API server issues, as for a projected volume."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    spec = {"audiences": [audience], "expirationSeconds": 600}
    return str(cluster.expect("POST", path, {"spec": spec})["status"]["token"])
