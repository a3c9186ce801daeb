"""Registries in config.yaml: what their keys mean, and which keys contradict each other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from acr_refresher.config.load import ConfigError, load_config
from acr_refresher.core.model import AckAccess, Registry, Role, Rrsa, Verification
from acr_refresher.core.session_policy import excess_length

MAIN = {"name": "main", "instanceId": "cri-main", "regionId": "cn-hangzhou"}
PERSONAL = {"name": "personal", "regionId": "cn-hangzhou"}
CLUSTER = {"name": "prod", "clusterId": "c1", "regionId": "cn-hangzhou"}
FIRST = "acs:ram::1:role/first"
LAST = "acs:ram::2:role/last"
RRSA = {
    "rrsaRoleARN": "acs:ram::3:role/rrsa",
    "rrsaOIDCProviderRoleARN": "acs:ram::3:oidc-provider/ack-rrsa-c1",
}


def write(folder: Path, *registries: dict[str, Any], **more: Any) -> Path:
    path = folder / "config.yaml"
    document = {"registries": [*registries], "clusters": [CLUSTER], **more}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def registry(folder: Path, **keys: Any) -> Registry:
    (only,) = load_config(write(folder, {**MAIN, **keys})).registries
    return only


def problems(folder: Path, *registries: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(write(folder, *registries, **more))
    return str(refused.value).splitlines()


# ---- what the keys mean --------------------------------------------------------------------------


def test_defaults(tmp_path: Path) -> None:
    assert registry(tmp_path) == Registry(
        name="main",
        instance_id="cri-main",
        region_id="cn-hangzhou",
        domains=(),
        endpoints=(),
        role_chain=(),
        rrsa=None,
        session_duration=timedelta(hours=1),
        narrowed=True,
        repositories=(),
        verify=Verification.REACHABLE,
        verify_repository="",
    )


@pytest.mark.parametrize(
    ("keys", "chain"),
    [
        pytest.param({"assumeRoleARN": FIRST}, (Role(FIRST),), id="one"),
        pytest.param(
            {"assumeRoleARN": FIRST, "externalId": "tenant-7"},
            (Role(FIRST, "tenant-7"),),
            id="one with an external ID",
        ),
        pytest.param(
            {"assumeRoleARN": {"arn": FIRST, "externalId": "a:b/c@d.e,f+g=h_i-j"}},
            (Role(FIRST, "a:b/c@d.e,f+g=h_i-j"),),
            id="one as an object",
        ),
        pytest.param(
            {"assumeRoleARN": {"arn": FIRST}, "externalId": "tenant-7"},
            (Role(FIRST, "tenant-7"),),
            id="one as an object with an external ID beside it",
        ),
        pytest.param(
            {"assumeRoleARN": [FIRST, {"arn": LAST, "externalId": "tenant-7"}]},
            (Role(FIRST), Role(LAST, "tenant-7")),
            id="several",
        ),
    ],
)
def test_chains_of_roles(tmp_path: Path, keys: dict[str, Any], chain: tuple[Role, ...]) -> None:
    """For registries and clusters."""
    assert registry(tmp_path, **keys).role_chain == chain
    config = load_config(write(tmp_path, MAIN, clusters=[{**CLUSTER, **keys}]))
    access = config.clusters[0].access
    assert isinstance(access, AckAccess)
    assert access.role_chain == chain


def test_the_region_may_stand_before_the_id(tmp_path: Path) -> None:
    far = {"name": "far", "instanceId": "cn-beijing:cri-far"}
    (found,) = load_config(write(tmp_path, far)).registries
    assert (found.instance_id, found.region_id) == ("cri-far", "cn-beijing")
    twice = registry(tmp_path, instanceId="cn-hangzhou:cri-main")
    assert (twice.instance_id, twice.region_id) == ("cri-main", "cn-hangzhou")


def test_without_an_instance_it_is_personal_edition(tmp_path: Path) -> None:
    (found,) = load_config(write(tmp_path, PERSONAL)).registries
    assert (found.instance_id, found.region_id) == ("", "cn-hangzhou")


def test_rrsa(tmp_path: Path) -> None:
    role, provider = RRSA.values()
    usual = Rrsa(role, provider, "kube-system", "aliyun-acr-credential-helper")
    assert registry(tmp_path, **RRSA).rrsa == usual
    own = registry(tmp_path, **RRSA, rrsaServiceAccount="pulls/puller").rrsa
    assert own == Rrsa(role, provider, "pulls", "puller")


def test_the_rest(tmp_path: Path) -> None:
    found = registry(
        tmp_path,
        endpoints="vpc",
        sessionPolicy=False,
        verify="always",
        verifyRepository="shop/web",
    )
    assert found.endpoints == ("vpc",)
    assert not found.narrowed
    assert (found.verify, found.verify_repository) == (Verification.ALWAYS, "shop/web")


# ---- what is wrong -------------------------------------------------------------------------------

IN_ONE = [
    pytest.param(
        {"instanceId": "cn-beijing:cri-main"},
        'regionId: is "cn-hangzhou", but instanceId says "cn-beijing"; leave regionId out,'
        " or correct it",
        id="two regions",
    ),
    pytest.param(
        {"instanceId": ""},
        'instanceId: "" is not the ID of an Enterprise Edition instance; use the ID that the'
        " Container Registry console shows, cri-… or <region>:cri-…; leave the key out for Personal"
        " Edition",
        id="an empty ID",
    ),
    pytest.param(
        {"assumeRoleARN": [FIRST, "last"]},
        'assumeRoleARN[1]: "last" is not the ARN of a RAM role; use acs:ram::<account ID>:role/'
        "<role name>",
        id="a role in a chain",
    ),
    pytest.param(
        {"assumeRoleARN": [{"arn": LAST, "externalID": "x1"}]},
        "assumeRoleARN[0].externalID: is not a known key; did you mean externalId?",
        id="a key of a role",
    ),
    pytest.param(
        {"assumeRoleARN": []},
        "assumeRoleARN: is empty; name at least one, or leave the key out",
        id="no role in a chain",
    ),
    pytest.param(
        {"assumeRoleARN": 7}, "assumeRoleARN: is a number, not a list; write a list", id="no chain"
    ),
    pytest.param(
        {"assumeRoleARN": FIRST, "externalId": "x"},
        'externalId: "x" is not an external ID; use 2 to 1224 letters, digits and the characters _'
        " + = , . @ : / -",
        id="an external ID too short",
    ),
    pytest.param(
        {"externalId": "tenant-7"},
        "externalId: is given without assumeRoleARN; add the role's ARN",
        id="an external ID without a role",
    ),
    pytest.param(
        {"assumeRoleARN": [FIRST, LAST], "externalId": "tenant-7"},
        "externalId: is given beside several roles; give it with the role that requires it:"
        " {arn: …, externalId: …}",
        id="an external ID for one of several",
    ),
    pytest.param(
        {"assumeRoleARN": {"arn": FIRST, "externalId": "acme"}, "externalId": "tenant-7"},
        "externalId: is given twice, here and in assumeRoleARN; keep one of them",
        id="two external IDs for one role",
    ),
    pytest.param(
        {"rrsaRoleARN": RRSA["rrsaRoleARN"]},
        "rrsaOIDCProviderRoleARN: is missing; add it, or leave out rrsaRoleARN",
        id="RRSA without a provider",
    ),
    pytest.param(
        {"rrsaOIDCProviderRoleARN": RRSA["rrsaOIDCProviderRoleARN"]},
        "rrsaRoleARN: is missing; add it, or leave out rrsaOIDCProviderRoleARN",
        id="RRSA without a role",
    ),
    pytest.param(
        {"rrsaServiceAccount": "a/b"},
        "rrsaServiceAccount: is given without rrsaRoleARN; add the role, or leave this out",
        id="RRSA with nothing but a service account",
    ),
    pytest.param(
        {**RRSA, "rrsaServiceAccount": "helper"},
        'rrsaServiceAccount: "helper" is not a service account with its namespace; use'
        " namespace/name, such as kube-system/aliyun-acr-credential-helper",
        id="a service account without namespace",
    ),
    pytest.param(
        {**RRSA, "rrsaOIDCProviderRoleARN": LAST},
        f'rrsaOIDCProviderRoleARN: "{LAST}" is not the ARN of an OIDC provider; use'
        " acs:ram::<account ID>:oidc-provider/ack-rrsa-<cluster ID>",
        id="a role as provider",
    ),
    pytest.param(
        {"domains": ["a.example.com"], "endpoints": ["vpc"]},
        "endpoints: is given beside domains, which already says which hosts are served; keep one of"
        " them",
        id="endpoints and domains",
    ),
    pytest.param(
        {"endpoints": ["intranet"]},
        "endpoints[0]: \"intranet\" is unknown; use 'internet' or 'vpc'",
        id="an endpoint",
    ),
    pytest.param(
        {"verify": "sometimes"},
        "verify: \"sometimes\" is unknown; use 'always', 'reachable' or 'never'",
        id="a verification",
    ),
    pytest.param(
        {"verify": "never", "verifyRepository": "shop/web"},
        "verifyRepository: is given, but verify is never; keep one of them",
        id="a repository never looked at",
    ),
    pytest.param(
        {"verifyRepository": "registry.example.com:5000/web"},
        'verifyRepository: "registry.example.com:5000/web" is not the name of a repository; use'
        " namespace/name, without host and tag",
        id="a repository with its host",
    ),
    *(
        pytest.param(
            {"assumeRoleARN": FIRST, "repositories": [pattern]},
            f'repositories[0]: "{pattern}" is not the name of a repository, or of several; use'
            " namespace/name, namespace/* or namespace/prefix*, without host and tag",
            id=f"the pattern {pattern}",
        )
        for pattern in ("web", "*", "*/web", "shop/*/web", "shop/w*b", "shop/web:1", "Shop/web")
    ),
    pytest.param(
        {"assumeRoleARN": FIRST, "repositories": []},
        "repositories: is empty; name at least one, or leave the key out",
        id="no repository",
    ),
    pytest.param(
        {"repositories": ["shop/*"]},
        "repositories: is given without assumeRoleARN: only the session of a role can be narrowed;"
        " add a role; the role may be in the function's own account",
        id="repositories without a role",
    ),
    pytest.param(
        {"assumeRoleARN": FIRST, "repositories": ["shop/*"], "sessionPolicy": False},
        "repositories: is given, but sessionPolicy is false, so nothing is narrowed; keep one of"
        " them",
        id="repositories without a session policy",
    ),
    pytest.param(
        {"assumeRoleARN": FIRST, "repositories": ["shop/*"], "verifyRepository": "shops/web"},
        'verifyRepository: "shops/web" is not among repositories; add it there, or name another'
        " repository",
        id="a repository that the token cannot pull",
    ),
]


@pytest.mark.parametrize(("keys", "problem"), IN_ONE)
def test_a_mistake_is_named_with_its_remedy(
    tmp_path: Path, keys: dict[str, Any], problem: str
) -> None:
    assert problems(tmp_path, {**MAIN, **keys}) == [f"registries[0].{problem}"]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        pytest.param(
            RRSA,
            "rrsaRoleARN: is given for Personal Edition, whose registry refuses tokens of RRSA"
            " sessions; leave it out, or add instanceId of an Enterprise Edition instance",
            id="RRSA",
        ),
        pytest.param(
            {"endpoints": ["vpc"]},
            "endpoints: is given for Personal Edition, whose endpoints no API lists; give the hosts"
            " as domains, or add instanceId of an Enterprise Edition instance",
            id="endpoints",
        ),
    ],
)
def test_keys_that_personal_edition_does_not_have(
    tmp_path: Path, keys: dict[str, Any], problem: str
) -> None:
    assert problems(tmp_path, {**PERSONAL, **keys}) == [f"registries[0].{problem}"]


def many(count: int) -> list[str]:
    return [f"team-{number:03}/*" for number in range(count)]


def test_too_many_repositories_are_told_by_how_much(tmp_path: Path) -> None:
    fewest_too_many = next(
        count for count in range(100) if excess_length(with_repositories(many(count))) > 0
    )
    keys = {**MAIN, "assumeRoleARN": FIRST}
    excess = excess_length(with_repositories(many(fewest_too_many)))
    (problem,) = problems(tmp_path, {**keys, "repositories": many(fewest_too_many)})
    assert problem == (
        f"registries[0].repositories: makes the session policy {excess} characters longer than"
        " STS accepts; use fewer or shorter patterns, such as shop/*, or divide them between"
        " several registries with this instanceId"
    )
    fewer = many(fewest_too_many - 1)
    assert registry(tmp_path, assumeRoleARN=FIRST, repositories=fewer).repositories == tuple(fewer)


def with_repositories(names: list[str]) -> Registry:
    return Registry(
        "main", "cri-main", "cn-hangzhou", role_chain=(Role(FIRST),), repositories=tuple(names)
    )


def test_what_is_wrong_with_repositories_is_reported_together(tmp_path: Path) -> None:
    wrong = {"repositories": many(60), "verify": "sometimes", "sessionPolicy": False}
    found = problems(tmp_path, {**MAIN, **wrong}, {**PERSONAL, "repositories": "shop/*"})
    assert [problem.partition(";")[0].partition(":")[0] for problem in found] == [
        "registries[0].verify",
        "registries[0].repositories",
        "registries[0].repositories",
        "registries[1].repositories",
        "registries[1].repositories",
    ]
    assert "Personal Edition, whose repositories no policy can name" in found[3]


def test_a_registry_needs_a_region(tmp_path: Path) -> None:
    expected = ["registries[0].regionId: is missing; add it"]
    assert problems(tmp_path, {"name": "main", "instanceId": "cri-main"}) == expected
    assert problems(tmp_path, {"name": "personal"}) == expected


def test_a_clusters_external_id_belongs_to_its_one_role(tmp_path: Path) -> None:
    clusters = [{**CLUSTER, "externalId": "tenant-7"}]
    assert problems(tmp_path, MAIN, clusters=clusters) == [
        "clusters[0].externalId: is given without assumeRoleARN; add the role's ARN"
    ]


SHARED = {"domains": "a.example.com, images.example.com"}
OTHER = {**MAIN, "name": "other", "instanceId": "cri-other", "domains": ["images.example.com"]}
ONE_HOST = (
    '"main" and "other" both have the domain "images.example.com"; a pull secret has one login per'
    " host: leave out a registry or the domain"
)


def test_two_registries_of_one_secret_cannot_share_a_domain(tmp_path: Path) -> None:
    found = problems(tmp_path, {**MAIN, **SHARED}, OTHER)
    assert found == [f"clusters[0]: {ONE_HOST}"]
    named = problems(
        tmp_path, {**MAIN, **SHARED}, OTHER, defaults={"registries": ["main", "other"]}
    )
    assert named == found


def test_for_different_clusters_they_can(tmp_path: Path) -> None:
    """As where each cluster has its own role for the same instance."""
    clusters = [
        {**CLUSTER, "registries": "main"},
        {**CLUSTER, "name": "other", "clusterId": "c2", "registries": ["other"]},
    ]
    assert load_config(write(tmp_path, {**MAIN, **SHARED}, OTHER, clusters=clusters))


def test_and_for_different_secrets_of_a_cluster(tmp_path: Path) -> None:
    secrets: list[dict[str, Any]] = [
        {"secretName": "one", "registries": ["main"]},
        {"secretName": "two", "registries": ["other"]},
    ]
    apart = [{**CLUSTER, "pullSecrets": secrets}]
    assert load_config(write(tmp_path, {**MAIN, **SHARED}, OTHER, clusters=apart))
    together = [{**CLUSTER, "pullSecrets": [{**secrets[0], "registries": ["main", "other"]}]}]
    assert problems(tmp_path, {**MAIN, **SHARED}, OTHER, clusters=together) == [
        f"clusters[0].pullSecrets[0]: {ONE_HOST}"
    ]
