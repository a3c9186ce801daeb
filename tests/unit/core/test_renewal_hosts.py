"""A secret holds one login per host: a second registry with the same host is left out."""

from __future__ import annotations

import json

from acr_refresher.core.merge import content_to_write, contested, resolve_host_conflicts
from acr_refresher.core.model import Credential
from acr_refresher.core.outcome import ApplySecret, Terms
from acr_refresher.core.reasons import Reason
from factories import MAIN, MINUTE, NOW, PARTNER, credential, logins, request

SHARED = "registry.example.com"


def holding(*kept: Credential) -> ApplySecret:
    """A write of both registries to a secret that holds these credentials, which are fresh."""
    held = {each.entry.registry for each in kept}
    mint = tuple(registry for registry in (MAIN, PARTNER) if registry.name not in held)
    terms = Terms((MAIN, PARTNER), request(), 15 * MINUTE, NOW)
    return ApplySecret(terms, Reason.REGISTRY_MISSING, mint, kept, ())


def named(*credentials: Credential) -> dict[str, Credential]:
    return {each.entry.registry: each for each in credentials}


def test_registries_with_different_hosts_have_no_conflict() -> None:
    minted = named(credential(MAIN), credential(PARTNER))
    assert resolve_host_conflicts(holding(), minted) == (minted, ())


def test_the_registry_that_is_configured_first_keeps_the_host() -> None:
    main = credential(MAIN, hosts=("a.example.com", SHARED))
    partner = credential(PARTNER, hosts=(SHARED, "z.example.com"))
    free, (failure,) = resolve_host_conflicts(holding(), named(partner, main))
    assert free == {"main": main}
    assert (failure.meaning, failure.subject) == ("invalid", "registry partner")
    assert failure.message.startswith(f"{SHARED} is also a host of registry main")


def test_a_registry_that_the_secret_holds_keeps_the_host_if_the_cloud_confirms_it() -> None:
    apply = holding(credential(PARTNER, hosts=(SHARED,)))
    main = credential(MAIN, hosts=(SHARED,))
    assert contested(apply, named(main)) == (PARTNER,)
    minted = named(main, credential(PARTNER, hosts=(SHARED,), password="new"))
    free, (failure,) = resolve_host_conflicts(apply, minted)
    assert free == {}
    assert failure.subject == "registry main"


def test_a_record_that_claims_the_host_of_another_registry_is_not_believed() -> None:
    claimed = credential(PARTNER, hosts=(SHARED,), password="theirs")
    apply = holding(claimed)
    minted = named(credential(MAIN, hosts=(SHARED,), password="ours"), credential(PARTNER))
    free, failures = resolve_host_conflicts(apply, minted)
    assert (free, failures) == (minted, ())
    content = content_to_write(apply, free, NOW, "run-1")
    assert content
    assert logins(content.dockerconfigjson) == {SHARED: "ours", "partner.example.com": "token"}


def test_such_a_claim_is_dropped_if_the_claiming_registry_gives_no_token() -> None:
    apply = holding(credential(PARTNER, hosts=(SHARED,), password="theirs"))
    minted = named(credential(MAIN, hosts=(SHARED,), password="ours"))
    content = content_to_write(apply, minted, NOW, "run-1")
    assert content
    assert logins(content.dockerconfigjson) == {SHARED: "ours"}
    assert "partner" not in json.dumps(dict(content.annotations))
