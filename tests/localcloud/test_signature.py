"""The signature against the example in the cloud's documentation, and how its header is read."""

import pytest

from localcloud.signature import Authorization, canonical_request, parse_authorization, sign

SIGNED_HEADERS = (
    "host",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
)
HEADERS = {
    "host": "ecs.cn-shanghai.aliyuncs.com",
    "x-acs-action": "RunInstances",
    "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "x-acs-date": "2023-10-26T10:22:32Z",
    "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
    "x-acs-version": "2014-05-26",
    "user-agent": "not signed",
}
QUERY = [
    ("RegionId", "cn-shanghai"),
    ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
]


def test_the_documented_example_has_the_documented_signature() -> None:
    canonical = canonical_request("POST", "/", QUERY, HEADERS, SIGNED_HEADERS, b"")
    assert (
        sign("YourAccessKeySecret", canonical)
        == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("a~b", "a~b"),
        ("a/b*c", "a%2Fb%2Ac"),
        ("凭证", "%E5%87%AD%E8%AF%81"),
    ],
)
def test_query_values_are_percent_encoded(value: str, encoded: str) -> None:
    lines = canonical_request("GET", "/", [("k", value)], {}, (), b"").split("\n")
    assert lines[2] == f"k={encoded}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "ACS3-HMAC-SHA256 Credential=AK,SignedHeaders=host;x-acs-date,Signature=0aff",
            Authorization("AK", ("host", "x-acs-date"), "0aff"),
        ),
        ("ACS3-HMAC-SHA256 Credential=AK,SignedHeaders=host", None),
        ("ACS3-HMAC-SM3 Credential=AK,SignedHeaders=host,Signature=0aff", None),
        ("Basic dXNlcjpwYXNz", None),
        ("", None),
    ],
)
def test_authorization_header(header: str, expected: Authorization | None) -> None:
    assert parse_authorization(header) == expected
