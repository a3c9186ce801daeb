"""Runs calls at the same time: a limited number of them, one per key, or one in a thread.

Each docstring says what cancellation does.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from acr_refresher.settings import SETTINGS

T = TypeVar("T")


def connections_for(objects: int) -> int:
    """Return how many connections to a cluster pay off to write so many objects."""
    if objects <= SETTINGS.objects_on_one_connection:
        return 1
    wanted = math.ceil(objects / SETTINGS.objects_per_connection)
    return min(SETTINGS.requests_per_cluster, wanted)


@dataclass(frozen=True, slots=True)
class ExtraWorkers:
    """Workers that are added while calls hang: one each time that no call ends for `after` seconds.

    So a call that hangs does not delay the calls after it. There are at most `most` workers. A slow
    server gets few, and a server that is `throttled` gets none: more requests would not help it.
    """

    most: int
    after: float
    throttled: Callable[[], bool]


async def run_bounded(
    limit: int, calls: Iterable[Awaitable[T]], extra: ExtraWorkers | None = None
) -> tuple[T, ...]:
    """Await all calls, `limit` at a time, and return their results in order.

    A call is taken from `calls` when its turn has come, so a generator makes each call only then.
    If a call raises, the others are cancelled, and the exception is raised when they have ended.
    If this is cancelled, so are all calls under way.
    """
    if limit == 1 and extra is None:
        return tuple([await call for call in calls])
    waiting = enumerate(calls)
    results: dict[int, T] = {}
    loop = asyncio.get_running_loop()

    async def work(extra: ExtraWorkers | None = None) -> None:
        for number, call in waiting:
            results[number] = await call
            if extra and extra.throttled():
                return

    workers = [loop.create_task(work()) for _ in range(limit)]

    def add_worker() -> None:
        workers.append(loop.create_task(work(extra)))

    with _adding_workers(add_worker, extra, results, workers):
        await _all_done(workers)
    return tuple(results[number] for number in sorted(results))


@contextmanager
def _adding_workers(
    add_worker: Callable[[], None],
    extra: ExtraWorkers | None,
    results: dict[int, T],
    workers: list[asyncio.Task[None]],
) -> Iterator[None]:
    """Add a worker whenever no call has ended for a while."""
    if extra is None:
        yield
        return
    call_later, after = asyncio.get_running_loop().call_later, extra.after
    timer = call_later(after, lambda: look(0))

    def look(ended_before: int) -> None:
        nonlocal timer
        if len(results) == ended_before and len(workers) < extra.most and not extra.throttled():
            add_worker()
        timer = call_later(after, look, len(results))

    try:
        yield
    finally:
        timer.cancel()


async def _all_done(workers: list[asyncio.Task[None]]) -> None:
    """Wait for all workers, those added meanwhile included. Raises what the first of them raises.

    When this ends, however it ends, no worker is left.
    """
    try:
        while not all(worker.done() for worker in workers):
            await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    for worker in workers:
        worker.result()


@dataclass(slots=True)
class _Flight:
    """A call, and how many callers await it."""

    task: asyncio.Task[Any]
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class SingleFlight:
    """Makes one call per key. Later callers get its result, or its exception.

    So a role that cannot be assumed is tried once per run, not once per namespace.
    """

    _flights: dict[Hashable, _Flight] = field(default_factory=dict)

    async def do(self, key: Hashable, call: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of the call: the one made for this key before, or this one.

        If this is cancelled, the call goes on for the others that await it. If nothing else awaits
        it, the call is cancelled too, and the next caller makes a new one.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(call()))
        if flight.task.done():
            return flight.task.result()
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                del self._flights[key]
                flight.task.cancel()

    async def aclose(self) -> None:
        """Cancel the calls under way, and wait until they have ended."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def in_own_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Await a blocking call in a daemon thread of its own.

    If this is cancelled, the thread goes on, and nothing waits for it: not the event loop when it
    closes (as it does for threads of its executor), nor Python when it exits.
    """
    answer: Future[T] = Future()

    def work() -> None:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            result = call(*arguments)
        except BaseException as error:  # noqa: BLE001  # raised where it is awaited
            answer.set_exception(error)
        else:
            answer.set_result(result)

    threading.Thread(target=work, name=f"own-{call.__name__}", daemon=True).start()
    return await asyncio.wrap_future(answer)
