"""Deploying a function to a cloud that is being served."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from localcloud.cloud import Cloud
from localcloud.fc.deployed import Address, DeployedFunction
from localcloud.fc.description import Function
from localcloud.fc.destinations import store_line, tell_failure


@contextmanager
def deployed(cloud: Cloud, function: Function) -> Iterator[DeployedFunction]:
    """The function, to be invoked through the cloud's APIs until the end of the block.

    Raises:
        LookupError: its role does not exist.
        PermissionError: its role does not trust Function Compute.
    """
    cloud.function_credentials(function.role)
    there = DeployedFunction(
        function,
        partial(cloud.function_credentials, function.role),
        cloud.clock,
        partial(store_line, cloud, function),
        partial(tell_failure, cloud, function),
    )
    address = Address.of(function)
    cloud.functions[address] = there
    try:
        yield there
    finally:
        del cloud.functions[address]
        there.close()
