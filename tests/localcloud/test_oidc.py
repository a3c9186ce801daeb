"""AssumeRoleWithOIDC with the unmodified SDK: tokens made here, and those of a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import jwt
import pytest
import time_machine
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_tea_openapi.exceptions import ClientException

from localcloud.cloud import Cloud
from localcloud.demo import CLUSTER_ACCOUNT, REGION, REGISTRY, REGISTRY_ROLE_ARN, registry_role
from localcloud.faults import throttled
from localcloud.ram_files import any_region, load_policy
from localcloud.sdk import assume_role, assume_role_with_oidc, cr_client, personal_token
from localcloud.server import serving
from localcloud.world import OidcProvider, PersonalRegistry, Role, World
from localkube import KubeCluster
from oidc_issuers import Issuer, jwks_of, service_account_token

ISSUER = Issuer("https://oidc-ack-cn-hangzhou.oss-cn-hangzhou.aliyuncs.com/c8f1d3b5")
PROVIDER = OidcProvider(
    f"acs:ram::{CLUSTER_ACCOUNT}:oidc-provider/ack-rrsa-c8f1d3b5",
    ISSUER.url,
    ("sts.aliyuncs.com", "another.example"),
    ISSUER.jwks,
)
ROLE_ARN = f"acs:ram::{CLUSTER_ACCOUNT}:role/acr-refresher-rrsa"
SUBJECT = "system:serviceaccount:kube-system:acr-refresher"

Claims = dict[str, Any]


def rrsa_role(provider: OidcProvider) -> Role:
    trust = load_policy(
        "rrsa-role.trust",
        oidc_provider_arn=provider.arn,
        oidc_issuer=provider.issuer,
        namespace="kube-system",
        service_account="acr-refresher",
    )
    policy = load_policy("rrsa-role.policy", registry_role_arn=any_region(REGISTRY_ROLE_ARN))
    return Role(CLUSTER_ACCOUNT, "acr-refresher-rrsa", trust, (policy,))


def world(provider: OidcProvider = PROVIDER, role: Role | None = None) -> World:
    """A role for the provider's identities, and the registry's role, which trusts this role."""
    trust = load_policy("registry-account-role.trust", function_role_arn=ROLE_ARN)
    return World(
        roles=(role or rrsa_role(provider), replace(registry_role(), trust_policy=trust)),
        registries=(REGISTRY,),
        oidc_providers=(provider,),
    )


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(world())


@pytest.fixture
def url(cloud: Cloud) -> Iterator[str]:
    with serving(cloud) as url:
        yield url


def claims(**changes: Any) -> Claims:
    """The claims of a service account's token. None removes a claim."""
    now = int(datetime.now(timezone.utc).timestamp())
    usual: Claims = {"iss": ISSUER.url, "sub": SUBJECT, "aud": ["sts.aliyuncs.com"]}
    times = {"iat": now, "nbf": now, "exp": now + 600}
    return {k: v for k, v in {**usual, **times, **changes}.items() if v is not None}


def refusal(url: str, token: str, **changes: str) -> tuple[int, str]:
    """HTTP status and error code."""
    names = {"provider_arn": PROVIDER.arn, "role_arn": ROLE_ARN, **changes}
    with pytest.raises(ClientException) as caught:
        assume_role_with_oidc(url, token=token, **names)
    return caught.value.status_code, caught.value.code


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_token_opens_a_session_of_the_role(cloud: Cloud, url: str, algorithm: str) -> None:
    body = assume_role_with_oidc(url, PROVIDER.arn, ISSUER.token(claims(), algorithm), ROLE_ARN)
    session = cloud.sessions[body.credentials.access_key_id]
    assert body.assumed_role_user.arn == session.arn
    assert session.arn.endswith(":assumed-role/acr-refresher-rrsa/acr-refresher")
    assert timedelta(0) <= cloud.clock() + timedelta(hours=1) - session.expires_at
    info = body.oidctoken_info
    assert (info.issuer, info.subject, info.client_ids) == (ISSUER.url, SUBJECT, "sts.aliyuncs.com")


def test_from_the_clusters_account_to_the_registrys(url: str) -> None:
    rrsa = assume_role_with_oidc(url, PROVIDER.arn, ISSUER.token(claims()), ROLE_ARN).credentials
    puller = assume_role(url, rrsa, REGISTRY_ROLE_ARN)
    request = GetAuthorizationTokenRequest(instance_id=REGISTRY.id)
    assert cr_client(url, puller).get_authorization_token(request).body.authorization_token


def test_the_role_may_assume_the_registrys_role_alone(url: str) -> None:
    rrsa = assume_role_with_oidc(url, PROVIDER.arn, ISSUER.token(claims()), ROLE_ARN).credentials
    with pytest.raises(ClientException) as caught:
        assume_role(url, rrsa, REGISTRY_ROLE_ARN.replace("registry", "billing"))
    assert caught.value.code == "NoPermission"


