"""What in a registry's section contradicts something else in it, or another registry's.

As in `checks`, documents are read as parsed, and what cannot be read is silently left to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from acr_refresher.config.fields import split_list
from acr_refresher.config.strict import Location, Problem, path_of, quoted

Section = tuple[Location, Mapping[object, object]]

_RRSA_PAIR = ("rrsaRoleARN", "rrsaOIDCProviderRoleARN")


def registry_contradictions(section: Section) -> Iterator[Problem]:
    """Everything that is wrong within one registry's section."""
    yield from _region(section)
    yield from _rrsa(section)
    yield from _personal_edition(section)
    yield from _without_effect(section)
    yield from external_id(section)


def external_id(section: Section) -> Iterator[Problem]:
    """`externalId` beside anything but a single role. For clusters too."""
    location, keys = section
    if "externalId" not in keys or isinstance(keys.get("assumeRoleARN"), str):
        return
    if "assumeRoleARN" in keys:
        problem = "stands beside several roles"
        remedy = "give it with the role that asks for it: {arn: …, externalId: …}"
    else:
        problem, remedy = "is given, but no assumeRoleARN", "add the role that asks for it"
    yield Problem(path_of((*location, "externalId"), ""), problem, remedy)


def shared_hosts(
    registries: Iterable[Section], users: Iterable[tuple[Location, Iterable[str]]]
) -> Iterator[Problem]:
    """Two registries that one pull secret would log in to at the same host.

    `users`: where the names of a secret's registries stand, and the names.
    """
    domains = {str(keys.get("name")): _domains(keys) for _, keys in registries}
    if not any(one & other for one, other in combinations(domains.values(), 2)):
        return  # as nearly always: nobody's registries have to be looked at, of however many
    for location, names in users:
        known = [name for name in dict.fromkeys(names) if name in domains]
        for first, second in combinations(known, 2):
            for host in sorted(domains[first] & domains[second]):
                problem = (
                    f"{quoted(first)} and {quoted(second)} both name the domain {quoted(host)}"
                )
                remedy = "a secret holds one login a host: leave one registry or the domain out"
                yield Problem(path_of(location, ""), problem, remedy)


def _domains(keys: Mapping[object, object]) -> frozenset[str]:
    listed = split_list(keys.get("domains"))
    return frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()


def _region(section: Section) -> Iterator[Problem]:
    location, keys = section
    instance_id = keys.get("instanceId")
    in_id = instance_id.rpartition(":")[0] if isinstance(instance_id, str) else ""
    path = path_of((*location, "regionId"), "")
    if "regionId" not in keys and not in_id:
        yield Problem(path, "is missing", "add it")
    elif in_id and isinstance(region_id := keys.get("regionId"), str) and region_id != in_id:
        problem = f"is {quoted(region_id)}, but instanceId says {quoted(in_id)}"
        yield Problem(path, problem, "leave it out, or correct one of them")


def _rrsa(section: Section) -> Iterator[Problem]:
    location, keys = section
    given = [key for key in _RRSA_PAIR if key in keys]
    if len(given) == 1:
        (missing,) = set(_RRSA_PAIR) - set(given)
        path = path_of((*location, missing), "")
        yield Problem(path, "is missing", f"add it, or leave out {given[0]}")
    if "rrsaServiceAccount" in keys and not given:
        path = path_of((*location, "rrsaServiceAccount"), "")
        yield Problem(path, "is given, but no rrsaRoleARN", "add the role, or leave it out")


def _personal_edition(section: Section) -> Iterator[Problem]:
    location, keys = section
    if "instanceId" in keys:
        return
    if _RRSA_PAIR[0] in keys:
        yield Problem(
            path_of((*location, _RRSA_PAIR[0]), ""),
            "is given for Personal Edition, whose registry refuses tokens of RRSA sessions",
            "leave it out, or add instanceId of an Enterprise Edition instance",
        )
    if "endpoints" in keys:
        yield Problem(
            path_of((*location, "endpoints"), ""),
            "is given for Personal Edition, whose endpoints no API lists",
            "name the hosts as domains, or add instanceId of an Enterprise Edition instance",
        )


def _without_effect(section: Section) -> Iterator[Problem]:
    location, keys = section
    if "endpoints" in keys and "domains" in keys:
        problem = "is given beside domains, which already says which hosts are served"
        yield Problem(path_of((*location, "endpoints"), ""), problem, "keep one of them")
    if "verifyRepository" in keys and keys.get("verify") == "never":
        problem = "is given, but verify is never"
        yield Problem(path_of((*location, "verifyRepository"), ""), problem, "keep one of them")
