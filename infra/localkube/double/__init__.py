"""A double of the Kubernetes API server, proved equal to the real one by tests/contract.

It keeps what a writer of pull secrets deals with (namespaces, secrets, service accounts, cluster
roles and their bindings), in memory, for many clusters at once, and fails on demand. It answers as
a modern server, or as one of 1.20 where a test asks for it (``dialect``).
"""

from localkube.double.dialect import MODERN, OLD
from localkube.double.faults import Fault
from localkube.double.server import DoubleCluster, api_double, api_doubles

__all__ = ["MODERN", "OLD", "DoubleCluster", "Fault", "api_double", "api_doubles"]
