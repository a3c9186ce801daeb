"""The context of an invocation, as both runtimes give it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from acr_refresher.core.model import Function
from acr_refresher.errors import Denied
from acr_refresher.invocation import read_invocation
from acr_refresher.run.ports import CloudCredentials

ENVIRONMENT = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.environment",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "environment-secret",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "environment-token",
    "FC_REGION": "cn-beijing",
    "FC_ACCOUNT_ID": "42",
}


def context(**attributes: object) -> SimpleNamespace:
    return SimpleNamespace(request_id="1-abc", **attributes)


def given_credentials(key: str = "STS.context", token: str = "context-token") -> SimpleNamespace:
    return SimpleNamespace(
        access_key_id=key, access_key_secret="context-secret", security_token=token
    )


def revealed(credentials: CloudCredentials) -> tuple[str, str, str | None]:
    token = credentials.security_token
    return (
        credentials.access_key_id,
        credentials.access_key_secret.get_secret_value(),
        token.get_secret_value() if token else None,
    )


def test_python310_hands_everything_over_in_the_context() -> None:
    invocation = read_invocation(
        context(
            credentials=given_credentials(),
            function=SimpleNamespace(timeout=600),
            service=SimpleNamespace(name="ops"),
            region="cn-hangzhou",
            account_id="7",
        ),
        ENVIRONMENT,
    )

    assert revealed(invocation.credentials) == ("STS.context", "context-secret", "context-token")
    assert invocation.request_id == "1-abc"
    assert (invocation.region_id, invocation.account_id) == ("cn-hangzhou", "7")
    assert invocation.credentials.account_id == "7", "the account whose limits apply"
    assert invocation.timeout == timedelta(minutes=10)


def test_python312_has_credentials_in_the_environment_alone() -> None:
    invocation = read_invocation(context(), ENVIRONMENT)

    assert revealed(invocation.credentials) == (
        "STS.environment",
        "environment-secret",
        "environment-token",
    )
    assert (invocation.region_id, invocation.account_id) == ("cn-beijing", "42")
    assert invocation.timeout is None


def test_empty_credentials_in_the_context_are_none() -> None:
    invocation = read_invocation(context(credentials=given_credentials(key="")), ENVIRONMENT)

    assert invocation.credentials.access_key_id == "STS.environment"


def test_an_access_key_without_token_has_none() -> None:
    invocation = read_invocation(context(credentials=given_credentials(token="")), {})

    assert invocation.credentials.security_token is None
    assert invocation.region_id == ""


def test_a_function_without_a_role_is_told_to_get_one() -> None:
    with pytest.raises(Denied, match="give it a RAM role") as raised:
        read_invocation(context(), {})

    assert raised.value.service == "fc"
    assert "With python3.12, also remove disableInjectCredentials" in str(raised.value)


def test_credentials_are_not_printed() -> None:
    invocation = read_invocation(context(), ENVIRONMENT)

    assert "environment-secret" not in repr(invocation)
    assert "environment-token" not in repr(invocation)


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        pytest.param(
            {"function": SimpleNamespace(name="f"), "service": SimpleNamespace(name="")},
            ENVIRONMENT,
            Function("f", "cn-beijing", "42"),
            id="3.0",
        ),
        pytest.param(
            {
                "function": SimpleNamespace(name="f"),
                "service": SimpleNamespace(name="", qualifier="prod"),
            },
            ENVIRONMENT,
            Function("f", "cn-beijing", "42", qualifier="prod"),
            id="3.0 by an alias",
        ),
        pytest.param(
            {"function": SimpleNamespace(name="f", qualifier="prod")},
            ENVIRONMENT,
            Function("f", "cn-beijing", "42", qualifier="prod"),
            id="3.0 by an alias, of python3.12",
        ),
        pytest.param(
            {},
            ENVIRONMENT | {"FC_FUNCTION_NAME": "f"},
            Function("f", "cn-beijing", "42"),
            id="3.0 by the environment",
        ),
        pytest.param(
            {
                "function": SimpleNamespace(name="f"),
                "service": SimpleNamespace(name="ops", qualifier="LATEST"),
            },
            ENVIRONMENT,
            Function("f", "cn-beijing", "42", service="ops"),
            id="2.0",
        ),
        pytest.param(
            {
                "function": SimpleNamespace(name="f"),
                "service": SimpleNamespace(name="ops", qualifier="prod"),
            },
            ENVIRONMENT,
            Function("f", "cn-beijing", "42", service="ops", qualifier="prod"),
            id="2.0 by an alias",
        ),
        pytest.param({}, ENVIRONMENT, None, id="without a name"),
        pytest.param(
            {"function": SimpleNamespace(name="f")},
            {**ENVIRONMENT, "FC_ACCOUNT_ID": ""},
            None,
            id="without an account",
        ),
    ],
)
def test_which_function_runs(
    given: dict[str, object], environ: dict[str, str], expected: Function | None
) -> None:
    assert read_invocation(context(**given), environ).function == expected
