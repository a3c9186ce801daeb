"""The ACK credential helper: converts its configuration into ours, and recognises its secrets.

The helper's configuration describes one cluster from the inside. It lacks what the helper takes
from the cluster itself: the region and the identity.
https://www.alibabacloud.com/help/en/ack/product-overview/aliyun-acr-credential-helper
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from acr_refresher.core.model import ServiceAccountState

UNKNOWN_REGION = "REGION-ID"
"""A placeholder that is refused as a region, so that the user has to replace it."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")  # leaves room for a number
_RRSA_KEYS = {"rrsarolearn": "rrsaRoleARN", "rrsaoidcproviderrolearn": "rrsaOIDCProviderRoleARN"}
_ACCESS_KEYS = ("customaccesskey", "customaccesskeysecret")
_PLAIN_KEYS = ("instanceid", "regionid", "domains", "assumerolearn", "expireduration")

FoundRegistry = Mapping[str, Any]
"""An entry of `acr-registry-info`, its keys in lower case."""


@dataclass(frozen=True, slots=True)
class HelperConfig:
    """The helper's settings as they were written; empty where not set."""

    registries: tuple[FoundRegistry, ...] = ()
    watch_namespace: object = ""
    service_account: object = ""
    expiring_threshold: object = ""
    rrsa: bool = False
    others: tuple[str, ...] = ()  # names of settings that acr-refresher does not have


@dataclass(frozen=True, slots=True)
class Target:
    """The cluster that the helper runs in, as far as it is known."""

    name: str = ""
    cluster_id: str = ""
    region_id: str = ""


@dataclass(frozen=True, slots=True)
class ConvertedConfig:
    """Our configuration document, and remarks about what the user should know or do."""

    document: Mapping[str, Any]
    remarks: tuple[str, ...]


def convert_helper_config(helper: HelperConfig, target: Target) -> ConvertedConfig:
    """A configuration that serves the cluster like the helper, with or without the helper."""
    found = helper.registries or ({},)
    registries: list[dict[str, Any]] = []
    remarks: list[str] = []
    for index, (name, registry) in enumerate(zip(_names(found), found, strict=True)):
        registries.append(_registry(name, registry, target, rrsa=helper.rrsa))
        about = _registry_remarks(registry, target, rrsa=helper.rrsa)
        remarks += (f"registries[{index}] {remark}" for remark in about)
    document = {"registries": registries, "clusters": [_cluster(helper, target)]}
    return ConvertedConfig(document, (*remarks, *_cluster_remarks(helper, target)))


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
        yield "is in the cluster's region, which is unknown: set regionId (or use --region)"
    if not found:
        yield "is the region's Personal Edition, which the helper serves if none is configured"
    if any(found.get(key) for key in _ACCESS_KEYS):
        yield (
            "has an access key, which is not carried over: create a RAM role that may get its"
            " tokens, set it as assumeRoleARN, and revoke the key after the helper is removed"
        )
    if found.get("expireduration") and _seconds(found["expireduration"]) is None:
        yield "has an expireDuration that is not a number, which is left out"
    unknown = ", ".join(sorted(found.keys() - {*_PLAIN_KEYS, *_RRSA_KEYS, *_ACCESS_KEYS}))
    if unknown:
        yield f"has settings that are not carried over: {unknown}"
    yield from _identity_remarks(found, rrsa=rrsa)


def _region(found: FoundRegistry) -> str:
    """The region as configured, or from the prefix of the instance's ID."""
    return _text(found, "regionid") or _text(found, "instanceid").rpartition(":")[0]


def _identity_remarks(found: FoundRegistry, *, rrsa: bool) -> Iterator[str]:
    """Remarks about the identity that gets the tokens from now on, unless the document shows it."""
    arns = [key for key in _RRSA_KEYS if _text(found, key)]
    if rrsa and not _text(found, "instanceid"):
        yield "is Personal Edition, which RRSA does not support: the function's own role is used"
    elif rrsa and len(arns) == len(_RRSA_KEYS):
        yield (
            "keeps RRSA: apply infra/rbac/rrsa-role.yaml to the cluster, and keep the service"
            " account kube-system/aliyun-acr-credential-helper after you remove the helper; or"
            " leave out the rrsa keys, so that the function's role assumes assumeRoleARN itself"
        )
    elif arns:
        missing = "one of them is missing" if rrsa else "the helper's RRSA is not enabled"
        yield f"has rrsa keys that have no effect: {missing}"
    elif not _text(found, "assumerolearn"):
        yield (
            "is used with the function's own role, no longer with the cluster's: if it is in"
            " another account, set a role of that account as assumeRoleARN"
        )


def _names(found: Iterable[FoundRegistry]) -> list[str]:
    """Our names for the registries: their IDs, with a number where an ID repeats."""
    names: dict[str, None] = {}  # in order
    uses: Counter[str] = Counter()
    for registry in found:
        wanted = _text(registry, "instanceid").rpartition(":")[2] or "personal"
        base = wanted if _NAME.fullmatch(wanted) else "registry"
        name = base
        while name in names or not uses[base]:
            uses[base] += 1
            name = f"{base}-{uses[base]}" if uses[base] > 1 else base
        names[name] = None
    return list(names)


# ---- the cluster ---------------------------------------------------------------------------------


def _cluster(helper: HelperConfig, target: Target) -> dict[str, Any]:
    name = target.name or target.cluster_id or "imported"
    if target.cluster_id:
        region_id = target.region_id or UNKNOWN_REGION
        access = {"clusterId": target.cluster_id, "regionId": region_id}
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
            "clusters[0] needs a kubeconfig at that path; for an ACK cluster set clusterId and"
            " regionId instead (or use --cluster-id and --region)"
        )
    elif not target.region_id:
        yield "clusters[0] has no region: set regionId (or use --region)"
    if _wanted(helper.watch_namespace, every="all") == "all":
        yield (
            "clusters[0].watchNamespace: in acr-refresher, all excludes the kube-* namespaces; if"
            ' they pull private images, set "all,kube-*"'
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
    """The parts of a list or of a comma-separated text, without quotes, schemes and repetitions."""
    listed = value if isinstance(value, list) else str(value or "").split(",")
    bare = (str(part).strip(" \t\r\n\"'").removeprefix("https://").rstrip("/") for part in listed)
    return list(dict.fromkeys(part.lower() for part in bare if part))


def _wanted(value: object, *, every: str) -> str | list[str]:
    """The names as a list, or `every` if the list contains a word for all names."""
    parts = _parts(value)
    return every if {"all", "*"} & set(parts) else parts


# ---- the helper in a cluster ---------------------------------------------------------------------

HELPER_PREFIX = "acr-credential-"
"""The prefix of the helper's secrets: `acr-credential-secret-aggregation`, and in older versions
`acr-credential-<digest of a domain>`."""

COMPETING_CONTROLLER_WARNING = (
    "the ACK credential helper's secret is also bound to {}: run both controllers only during a"
    " migration, see docs/migrating.md"
)


def competing_controller_warnings(accounts: Iterable[ServiceAccountState]) -> tuple[str, ...]:
    """A warning if any of a namespace's accounts refers to a Secret of the helper."""
    bound = sorted(
        account.name
        for account in accounts
        if any(name.startswith(HELPER_PREFIX) for name in account.image_pull_secrets)
    )
    return (COMPETING_CONTROLLER_WARNING.format(", ".join(bound)),) if bound else ()
