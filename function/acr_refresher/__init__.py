"""Keeps the ACR pull secrets of many Kubernetes clusters fresh."""
