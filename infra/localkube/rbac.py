"""The manifests of infra/rbac, for any user and pull secret name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent.parent / "rbac"
USER = "acr-refresher"
SECRET_NAMES = ("acr-pull",)


def rrsa_manifests(
    subject: str = USER,
    account: str = "aliyun-acr-credential-helper",
    namespace: str = "kube-system",
) -> list[dict[str, Any]]:
    """The Role and its binding that RRSA needs besides, named after the subject too."""
    text = (FOLDER / "rrsa-role.yaml").read_text(encoding="utf-8")
    role, binding = yaml.safe_load_all(text)
    role["rules"][0]["resourceNames"] = [account]
    binding["subjects"][0]["name"] = subject
    name = f"{subject}-rrsa"
    role["metadata"] = binding["metadata"] = {"name": name, "namespace": namespace}
    binding["roleRef"]["name"] = name
    return [role, binding]


def manifests(
    subject: str = USER, secret_names: Sequence[str] = SECRET_NAMES
) -> list[dict[str, Any]]:
    """The ClusterRole and its binding, both named after the subject so that several may stand."""
    role, binding = (
        yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
        for name in ("clusterrole.yaml", "clusterrolebinding.yaml")
    )
    for rule in role["rules"]:
        if "resourceNames" in rule:
            rule["resourceNames"] = list(secret_names)
    role["metadata"]["name"] = binding["metadata"]["name"] = binding["roleRef"]["name"] = subject
    binding["subjects"][0]["name"] = subject
    return [role, binding]
