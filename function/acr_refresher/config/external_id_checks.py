"""External IDs that contradict each other: a role's trust policy asks a caller for one, or none.

As in `checks`, documents are read as parsed, and what cannot be read is silently left to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from acr_refresher.config.strict import Location, Problem, path_of, quoted

Section = tuple[Location, Mapping[object, object]]
Step = tuple[str, str | None]
"""A role to be assumed and the one that assumes it, by ARN; None is the function's own."""


def several_external_ids(sections: Iterable[Section]) -> Iterator[Problem]:
    """A role that is to be assumed with an external ID here and another one, or none, there."""
    first_uses: dict[Step, tuple[str | None, Location]] = {}
    for location, section in chain.from_iterable(map(_with_secret, sections)):
        place = (*location, "assumeRoleARN")
        for step, external_id in _steps(section):
            known, used = first_uses.setdefault(step, (external_id, place))
            if known == external_id:
                continue
            here = f"externalId {quoted(external_id)}" if external_id else "no externalId"
            there = f"{quoted(known) if known else 'none'} in {path_of(used, '')}"
            remedy = "give both the one that the role's trust policy asks for, or none"
            yield Problem(path_of(place, ""), f"{quoted(step[0])} has {here}, but {there}", remedy)


def _with_secret(section: Section) -> Iterator[Section]:
    yield section
    location, keys = section
    if isinstance(secret := keys.get("kubeconfigSecret"), dict):
        yield (*location, "kubeconfigSecret"), secret


def _steps(section: Mapping[object, object]) -> Iterator[tuple[Step, str | None]]:
    """Each step of a chain of roles, with its external ID."""
    caller = section.get("rrsaRoleARN")
    for arn, external_id in _roles(section):
        if isinstance(arn, str) and isinstance(external_id, str | None):
            yield (arn, caller if isinstance(caller, str) else None), external_id
        caller = arn


def _roles(section: Mapping[object, object]) -> Iterator[tuple[object, object]]:
    given = section.get("assumeRoleARN")
    if isinstance(given, str):
        yield given, section.get("externalId")
        return
    for role in given if isinstance(given, list) else [given]:
        if isinstance(role, dict):
            yield role.get("arn"), role.get("externalId")
        else:
            yield role, None
