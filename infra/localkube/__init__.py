"""Kubernetes clusters on this machine: real control planes, and a double for scale and faults."""

from localkube.cluster import Answer, KubeCluster
from localkube.control_plane import control_plane

__all__ = ["Answer", "KubeCluster", "control_plane"]
