"""What contradicts itself in the `pullSecrets` of a section, read as parsed, before it is sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from acr_refresher.config.strict import Location, Problem, path_of, quoted

Section = tuple[Location, Mapping[object, object]]


def pull_secret_contradictions(
    section: Section, shared: Section | None = None
) -> Iterator[Problem]:
    """A secretName beside pull secrets that have their own, and one that two of them have.

    `shared` is what a cluster inherits pull secrets from where it has none itself.
    """
    location, settings = section
    secrets = list(pull_secrets_of(section))
    inherited = list(pull_secrets_of(shared)) if shared and not secrets else []
    if "secretName" in settings and (secrets or inherited):
        [(place, _), *_] = secrets or inherited
        problem = f"says what each of {path_of(place[:-1], '')} says itself"
        yield Problem(path_of((*location, "secretName"), ""), problem, "leave it out here")
    first_uses: dict[str, Location] = {}
    for place, secret in secrets:
        name = secret.get("secretName")
        if not isinstance(name, str):
            continue
        if name in first_uses:
            problem = f"{quoted(name)} is that of {path_of(first_uses[name], '')} too"
            yield Problem(path_of((*place, "secretName"), ""), problem, "give each its own")
        first_uses.setdefault(name, place)


def pull_secret_layers(
    cluster: Section, shared: Section | None
) -> Iterator[tuple[Location, Sequence[Mapping[object, object]]]]:
    """For each pull secret of a cluster, where it is said and who says its keys, nearest first."""
    location, own = cluster
    common = shared[1] if shared else {}
    listed = list(pull_secrets_of(cluster))
    inherited = list(pull_secrets_of(shared)) if shared and not listed else []
    yield from ((place, (secret, own, common)) for place, secret in listed)
    yield from ((location, (own, secret, common)) for _, secret in inherited)
    if not listed and not inherited:
        yield location, (own, common)


def pull_secrets_of(section: Section) -> Iterator[Section]:
    """The mappings in a section's list of pull secrets, each with where it stands."""
    location, settings = section
    listed = settings.get("pullSecrets")
    for index, secret in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(secret, dict):
            yield (*location, "pullSecrets", index), secret
