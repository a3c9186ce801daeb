"""An event loop in which waiting takes no time: its clock jumps to the next event."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualTime(asyncio.SelectorEventLoop):
    """A loop whose clock starts at 0. Work for a thread runs at once and takes no virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        return self.now

    async def run_in_executor(  # type: ignore[override]  # awaited, like the future it stands for
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> T:
        del executor
        return func(*args)


class _Jump(selectors.DefaultSelector):
    """Advances the clock instead of waiting, unless an event is already there."""

    def __init__(self, loop: VirtualTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(None if timeout is None else 0)
        if not events and timeout:
            self._loop.now += timeout
        return events


def in_virtual_time(work: Callable[[VirtualTime], Coroutine[Any, Any, T]]) -> T:
    """The result of the work in its own loop."""
    loop = VirtualTime()
    try:
        return loop.run_until_complete(work(loop))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def at_once(*calls: Awaitable[T]) -> list[T | BaseException]:
    """The result or the exception of each call."""
    return list(await asyncio.gather(*calls, return_exceptions=True))
