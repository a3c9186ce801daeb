"""The words of the Kubernetes API that its clients and its double share."""

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

JSON = "application/json"
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
