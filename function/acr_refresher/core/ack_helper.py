"""The ACK credential helper's configuration, turned into ours.

The helper is told what one cluster needs, seen from inside it; what it is not told is the cluster's
own: its region, its identity.
https://www.alibabacloud.com/help/en/ack/product-overview/aliyun-acr-credential-helper
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from acr_refresher.core.model import ServiceAccountState

UNKNOWN_REGION = "REGION-ID"
"""Is no region, so that the configuration is refused until somebody writes the right one."""
UNKNOWN_CLUSTER = "imported"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")  # leaves room for a number
_RRSA_KEYS = {"rrsarolearn": "rrsaRoleARN", "rrsaoidcproviderrolearn": "rrsaOIDCProviderRoleARN"}
_ACCESS_KEYS = ("customaccesskey", "customaccesskeysecret")
_REGISTRY_KEYS = (
    "instanceid",
    "regionid",
    "domains",
    "assumerolearn",
    "expireduration",
    *_RRSA_KEYS,
    *_ACCESS_KEYS,
)

FoundRegistry = Mapping[str, Any]
"""An entry of `acr-registry-info`, its keys in lower case."""


@dataclass(frozen=True, slots=True)
class HelperConfig:
    """What the helper is told, as it was written; empty where nothing was.

    `others` are the names of settings that have no counterpart here.
    """

    registries: tuple[FoundRegistry, ...] = ()
    watch_namespace: object = ""
    service_account: object = ""
    expiring_threshold: object = ""
    rrsa: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """The cluster that the helper runs in, as far as known."""

    name: str = ""
    cluster_id: str = ""
    region_id: str = ""


@dataclass(frozen=True, slots=True)
class ConvertedConfig:
    """Our document, and what somebody should know or do about it, a line each."""

    document: Mapping[str, Any]
    remarks: tuple[str, ...]


def convert_helper_config(helper: HelperConfig, target: Target) -> ConvertedConfig:
    """What serves the cluster as the helper does, with the helper beside it or gone."""
    found = helper.registries or ({},)
    names = _names(found)
    registries = [
        _registry(name, each, target, rrsa=helper.rrsa)
        for name, each in zip(names, found, strict=True)
    ]
    remarks = (
        *(
            f"registries[{index}] {remark}"
            for index, each in enumerate(found)
            for remark in _registry_remarks(each, target, rrsa=helper.rrsa)
        ),
        *_cluster_remarks(helper, target),
    )
    return ConvertedConfig(
        {"registries": registries, "clusters": [_cluster(helper, target)]}, remarks
    )


# ---- registries ----------------------------------------------------------------------------------


def _registry(name: str, found: FoundRegistry, target: Target, *, rrsa: bool) -> dict[str, Any]:
    arns = {ours: _text(found, theirs) for theirs, ours in _RRSA_KEYS.items()}
    fields = {
        "name": name,
        "instanceId": _text(found, "instanceid"),
        "regionId": _region(found) or target.region_id or UNKNOWN_REGION,
        "domains": _parts(found.get("domains")),
        "assumeRoleARN": _text(found, "assumerolearn"),
        "expireDuration": _seconds(found.get("expireduration")),
        **(arns if rrsa and _text(found, "instanceid") else {}),
    }
    return {key: value for key, value in fields.items() if value}


def _registry_remarks(found: FoundRegistry, target: Target, *, rrsa: bool) -> Iterator[str]:
    if not _region(found) and not target.region_id:
        yield "is in the cluster's region, which is not known: write it as regionId (or --region)"
    if not found:
        yield "is the Personal Edition of the region, which the helper serves where none is named"
    if any(found.get(key) for key in _ACCESS_KEYS):
        yield (
            "has an access key, which is not carried over: make a RAM role that may fetch its"
            " tokens, name it as assumeRoleARN, and revoke the key when the helper is gone"
        )
    if found.get("expireduration") and _seconds(found["expireduration"]) is None:
        yield "has an expireDuration that is no number, which is left out"
    unknown = ", ".join(sorted(found.keys() - set(_REGISTRY_KEYS)))
    if unknown:
        yield f"has settings that are not carried over: {unknown}"
    yield from _identity_remarks(found, rrsa=rrsa)


def _region(found: FoundRegistry) -> str:
    """As said, or as it stands before the instance's ID."""
    return _text(found, "regionid") or _text(found, "instanceid").rpartition(":")[0]


