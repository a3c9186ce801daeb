"""Keeps the ACR pull secrets of many Kubernetes clusters fresh."""

__version__ = "0.1.0"
