"""A double of the Kubernetes API server, proved equal to the real one by tests/contract.

It keeps what a writer of pull secrets deals with (namespaces, secrets, service accounts, cluster
roles and their bindings), in memory, for many clusters at once, and fails on demand.
"""

from localkube.double.faults import Fault
from localkube.double.server import DoubleCluster, api_double, api_doubles

__all__ = ["DoubleCluster", "Fault", "api_double", "api_doubles"]