def _identity_remarks(found: FoundRegistry, *, rrsa: bool) -> Iterator[str]:
    """Who asks for the tokens from now on, where that is not plain from the document."""
    arns = [key for key in _RRSA_KEYS if _text(found, key)]
    if rrsa and not _text(found, "instanceid"):
        yield "is Personal Edition, which RRSA cannot pull from: the function's own role asks"
    elif rrsa and len(arns) == len(_RRSA_KEYS):
        yield (
            "keeps RRSA: apply infra/rbac/rrsa-role.yaml to the cluster, and keep the service"
            " account kube-system/aliyun-acr-credential-helper when the helper is gone; or leave"
            " the rrsa keys out and let the function's role assume assumeRoleARN itself"
        )
    elif arns:
        missing = "one of them is missing" if rrsa else "the helper's RRSA is not enabled"
        yield f"has rrsa keys that have no effect: {missing}"
    elif not _text(found, "assumerolearn"):
        yield (
            "is asked for tokens with the function's own role, no longer the cluster's: name a role"
            " of its account as assumeRoleARN where that is another"
        )


def _names(found: Iterable[FoundRegistry]) -> list[str]:
    """Our names for the registries: their IDs, numbered where one comes again."""
    names: list[str] = []
    for each in found:
        wish = _text(each, "instanceid").rpartition(":")[2] or "personal"
        base = wish if _NAME.fullmatch(wish) else "registry"
        again = sum(re.fullmatch(rf"{base}(-\d+)?", name) is not None for name in names)
        names.append(f"{base}-{again + 1}" if again else base)
    return names


# ---- the cluster ---------------------------------------------------------------------------------


def _cluster(helper: HelperConfig, target: Target) -> dict[str, Any]:
    name = target.name or target.cluster_id or UNKNOWN_CLUSTER
    if target.cluster_id:
        access = {
            "clusterId": target.cluster_id,
            "regionId": target.region_id or UNKNOWN_REGION,
        }
    else:
        access = {"kubeconfig": f"kubeconfigs/{name}.yaml"}
    settings = {
        "watchNamespace": _wanted(helper.watch_namespace, every="all"),
        "serviceAccount": _wanted(helper.service_account, every="*"),
        "expiringThreshold": str(helper.expiring_threshold).strip(),
    }
    return {"name": name} | access | {key: value for key, value in settings.items() if value}


def _cluster_remarks(helper: HelperConfig, target: Target) -> Iterator[str]:
    if not target.cluster_id:
        yield (
            "clusters[0] is reached with a kubeconfig that is to be put at that path; for an ACK"
            " cluster write clusterId and regionId in its place (or --cluster-id and --region)"
        )
    elif not target.region_id:
        yield "clusters[0] has no region: write it as regionId (or --region)"
    if _wanted(helper.watch_namespace, every="all") == "all":
        yield (
            "clusters[0].watchNamespace: all leaves out the namespaces of Kubernetes here; where"
            ' they pull private images, write "all,kube-*"'
        )
    for name in helper.others:
        yield f"{name} is not carried over"


# ---- values --------------------------------------------------------------------------------------


def _text(found: FoundRegistry, key: str) -> str:
    value = found.get(key)
    return "" if value is None else str(value).strip()


def _seconds(value: object) -> int | None:
    text = str(value).strip()
    return int(text) if text.isdecimal() else None


def _parts(value: object) -> list[str]:
    """The parts of a list or of text with commas, quotes and schemes shed, each once."""
    listed = value if isinstance(value, list) else str(value or "").split(",")
    bare = (str(each).strip(" \t\r\n\"'").removeprefix("https://").rstrip("/") for each in listed)
    return list(dict.fromkeys(each.lower() for each in bare if each))


def _wanted(value: object, *, every: str) -> str | list[str]:
    """Names as a list, or the one word for all of them where it stands among them."""
    parts = _parts(value)
    return every if {"all", "*"} & set(parts) else parts


HELPER_PREFIX = "acr-credential-"
"""Of `acr-credential-secret-aggregation`, and of `acr-credential-<digest of a domain>` before."""

COMPETING_CONTROLLER_WARNING = (
    "the ACK credential helper's secret is bound to {} here too: two writers are meant for the time"
    " of a migration only, see docs/migrating.md"
)


def competing_controller_warnings(accounts: Iterable[ServiceAccountState]) -> tuple[str, ...]:
    """One for a namespace's accounts, where any refers to a Secret of the helper."""
    bound = sorted(one.name for one in accounts if any(map(_is_helpers, one.image_pull_secrets)))
    return (COMPETING_CONTROLLER_WARNING.format(", ".join(bound)),) if bound else ()


def _is_helpers(secret: str) -> bool:
    return secret.startswith(HELPER_PREFIX)
