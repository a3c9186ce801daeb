"""The forms of text in config.yaml that say how clusters are reached."""

from __future__ import annotations

import re
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo

from acr_refresher.inputs.forms import WITH_UNITS
from acr_refresher.inputs.strict_model import Form, fault

SHORTEST_KUBECONFIG = timedelta(minutes=15)
LONGEST_KUBECONFIG = timedelta(hours=72)

_SECRET_NAME = r"[A-Za-z0-9_/+=.@-]{1,192}"  # noqa: S105  # a pattern
_SECRET_ARN = re.compile(rf"acs:kms:(?P<region>[a-z0-9-]+):[0-9]+:secret/{_SECRET_NAME}", re.ASCII)

KmsSecretName = Annotated[
    str,
    Form(
        _SECRET_NAME,
        "the name of a KMS secret",
        "use letters, digits and _ / + = . @ -, or give its ARN as arn",
    ),
]
KmsSecretArn = Annotated[
    str,
    Form(
        _SECRET_ARN.pattern,
        "the ARN of a KMS secret",
        "use acs:kms:<region>:<account ID>:secret/<name>",
    ),
]


def region_of(secret_arn: str) -> str:
    """The region that the ARN of a KMS secret names; empty for anything else."""
    match = _SECRET_ARN.fullmatch(secret_arn)
    return match["region"] if match else ""


def _kubeconfig_duration(duration: timedelta) -> timedelta:
    if not SHORTEST_KUBECONFIG <= duration <= LONGEST_KUBECONFIG:
        raise fault("is out of range", "use 15m to 72h")
    return duration


KubeconfigDuration = Annotated[timedelta, AfterValidator(_kubeconfig_duration), WITH_UNITS]


def _http_proxy(url: str) -> str:
    """Its text may hold a password, so no message shows it."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme == "http" and parts.hostname and parts.port != 0
    except ValueError:
        parts, plain = urlsplit(""), False
    if not plain or parts.path.strip("/") or parts.query or parts.fragment:
        raise fault(
            "is not the address of an HTTP proxy",
            "use http://HOST:PORT, with USER:PASSWORD@ before it where needed; what goes through"
            " it is encrypted from here to the API server",
        )
    return url


ProxyUrl = Annotated[str, AfterValidator(_http_proxy)]


def _certificates(value: str, info: ValidationInfo) -> str:
    """PEM, given inline or in a file of the folder in the validation's context."""
    folder = (info.context or {}).get("folder", "")
    pem = value if "-----BEGIN" in value else _read(Path(folder, value))
    if "PRIVATE KEY" in pem:
        raise fault("holds a private key", "give the certificates alone")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, TypeError, ValueError):
        raise fault(
            "holds no certificate", "give certificates in PEM, or the path of a file with them"
        ) from None
    return pem


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise fault(
            f"cannot be read: {error.strerror}", "give a path relative to config.yaml, or PEM"
        ) from None
    except ValueError:
        raise fault("is not PEM", "give certificates in PEM") from None


CertificateAuthority = Annotated[str, AfterValidator(_certificates)]
