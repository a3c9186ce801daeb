"""A secret holds one login per host: a second registry with the same host is left out."""

from __future__ import annotations

from acr_refresher.core.renewal import resolve_host_conflicts
from factories import MAIN, PARTNER, credential

SHARED = "registry.example.com"


def test_registries_with_different_hosts_have_no_conflict() -> None:
    main, partner = credential(MAIN), credential(PARTNER)
    assert resolve_host_conflicts((), (main, partner)) == ({"main": main, "partner": partner}, ())


def test_the_registry_that_is_named_first_keeps_the_host() -> None:
    main = credential(MAIN, hosts=("a.example.com", SHARED))
    partner = credential(PARTNER, hosts=(SHARED, "z.example.com"))
    free, (failure,) = resolve_host_conflicts((), (main, partner))
    assert free == {"main": main}
    assert (failure.meaning, failure.subject) == ("invalid", "registry partner")
    assert failure.message.startswith(f"{SHARED} is also a host of registry main")


def test_a_registry_that_the_secret_already_holds_keeps_the_host() -> None:
    held = credential(PARTNER, hosts=(SHARED,))
    free, (failure,) = resolve_host_conflicts((held,), (credential(MAIN, hosts=(SHARED,)),))
    assert free == {}
    assert failure.subject == "registry main"
