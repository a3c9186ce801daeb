"""TokenRequest: tokens of service accounts, and the keys with which anybody can verify them."""

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from localkube.double.routing import NAMESPACES, SERVICE_ACCOUNTS, Target
from localkube.double.status import RefusalError, bad_request, invalid, not_found
from localkube.double.store import Store, Stored
from localkube.wire import Json

ISSUER = "https://kubernetes.default.svc.cluster.local"
KEYS_PATH = "/openid/v1/jwks"
KEYS_TYPE = "application/jwk-set+json"

USUAL_SECONDS = 3600
SHORTEST_SECONDS = 600


@dataclass(frozen=True)
class TokenIssuer:
    """Signs the tokens of one cluster."""

    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def keys(self) -> Json:
        """The public key as a JSON Web Key Set."""
        return {"keys": [{"use": "sig", "alg": "ES256", "kid": self._key_id, **self._jwk}]}

    def create(self, store: Store, target: Target, body: bytes) -> Json:
        """The TokenRequest with the token in it.

        Raises:
            RefusalError: there is no such service account, or the token would live too short.
        """
        account = _account(store, target)
        spec = _spec(body)
        now = int(time.time())
        claims: Json = {
            "aud": spec["audiences"],
            "exp": now + spec["expirationSeconds"],
            "iat": now,
            "iss": ISSUER,
            "kubernetes.io": {
                "namespace": target.namespace,
                "serviceaccount": {"name": account.name, "uid": account.uid},
            },
            "nbf": now,
            "sub": f"system:serviceaccount:{target.namespace}:{account.name}",
        }
        if store.dialect.numbers_tokens:
            claims["jti"] = str(uuid.uuid4())
        token = jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": self._key_id})
        expires_at = datetime.fromtimestamp(now + spec["expirationSeconds"], timezone.utc)
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"creationTimestamp": None},
            "spec": {**spec, "boundObjectRef": None},
            "status": {
                "token": token,
                "expirationTimestamp": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        }

    @property
    def _jwk(self) -> Json:
        jwk: Json = json.loads(ECAlgorithm.to_jwk(self.key.public_key()))
        return jwk

    @property
    def _key_id(self) -> str:
        digest = hashlib.sha256(json.dumps(self._jwk).encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _account(store: Store, target: Target) -> Stored:
    if store.get(NAMESPACES.plural, "", target.namespace) is None:
        raise not_found(NAMESPACES, target.namespace)
    account = store.get(SERVICE_ACCOUNTS.plural, target.namespace, target.name)
    if account is None:
        raise not_found(SERVICE_ACCOUNTS, target.name)
    return account


def _spec(body: bytes) -> Json:
    try:
        spec = json.loads(body)["spec"]
    except (ValueError, KeyError, TypeError):
        raise bad_request("the body is not a TokenRequest") from None
    seconds = spec.get("expirationSeconds", USUAL_SECONDS)
    if seconds < SHORTEST_SECONDS:
        message = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        cause = ("FieldValueInvalid", "spec.expirationSeconds", message)
        raise _in_group(invalid("TokenRequest.authentication.k8s.io", "", [cause]))
    return {"audiences": spec.get("audiences") or [ISSUER], "expirationSeconds": seconds}


def _in_group(refusal: RefusalError) -> RefusalError:
    """The real server names the group apart from the kind."""
    kind, _, group = refusal.status["details"]["kind"].partition(".")
    refusal.status["details"] |= {"kind": kind, "group": group}
    return refusal
