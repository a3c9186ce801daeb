"""Keeps the ACR pull secrets of many Kubernetes clusters fresh."""

import os

__version__ = "0.2.0"

# Looking for plug-ins, pydantic would read the metadata of every package at each start, and run
# what calls itself one.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
