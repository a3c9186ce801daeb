"""A stand-in for Terraform's provider `alicloud`, which knows the resources' arguments and plans.

Terraform itself checks and evaluates the modules against it; nothing is created anywhere. It speaks
the plugin protocol 6, whose messages' fields are the numbers below, and is given to Terraform as a
provider that runs already:
https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol
https://developer.hashicorp.com/terraform/plugin/debugging
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc  # type: ignore[import-untyped]  # it has no annotations
import msgpack  # type: ignore[import-untyped]  # it has no annotations

from deploy.alicloud import RESOURCES, Block
from deploy.protobuf import decode, encode
from deploy.serverless_devs import ACCOUNT

_NOT_STRINGS = {
    "fields": ["list", "string"],
    "tags": ["map", "string"],
    "enabled": "bool",
    "is_custom": "bool",
    "is_ram_role": "bool",
}
_PROVIDER = Block(optional=frozenset(("profile", "region")))
_LIST = 2
"""The nesting mode of a block that may be repeated."""


@contextmanager
def serving(account: str = ACCOUNT) -> Iterator[dict[str, str]]:
    """The environment variable with which Terraform finds the stand-in inside this context.

    Every role that it plans is a role of the account.
    """
    with TemporaryDirectory(prefix="acr-refresher-") as folder, ThreadPoolExecutor(8) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((_service(account),))
        socket = Path(folder) / "provider.sock"
        server.add_insecure_port(f"unix://{socket}")
        server.start()
        running = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,  # Terraform leaves it running
            "Addr": {"Network": "unix", "String": str(socket)},
        }
        try:
            yield {"TF_REATTACH_PROVIDERS": json.dumps({"aliyun/alicloud": running})}
        finally:
            server.stop(grace=None).wait()


def _service(account: str) -> Any:
    answers: dict[str, Callable[[bytes, Any], bytes]] = {
        "GetProviderSchema": lambda _request, _context: _provider_schema(),
        "ValidateProviderConfig": lambda _request, _context: b"",
        "ValidateResourceConfig": lambda _request, _context: b"",
        "ConfigureProvider": lambda _request, _context: b"",
        "PlanResourceChange": lambda request, _context: _plan(request, account),
    }
    handlers = {name: grpc.unary_unary_rpc_method_handler(f) for name, f in answers.items()}
    return grpc.method_handlers_generic_handler("tfplugin6.Provider", handlers)


def _plan(request: bytes, account: str) -> bytes:
    """The requested resource, with the values that the cloud would set."""
    fields = decode(request)
    kind, proposed = fields[1].decode(), decode(fields[3])[1]
    planned = msgpack.unpackb(proposed)
    for name in RESOURCES[kind].computed:
        planned[name] = _computed(name, planned, account)
    return encode((1, encode((1, msgpack.packb(planned)))))


def _computed(name: str, planned: dict[str, Any], account: str) -> str:
    if name == "arn":
        return f"acs:ram::{account}:role/{planned['role_name']}"
    if name == "role_id":
        return f"id-of-{planned['role_name']}"
    return f"{name}-given-by-the-cloud"


def _provider_schema() -> bytes:
    resources = [
        (2, encode((1, kind.encode()), (2, encode((2, _block(block))))))
        for kind, block in RESOURCES.items()
    ]
    return encode((1, encode((2, _block(_PROVIDER)))), *resources)


def _block(block: Block) -> bytes:
    names = sorted(block.required | block.optional | block.computed)
    attributes = [(2, _attribute(name, block)) for name in names]
    nested = [
        (3, encode((1, name.encode()), (2, _block(inner)), (3, _LIST)))
        for name, inner in sorted(block.blocks.items())
    ]
    return encode(*attributes, *nested)


def _attribute(name: str, block: Block) -> bytes:
    kind = json.dumps(_NOT_STRINGS.get(name, "string"))
    return encode(
        (1, name.encode()),
        (2, kind.encode()),
        (4, name in block.required),
        (5, name in block.optional),
        (6, name in block.computed),
    )
