"""Run by test_logs.py: everything that tempts the SDKs to show what they sign requests with.

Usage: python leaky_libraries.py http://127.0.0.1:PORT, which is to refuse every request.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from acr_refresher.log import configure_logging, get_logger

# Before the SDKs are imported, as in the handler: they set up their loggers only then.
configure_logging()

import fc2  # noqa: E402  # after logging is silenced
import kubernetes.aio  # noqa: E402, F401  # imported for what it does to logging
from alibabacloud_cr20181201.client import Client as RegistryClient  # noqa: E402  # likewise
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest  # noqa: E402  # likewise
from alibabacloud_credentials.provider import refreshable  # noqa: E402, F401  # likewise
from alibabacloud_sls20201230.client import Client as SlsClient  # noqa: E402, F401  # likewise
from alibabacloud_sts20150401.client import Client as StsClient  # noqa: E402  # likewise
from alibabacloud_sts20150401.models import AssumeRoleRequest  # noqa: E402  # likewise
from alibabacloud_tea_openapi.models import Config  # noqa: E402  # likewise
from Tea.core import TeaCore  # noqa: E402, F401  # likewise

ID, SECRET, TOKEN = "made-up-key-id", "made-up-key-secret", "made-up-security-token"


def main(url: str) -> None:
    endpoint = url.removeprefix("http://")
    config = Config(
        access_key_id=ID,
        access_key_secret=SECRET,
        security_token=TOKEN,
        protocol="http",
        endpoint=endpoint,
    )
    calls: tuple[Callable[[], object], ...] = (
        lambda: StsClient(config).assume_role(
            AssumeRoleRequest(role_arn="acs:ram::1:role/r", role_session_name="s")
        ),
        lambda: RegistryClient(config).get_authorization_token(
            GetAuthorizationTokenRequest(instance_id="cri-1")
        ),
        lambda: fc2.Client(
            endpoint=url, accessKeyID=ID, accessKeySecret=SECRET, securityToken=TOKEN
        ).invoke_function("service", "function"),
    )
    log = get_logger()
    for call in calls:
        try:
            call()
        except Exception:
            log.exception("call.refused", security_token=TOKEN)
    for name in ("", "darabonba-core", "alibabacloud-tea", "credentials", "urllib3", "asyncio"):
        logging.getLogger(name).critical("made-up-header of %s", name)


if __name__ == "__main__":
    main(sys.argv[1])