def test_personal_edition_refuses_sessions_that_stem_from_a_token(cloud: Cloud) -> None:
    """Both the session of the token's role and the session of a role that it assumed."""
    anything = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    roles = tuple(replace(role, policies=(anything,)) for role in cloud.world.roles)
    personal = tuple(PersonalRegistry(role.account, REGION) for role in roles)
    world = replace(cloud.world, roles=roles, personal_registries=personal)
    with serving(replace(cloud, world=world)) as url:
        token = ISSUER.token(claims())
        rrsa = assume_role_with_oidc(url, PROVIDER.arn, token, ROLE_ARN).credentials
        for credentials in (rrsa, assume_role(url, rrsa, REGISTRY_ROLE_ARN)):
            with pytest.raises(ClientException) as caught:
                personal_token(url, credentials)
            assert caught.value.status_code == 403
            assert caught.value.code == "OIDC_SESSION_NOT_SUPPORTED"


def test_a_session_policy_and_a_duration_narrow_the_session(cloud: Cloud, url: str) -> None:
    nothing = {"Version": "1", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    fields = {"policy": json.dumps(nothing), "duration_seconds": 900}
    token = ISSUER.token(claims())
    rrsa = assume_role_with_oidc(url, PROVIDER.arn, token, ROLE_ARN, **fields).credentials
    ends_at = cloud.sessions[rrsa.access_key_id].expires_at
    assert ends_at <= cloud.clock() + timedelta(minutes=15)
    with pytest.raises(ClientException) as caught:
        assume_role(url, rrsa, REGISTRY_ROLE_ARN)
    assert caught.value.access_denied_detail["PolicyType"] == "SessionPolicy"


TOKENS: list[tuple[str, Claims, str]] = [
    ("another issuer", {"iss": "https://kubernetes.default.svc"}, "OIDCToken.IssuerNotMatch"),
    ("an audience unknown", {"aud": ["https://kubernetes"]}, "OIDCToken.AudienceNotMatch"),
    ("no audience", {"aud": []}, "OIDCToken.AudienceNotMatch"),
    ("an audience that the role does not trust", {"aud": "another.example"}, "NoPermission"),
    ("another service account", {"sub": f"{SUBJECT}-2"}, "NoPermission"),
    ("another namespace", {"sub": SUBJECT.replace("kube-system", "default")}, "NoPermission"),
    ("no subject", {"sub": None}, "OIDCToken.Invalid"),
    ("no end", {"exp": None}, "OIDCToken.Invalid"),
]


@pytest.mark.parametrize(
    ("changes", "code"), [row[1:] for row in TOKENS], ids=[row[0] for row in TOKENS]
)
def test_the_claims_of_a_token_are_checked(url: str, changes: Claims, code: str) -> None:
    token = ISSUER.token(claims(**changes))
    assert refusal(url, token) == (401, f"AuthenticationFail.{code}")


@pytest.mark.parametrize("audience", ["sts.aliyuncs.com", ["https://x", "sts.aliyuncs.com"]])
def test_one_fitting_audience_is_enough(url: str, audience: Any) -> None:
    token = ISSUER.token(claims(aud=audience))
    assert assume_role_with_oidc(url, PROVIDER.arn, token, ROLE_ARN).credentials


def tampered(changed: Claims) -> str:
    """A token with the claims of another token."""
    header, _, signature = ISSUER.token(claims()).split(".")
    return ".".join([header, ISSUER.token(changed).split(".")[1], signature])


FORGED: list[tuple[str, Callable[[], str], str]] = [
    ("empty", lambda: "", "Invalid"),
    ("not a token", lambda: "not.a.token", "Invalid"),
    ("too long", lambda: "x" * 20_001, "Invalid"),
    ("a shared secret", lambda: jwt.encode(claims(), "s" * 32, algorithm="HS256"), "Invalid"),
    ("unsigned", lambda: jwt.encode(claims(), "", algorithm="none"), "Invalid"),
    ("another's key", lambda: Issuer(ISSUER.url).token(claims()), "InvalidSignature"),
    ("an unknown key", lambda: ISSUER.token(claims(), key_id="rotated"), "InvalidSignature"),
    ("the other key", lambda: ISSUER.token(claims(), key_id="ES256"), "InvalidSignature"),
    ("changed", lambda: tampered(claims(sub="system:admin")), "InvalidSignature"),
]


@pytest.mark.parametrize(
    ("forge", "reason"), [row[1:] for row in FORGED], ids=[row[0] for row in FORGED]
)
def test_a_token_must_be_signed_by_its_issuer(
    url: str, forge: Callable[[], str], reason: str
) -> None:
    assert refusal(url, forge()) == (401, f"AuthenticationFail.OIDCToken.{reason}")


def test_a_token_is_valid_from_its_time_to_its_end(url: str) -> None:
    of_now = claims()
    token = ISSUER.token(of_now)
    with time_machine.travel(of_now["exp"] - 1, tick=False):
        assert assume_role_with_oidc(url, PROVIDER.arn, token, ROLE_ARN).credentials
    with time_machine.travel(of_now["exp"], tick=False):
        assert refusal(url, token) == (401, "AuthenticationFail.OIDCToken.Expired")
    with time_machine.travel(of_now["nbf"] - 90, tick=False):
        assert refusal(url, token) == (401, "AuthenticationFail.OIDCToken.Invalid")


def test_unavailable_keys_are_reported() -> None:
    def unreachable() -> dict[str, Any]:
        raise ConnectionError("no route to host")

    for jwks in (unreachable, dict[str, Any]):
        with serving(Cloud(world(replace(PROVIDER, jwks=jwks)))) as url:
            code = "AuthenticationFail.OIDCToken.IssuerConfigurationBroken"
            assert refusal(url, ISSUER.token(claims())) == (401, code)


NAMES = [
    ("a provider that does not exist", {"provider_arn": f"{PROVIDER.arn}-2"}, 401, "NoPermission"),
    ("a role that does not exist", {"role_arn": f"{ROLE_ARN}-2"}, 404, "EntityNotExist.Role"),
    ("a role that trusts roles only", {"role_arn": REGISTRY_ROLE_ARN}, 401, "NoPermission"),
    ("no role ARN", {"role_arn": "rrsa"}, 400, "InvalidParameter.RoleArn"),
    ("no provider", {"provider_arn": ""}, 400, "MissingOIDCProviderArn"),
]


@pytest.mark.parametrize(
    ("changes", "status", "code"), [row[1:] for row in NAMES], ids=[row[0] for row in NAMES]
)
def test_roles_and_providers(url: str, changes: dict[str, str], status: int, code: str) -> None:
    got = refusal(url, ISSUER.token(claims()), **changes)
    assert got == (status, code.replace("NoPermission", "AuthenticationFail.NoPermission"))


def test_a_trust_policy_may_take_any_service_account_of_a_namespace() -> None:
    role = rrsa_role(PROVIDER)
    [statement] = role.trust_policy["Statement"]
    condition = {
        "StringEquals": {"oidc:iss": ISSUER.url},
        "StringLike": {"oidc:sub": "system:serviceaccount:kube-system:*"},
    }
    trust = {"Version": "1", "Statement": [{**statement, "Condition": condition}]}
    role = replace(role, trust_policy=trust)
    with serving(Cloud(world(role=role))) as url:
        token = ISSUER.token(claims(sub=f"{SUBJECT}-2"))
        assert assume_role_with_oidc(url, PROVIDER.arn, token, ROLE_ARN).credentials
        elsewhere = ISSUER.token(claims(sub="system:serviceaccount:default:default"))
        assert refusal(url, elsewhere) == (401, "AuthenticationFail.NoPermission")


def test_the_journal_names_no_caller_and_keeps_no_token(cloud: Cloud, url: str) -> None:
    token = ISSUER.token(claims())
    assume_role_with_oidc(url, PROVIDER.arn, token, ROLE_ARN)
    [call] = cloud.calls("AssumeRoleWithOIDC")
    assert (call.caller_arn, call.status) == ("", 200)
    assert call.parameters == {
        "OIDCProviderArn": PROVIDER.arn,
        "RoleArn": ROLE_ARN,
        "RoleSessionName": "acr-refresher",
    }
    assert token not in repr(cloud)


def test_faults_meet_anonymous_calls_too(cloud: Cloud, url: str) -> None:
    cloud.faults.inject("AssumeRoleWithOIDC", throttled(), caller="acr-refresher-function")
    token = ISSUER.token(claims())
    assert assume_role_with_oidc(url, PROVIDER.arn, token, ROLE_ARN)
    cloud.faults.inject("AssumeRoleWithOIDC", throttled())
    assert refusal(url, token) == (400, "Throttling.User")


def test_a_service_account_of_a_real_cluster(real_clusters: list[KubeCluster]) -> None:
    """A real API server signs the token and publishes the key."""
    cluster = real_clusters[0]
    cluster.create_service_account("kube-system", "acr-refresher")
    provider = replace(
        PROVIDER,
        issuer="https://kubernetes.default.svc.cluster.local",
        jwks=jwks_of(cluster),
    )
    with serving(Cloud(world(provider))) as url:
        token = service_account_token(cluster, "kube-system", "acr-refresher")
        rrsa = assume_role_with_oidc(url, PROVIDER.arn, token, ROLE_ARN).credentials
        assert assume_role(url, rrsa, REGISTRY_ROLE_ARN)

        for_others = service_account_token(cluster, "kube-system", "acr-refresher", "vault")
        assert refusal(url, for_others) == (401, "AuthenticationFail.OIDCToken.AudienceNotMatch")
