"""What a kubeconfig may say about its cluster and its user. An empty text counts as absent."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from acr_refresher.config.addresses import is_host, is_http_proxy, url_parts

USE_INSTEAD = "use a token, or client-certificate-data and client-key-data"

REFUSED_IN_CLUSTER = {
    "certificate-authority": "files are not read; embed it as certificate-authority-data",
    "insecure-skip-tls-verify": "TLS is always verified; give certificate-authority-data",
}
REFUSED_IN_USER = {
    "exec": f"programs are not run; {USE_INSTEAD}",
    "auth-provider": f"plug-ins are not run; {USE_INSTEAD}",
    "client-certificate": "files are not read; embed it as client-certificate-data",
    "client-key": "files are not read; embed it as client-key-data",
    "tokenFile": "files are not read; embed its content as token",
    "username": USE_INSTEAD,
    "password": USE_INSTEAD,
    "as": "impersonation is not supported; use that user's own credentials",
}


class Part(BaseModel):
    """A mapping, whose keys have dashes. Other keys are ignored."""

    model_config = ConfigDict(
        alias_generator=lambda name: name.replace("_", "-"), hide_input_in_errors=True
    )


def _https(url: str) -> str:
    parts = url_parts(url)
    if (
        parts is None
        or parts.scheme != "https"
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise PydanticCustomError(
            "server", "must be https://HOST[:PORT], with a port of 1 to 65535"
        )
    return url.rstrip("/")


def _http_proxy(url: SecretStr) -> SecretStr:
    if not is_http_proxy(url.get_secret_value()):
        raise PydanticCustomError(
            "proxy",
            "must be http://HOST:PORT, with a port of 1 to 65535; other kinds are not supported",
        )
    return url


def _server_name(name: str) -> str:
    if not is_host(name):
        raise PydanticCustomError("server_name", "must be a host name or an IP address")
    return name


def _pem(data: SecretStr) -> SecretStr:
    try:
        text = base64.b64decode(data.get_secret_value()).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if "-----BEGIN " not in text:
        raise PydanticCustomError("pem", "must be PEM in base64")
    if "ENCRYPTED" in text:
        raise PydanticCustomError(
            "pem", "must not be encrypted: there is no way to enter the password"
        )
    return SecretStr(text)


def _token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if text.rstrip("\r\n") != text:
        # kubectl refuses to send it, too: Go's net/http calls it an invalid header field value.
        raise PydanticCustomError(
            "token", "must not end with a line break; write it on the line of its key, without |"
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise PydanticCustomError("token", "must be one line of ASCII, without other characters")
    return token


def _without_empty(fields: Any) -> Any:
    """The fields that are not empty: kubectl does not tell an empty text from an absent one."""
    if not isinstance(fields, dict):
        return fields
    return {name: value for name, value in fields.items() if value not in ("", None)}


Pem = Annotated[SecretStr, AfterValidator(_pem)]
Token = Annotated[SecretStr, AfterValidator(_token)]


class FieldsGiven(Part):
    """A part in which an empty text counts as absent."""

    _drop_empty = model_validator(mode="before")(_without_empty)


class Cluster(FieldsGiven):
    """How to reach a cluster."""

    server: Annotated[str, AfterValidator(_https)]
    certificate_authority_data: Pem | None = None
    tls_server_name: Annotated[str, AfterValidator(_server_name)] | None = None
    proxy_url: Annotated[SecretStr, AfterValidator(_http_proxy)] | None = None


class User(FieldsGiven):
    """How to log in."""

    token: Token | None = None
    client_certificate_data: Pem | None = None
    client_key_data: Pem | None = None
