"""Pull secrets that somebody edited: what is not ours does not stay, whatever the record says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from acr_refresher.core.merge import (
    content_to_write,
    contested,
    resolve_host_conflicts,
    without_shorter,
)
from acr_refresher.core.model import (
    Cluster,
    Credential,
    Entry,
    KubeconfigAccess,
    Registry,
    SecretState,
)
from acr_refresher.core.outcome import Terms
from acr_refresher.core.renewal import decide
from acr_refresher.core.secret import (
    CONTENT_ANNOTATION,
    ENTRIES_ANNOTATION,
    REFRESHED_AT_ANNOTATION,
    UNTRUSTED,
    _checksum,
    build_dockerconfig,
    inputs_digest,
    rfc3339,
)
from acr_refresher.core.secret_status import State, secret_statuses
from acr_refresher.settings import SETTINGS
from factories import (
    HOUR,
    MAIN,
    MINUTE,
    NOW,
    PARTNER,
    credential,
    logins,
    request,
    secret,
    state,
    wanted,
)

CONFIGURED = replace(MAIN, domains=("main.example.com", "vpc.example.com"))
"""A registry whose hosts are configured. The cloud says which hosts the other one has."""
BOTH = (CONFIGURED, PARTNER)
HOSTS = {"main": CONFIGURED.domains, "partner": ("partner.example.com",)}
OURS = {host: f"{name}-new" for name, hosts in HOSTS.items() for host in hosts}
LONGEST = SETTINGS.token_lifetime_max + SETTINGS.record_slack


def minted(registry: Registry, now: datetime) -> Credential:
    entry = Entry(registry.name, HOSTS[registry.name], now + HOUR, inputs_digest(registry))
    return Credential(entry, "cr_temp_user", SecretStr(f"{registry.name}-new"))


def after_a_run(found: SecretState, now: datetime = NOW) -> SecretState:
    """The Secret after a run in which a token for every registry can be had."""
    apply = decide(Terms(BOTH, request(), 15 * MINUTE, now), found)
    if apply is None:
        return found
    tokens = {registry.name: minted(registry, now) for registry in apply.mint}
    tokens |= {registry.name: minted(registry, now) for registry in contested(apply, tokens)}
    usable, _ = without_shorter(apply, resolve_host_conflicts(apply, tokens)[0])
    content = content_to_write(apply, usable, now, "run-1")
    assert content
    return replace(
        found, annotations=content.annotations, dockerconfigjson=content.dockerconfigjson
    )


def entry_json(name: str, **changes: object) -> dict[str, object]:
    """An entry of the record as we write it, with the changes of an editor."""
    registry = {"main": CONFIGURED, "partner": PARTNER}[name]
    return {
        "registry": name,
        "hosts": list(HOSTS[name]),
        "expiresAt": rfc3339(NOW + HOUR),
        "inputs": inputs_digest(registry),
        **changes,
    }


def forged(entries: object, document: str, **annotations: str) -> SecretState:
    """A Secret with this record and document, and with the checksum that belongs to them."""
    recorded = entries if isinstance(entries, str) else json.dumps(entries)
    return secret(
        annotations={
            ENTRIES_ANNOTATION: recorded,
            CONTENT_ANNOTATION: _checksum(recorded, SecretStr(document)),
            **annotations,
        },
        document=document,
    )


def theirs(*hosts: str) -> str:
    """A document in our format with another password for these hosts."""
    return build_dockerconfig((credential(hosts=hosts, password="theirs"),)).get_secret_value()


ALL_HOSTS = tuple(OURS)
WHOLE = [entry_json("main"), entry_json("partner")]

LIES: Mapping[str, Callable[[], SecretState]] = {
    "the partner never expires and has the hosts of main": lambda: forged(
        [entry_json("partner", hosts=list(CONFIGURED.domains), expiresAt="9999-12-31T23:59:59Z")],
        theirs(*CONFIGURED.domains),
    ),
    "the partner has the hosts of main": lambda: forged(
        [entry_json("partner", hosts=list(CONFIGURED.domains))], theirs(*CONFIGURED.domains)
    ),
    "both have the hosts of main": lambda: forged(
        [entry_json("main"), entry_json("partner", hosts=list(CONFIGURED.domains))],
        theirs(*CONFIGURED.domains),
    ),
    "main has only one of its hosts": lambda: forged(
        [entry_json("main", hosts=["main.example.com"]), entry_json("partner")],
        theirs("main.example.com", "partner.example.com"),
    ),
    "main has a host more": lambda: forged(
        [entry_json("main", hosts=[*CONFIGURED.domains, "x.example"]), entry_json("partner")],
        theirs(*ALL_HOSTS, "x.example"),
    ),
    "an expiry is later than a token can live": lambda: forged(
        [entry_json("main", expiresAt=rfc3339(NOW + LONGEST + MINUTE)), entry_json("partner")],
        theirs(*ALL_HOSTS),
    ),
    "the record has an entry twice": lambda: forged([*WHOLE, WHOLE[0]], theirs(*ALL_HOSTS)),
    "the document has a host more": lambda: forged(WHOLE, theirs(*ALL_HOSTS, "x.example")),
    "the document has a host less": lambda: forged(WHOLE, theirs(*ALL_HOSTS[1:])),
    "two hosts of a registry have different logins": lambda: forged(
        WHOLE,
        build_dockerconfig(
            [
                credential(hosts=("main.example.com",), password="theirs"),
                credential(hosts=("vpc.example.com", "partner.example.com"), password="others"),
            ]
        ).get_secret_value(),
    ),
    "a login has more than its auth": lambda: forged(
        WHOLE, theirs(*ALL_HOSTS).replace('"auth"', '"username":"x","auth"')
    ),
    "the record is no list": lambda: forged({"registry": "main"}, theirs(*ALL_HOSTS)),
    "the record is empty": lambda: forged([], theirs(*ALL_HOSTS)),
    "an entry has no hosts": lambda: forged(
        [entry_json("main", hosts=[]), entry_json("partner")], theirs(*ALL_HOSTS)
    ),
    "the hosts are a text": lambda: forged(
        [entry_json("main", hosts="main"), entry_json("partner")], theirs(*ALL_HOSTS)
    ),
    "a name is very long": lambda: forged(
        [*WHOLE, entry_json("main", registry="x" * 10_000, hosts=["x"])], theirs(*ALL_HOSTS, "x")
    ),
    "the record is very long": lambda: forged(
        [*WHOLE, entry_json("main", registry="x", hosts=["x"], note="x" * SETTINGS.record_size)],
        theirs(*ALL_HOSTS, "x"),
    ),
    "there are very many entries": lambda: forged(
        [
            *WHOLE,
            *(
                entry_json("main", registry=f"r{number}", hosts=[f"h{number}"])
                for number in range(SETTINGS.record_entries)
            ),
        ],
        theirs(*ALL_HOSTS, *(f"h{number}" for number in range(SETTINGS.record_entries))),
    ),
    "a number has five thousand digits": lambda: forged(f"[{'7' * 5000}]", theirs(*ALL_HOSTS)),
    "the checksum is missing": lambda: forged(
        WHOLE, theirs(*ALL_HOSTS), **{CONTENT_ANNOTATION: ""}
    ),
    "the login was carried over from an edited secret": lambda: forged(
        [entry_json("main", inputs=UNTRUSTED), entry_json("partner", inputs=UNTRUSTED)],
        theirs(*ALL_HOSTS),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_after_the_next_run_the_logins_are_ours(lie: str) -> None:
    assert logins(after_a_run(LIES[lie]()).dockerconfigjson) == OURS


def test_what_is_carried_over_from_an_edited_secret_has_hosts_of_its_own_registry_only() -> None:
    record = [
        entry_json("main", hosts=["x.example"]),
        entry_json("partner", hosts=["partner.example.com", "vpc.example.com"]),
    ]
    found = forged(record, theirs("x.example", "partner.example.com", "vpc.example.com"))
    apply = decide(Terms(BOTH, request(), 15 * MINUTE, NOW), found)
    assert apply
    assert (apply.mint, apply.kept, apply.fallback) == (BOTH, (), ())


# ---- anything at all -----------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
SOME_HOSTS = st.lists(st.sampled_from([*ALL_HOSTS, "x.example", "y.example"]), max_size=3)
MOMENTS = st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds") + "Z")
SOON = st.integers(-60, 800).map(lambda minutes: rfc3339(NOW + minutes * MINUTE))
ENTRY = st.fixed_dictionaries(
    {
        "registry": st.sampled_from(["main", "partner", "other"]) | JSON,
        "hosts": SOME_HOSTS | JSON,
        "expiresAt": SOON | MOMENTS | JSON,
        "inputs": st.sampled_from([inputs_digest(CONFIGURED), inputs_digest(PARTNER), UNTRUSTED])
        | JSON,
    }
)
RECORD = (st.lists(ENTRY, max_size=3) | JSON).map(json.dumps) | st.text()
DOCUMENT = (
    SOME_HOSTS.map(lambda hosts: theirs(*hosts))
    | JSON.map(json.dumps)
    | JSON.map(lambda auths: json.dumps({"auths": auths}))
    | st.text()
)
EDITED = st.builds(forged, RECORD, DOCUMENT) | st.builds(
    lambda annotations, document: secret(annotations=annotations, document=document),
    st.dictionaries(
        st.sampled_from([ENTRIES_ANNOTATION, CONTENT_ANNOTATION, REFRESHED_AT_ANNOTATION]),
        RECORD | MOMENTS,
    ),
    DOCUMENT,
)


@given(EDITED)
def test_whatever_was_edited_the_logins_are_ours_when_every_token_must_have_expired(
    found: SecretState,
) -> None:
    """A record that could be ours is believed, so the limit is the life of a token."""
    later = after_a_run(after_a_run(found), NOW + LONGEST)
    assert logins(later.dockerconfigjson) == OURS


@given(EDITED, st.dictionaries(st.just(REFRESHED_AT_ANNOTATION), MOMENTS | st.text()))
def test_whatever_was_edited_has_a_status_and_dates_that_can_be_counted_with(
    found: SecretState, dates: Mapping[str, str]
) -> None:
    cluster = Cluster("prod", KubeconfigAccess("x"), (wanted(*BOTH),))
    edited = replace(found, annotations={**found.annotations, **dates})
    (status,) = secret_statuses(cluster, state(edited), NOW)
    for date in filter(None, (status.expires_at, status.refreshed_at)):
        assert date - NOW <= LONGEST
    assert isinstance(status.state, State)


def test_a_token_that_lives_longer_than_any_is_believed_for_the_longest_time() -> None:
    """Otherwise the next run doubts what this run wrote, and each run writes again."""
    longest = SETTINGS.token_lifetime_max
    found = secret(credential(CONFIGURED, 72 * HOUR, CONFIGURED.domains), credential(PARTNER))
    recorded: list[dict[str, Any]] = json.loads(found.annotations[ENTRIES_ANNOTATION])
    assert recorded[0]["expiresAt"] == rfc3339(NOW + longest)
    for clock in (timedelta(), timedelta(minutes=-29)):
        terms = Terms(BOTH, request(), 15 * MINUTE, NOW + clock)
        assert decide(terms, found) is None
