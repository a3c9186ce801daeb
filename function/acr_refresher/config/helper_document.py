"""Reads the configuration of the ACK credential helper, in the forms in which people keep it.

It is the ConfigMap kube-system/acr-configuration or its data, as YAML or JSON, or the JSON of the
managed add-on. It may be a document among others. The text in `acr-registry-info` is a document
inside the document, and it is often not valid. Problems do not show values, because some of them
are access keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from acr_refresher.config.strict import InvalidInput, Problem
from acr_refresher.config.strict_yaml import read_yaml_documents
from acr_refresher.core.ack_helper import HelperConfig
from acr_refresher.settings import SETTINGS

CONFIG_MAP = "acr-configuration"
ADD_ON = "aliyun-acr-credential-helper"

_REGISTRIES = ("acrregistryinfo", "acrinstanceinfo")
_RRSA = ("rrsa", "enablerrsa")
_SETTINGS = ("watchnamespace", "serviceaccount", "expiringthreshold")
_IGNORED = ("acrapiversion",)

# Within a line: over many empty lines, it would take the square of their number.
_DOMAINS = re.compile(r"^([ \t-]*[\"']?domains[\"']?[ \t]*:)(.*)$", re.MULTILINE)
_STAR = re.compile(r":[ \t]*\*[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"\s#.*$")


def read_helper_document(text: str, root: str) -> HelperConfig:
    """The helper's configuration. Raises InvalidInput if the text contains none."""
    settings = _settings(_first(_parsed(text, root)))
    known = {_folded(key): (key, value) for key, value in (settings or {}).items()}
    if not known.keys() & {*_REGISTRIES, *_SETTINGS, *_RRSA}:
        raise _refused(
            root,
            "has none of the keys of the ACK credential helper",
            f"give its ConfigMap (kubectl get cm -n kube-system {CONFIG_MAP} -o yaml) or the"
            " managed add-on's JSON",
        )
    value = {key: value for key, (_, value) in known.items()}
    used = {*_REGISTRIES, *_SETTINGS, *_RRSA, *_IGNORED}
    registries = next((known[key] for key in _REGISTRIES if key in known), (root, None))
    return HelperConfig(
        registries=_registries(*registries),
        watch_namespace=value.get("watchnamespace") or "",
        service_account=value.get("serviceaccount") or "",
        expiring_threshold=value.get("expiringthreshold") or "",
        rrsa=any(_enabled(value.get(key)) for key in _RRSA),
        others=tuple(name for key, (name, _) in known.items() if key not in used),
    )


def _first(documents: Sequence[object]) -> object:
    """The only document; of several, the list of them, as in a List."""
    return documents[0] if len(documents) == 1 else list(documents)


def _settings(document: object) -> Mapping[str, Any] | None:
    """The settings, without the List, the ConfigMap or the add-on around them."""
    if isinstance(document, list):
        found = (_settings(each) for each in document if _is_helpers(each))
        return next((each for each in found if each), None)
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("items"), list):
        return _settings(document["items"])
    if isinstance(document.get("data"), dict):
        return dict(document["data"])
    if "config" in document:
        inner = document["config"]
        return _settings(_only(inner, "config") if isinstance(inner, str) else inner)
    return document


def _is_helpers(item: object) -> bool:
    """Whether an item of a list has the name of the helper's ConfigMap or add-on."""
    if not isinstance(item, dict):
        return False
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else item.get("name")
    return name == CONFIG_MAP or str(name).endswith(ADD_ON)


def _registries(key: str, value: object) -> tuple[Mapping[str, Any], ...]:
    """The registries: a list or a single registry, parsed or as text."""
    listed = _only(value, key) if isinstance(value, str) else value
    entries = [listed] if isinstance(listed, dict) else listed or []
    if not isinstance(entries, list):
        raise _refused(key, "is not a list of registries", "give each as instanceId, regionId, …")
    return tuple(_registry(f"{key}[{index}]", entry) for index, entry in enumerate(entries))


def _registry(path: str, entry: object) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise _refused(path, "is not a registry", "give it as instanceId, regionId, …")
    return {str(key).lower(): value for key, value in entry.items() if value is not None}


def _enabled(value: object) -> bool:
    """Whether a value is `enable: true` or `true`, parsed or as text."""
    parsed = _only(value, "rrsa") if isinstance(value, str) else value
    found = parsed.get("enable") if isinstance(parsed, dict) else parsed
    return str(found).lower() == "true"


def _only(text: str, root: str) -> object:
    """The only document of a text. Raises InvalidInput if there are several."""
    try:
        documents = _parsed(text, root)
    except InvalidInput as refused:
        raise InvalidInput(_inside(each, root) for each in refused.problems) from None
    if len(documents) > 1:
        raise _refused(root, "is several documents", "remove the lines with --- in it")
    return documents[0] if documents else None


def _inside(found: Problem, root: str) -> Problem:
    """A problem within a text of the document, whose lines are those of that text."""
    if found.path == root:
        return found
    path = f"{root}.{found.path}".replace(".[", "[", 1)
    return replace(found, path=path, problem=f"{found.problem} of {root}")


def _parsed(text: str, root: str) -> Sequence[object]:
    """YAML or JSON. If it is not valid, lists of domains and stars are put in quotes first.

    Raises InvalidInput, also if a key is repeated: a dash is then missing between two registries.
    """
    try:
        documents = read_yaml_documents(text, root, SETTINGS.helper_values)
    except InvalidInput:
        repaired = _STAR.sub(': "*"', _DOMAINS.sub(_quoted, text))
        if repaired == text:
            raise
        documents = read_yaml_documents(repaired, root, SETTINGS.helper_values)
    repeated = [problem for each in documents for problem in each.repeated_keys]
    if repeated:
        raise InvalidInput(replace(each, remedy=_REPEATED) for each in repeated)
    return [each.data for each in documents if each.data is not None]


_REPEATED = "keep one of them, or write - before each registry if a dash is missing"


def _quoted(line: re.Match[str]) -> str:
    """The line `domains: "a","b"` as `domains: "a,b"`."""
    names = re.split(r"[\s,\"']+", _COMMENT.sub("", line[2]))
    return f'{line[1]} "{",".join(filter(None, names))}"'


def _folded(key: object) -> str:
    return re.sub(r"[^a-z]", "", str(key).lower())


def _refused(path: str, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput([Problem(path, problem, remedy)])
