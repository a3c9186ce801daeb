"""A secret holds one login a host: who claims a host second is left out, by name."""

from __future__ import annotations

from acr_refresher.core.renewal import resolve_host_conflicts
from factories import MAIN, PARTNER, credential

SHARED = "registry.example.com"


def test_hosts_of_their_own_are_all_free() -> None:
    main, partner = credential(MAIN), credential(PARTNER)
    assert resolve_host_conflicts((), (main, partner)) == ({"main": main, "partner": partner}, ())


def test_the_one_named_first_keeps_the_host() -> None:
    main = credential(MAIN, hosts=("a.example.com", SHARED))
    partner = credential(PARTNER, hosts=(SHARED, "z.example.com"))
    free, (failure,) = resolve_host_conflicts((), (main, partner))
    assert free == {"main": main}
    assert (failure.meaning, failure.subject) == ("invalid", "registry partner")
    assert failure.message.startswith(f"{SHARED} is a host of registry main too")


def test_what_the_secret_holds_already_comes_first() -> None:
    held = credential(PARTNER, hosts=(SHARED,))
    free, (failure,) = resolve_host_conflicts((held,), (credential(MAIN, hosts=(SHARED,)),))
    assert free == {}
    assert failure.subject == "registry main"
