"""The policy files of infra/ram."""

import pytest

from localcloud import ram
from localcloud.ram_files import POLICY_DIRECTORY, load_policy

EXAMPLES: dict[str, str | list[str]] = {
    "account": "1879224016553720",
    "clusters": ["acs:cs:*:*:cluster/c8f1d3b5a79e24680bdf13579ace02468"],
    "external_id": "tenant-7",
    "function": "acr-refresher",
    "function_role_arn": "acs:ram::1230047551289034:role/acr-refresher-function",
    "instance": "cri-7k2mzq4v0x9hd1ep",
    "key": "key-default",
    "logstore": "outcomes",
    "namespace": "kube-system",
    "oidc_issuer": "https://oidc-ack-cn-hangzhou.oss-cn-hangzhou.aliyuncs.com/c8f1d3b5",
    "oidc_provider_arn": "acs:ram::1461190376602381:oidc-provider/ack-rrsa-c8f1d3b5",
    "project": "acr-refresher-1230047551289034",
    "queue": "acr-refresher-failed",
    "region": "cn-hangzhou",
    "registry_role_arn": "acs:ram:*:1879224016553720:role/acr-refresher-registry",
    "roles": ["acs:ram:*:1879224016553720:role/acr-refresher-registry"],
    "secret": "kubeconfig/idc",
    "service": "acr-refresher",
    "service_account": "acr-refresher",
}
NAMES = sorted(path.stem for path in POLICY_DIRECTORY.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_a_policy_of_the_kind_its_name_says(name: str) -> None:
    text = (POLICY_DIRECTORY / f"{name}.json").read_text(encoding="utf-8")
    document = load_policy(name, **{k: v for k, v in EXAMPLES.items() if f"${{{k}}}" in text})
    check = ram.check_trust_policy if ".trust" in name else ram.check_policy
    check(document)


def test_placeholders_are_filled_in() -> None:
    document = load_policy("rrsa-role.policy", registry_role_arn="acs:ram:*:1:role/acme")
    assert document["Statement"][0]["Resource"] == "acs:ram:*:1:role/acme"


def test_lists_are_filled_in_as_json() -> None:
    roles = ["acs:ram:*:1:role/first", "acs:ram:*:2:role/second"]
    document = load_policy("function-role.policy", roles=roles)
    assert document["Statement"][0]["Resource"] == roles


@pytest.mark.parametrize(
    "variables",
    [{}, {"registry_role_arn": "a", "rgeistry_role_arn": "b"}],
    ids=["missing", "unknown"],
)
def test_variables_must_be_just_those_of_the_file(variables: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="registry_role_arn"):
        load_policy("rrsa-role.policy", **variables)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        load_policy("no-such-role.policy")
