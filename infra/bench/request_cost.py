"""CPU per request: the complete refresh path, warm, against other ways to send these requests."""

from __future__ import annotations

from collections.abc import Iterator

from bench.child import CLIENT_CORE, Json, child
from bench.figures import Figure, compared
from bench.fleet import FIRST, ROTATION, doubles

NAMESPACES = 1000
AT_ONCE = 16  # connections: as many as the function uses in a cluster of this size
ROUNDS = 7
ROUNDS_OF_OTHERS = 3
LIMIT = 1.4

OTHERS = {
    "bare_uvloop": "plain aiohttp on uvloop",
    "typed_sequential": "typed kubernetes client",
    "typed_threads": "typed kubernetes client, 16 threads",
    "typed_aio": "typed kubernetes.aio",
}


def figures() -> Iterator[Figure]:
    """A rotation of one cluster's secrets, rounds of all clients in turn."""
    spent: dict[str, list[float]] = {"function": [], "bare": [], **{name: [] for name in OTHERS}}
    with (
        doubles(1, NAMESPACES) as (fleet, servers),
        fleet.instance() as instance,
        child("bench.clients", CLIENT_CORE) as bare,
        child("bench.clients", CLIENT_CORE) as others,
    ):
        fleet.handle(instance, FIRST)
        secret = servers("secret")
        for number in range(-1, ROUNDS):
            measured = {
                "function": fleet.handle(instance, ROTATION),
                "bare": fleet.send(bare, "bare", secret, at_once=AT_ONCE),
            }
            if number < ROUNDS_OF_OTHERS:
                measured |= {
                    name: fleet.send(others, name, secret, at_once=AT_ONCE) for name in OTHERS
                }
            if number >= 0:  # the round before is for imports and caches
                for name, one in measured.items():
                    spent[name].append(_milliseconds(one))
    yield compared(
        "CPU a request, refresh path", "ms", spent["function"], spent["bare"], limit=LIMIT
    )
    for name, title in OTHERS.items():
        floors = spent["bare"][:ROUNDS_OF_OTHERS]
        yield compared(f"CPU a request, {title}", "ms", spent[name], floors)


def _milliseconds(measured: Json) -> float:
    return float(measured["cpu_s"] / measured["requests"] * 1000)
