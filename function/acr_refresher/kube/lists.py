"""Reads a list page by page, within the limits of `settings`.

Each page becomes states at once, so its JSON is never kept. How the API server pages a list:
https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from acr_refresher.errors import Gone, Invalid, PortError, TooLarge, Unreachable
from acr_refresher.kube.objects import Json, text
from acr_refresher.kube.reading import Reading, too_large
from acr_refresher.settings import SETTINGS

FEWER = 4
"""A page that is too large is asked for again with a quarter of its objects."""

T = TypeVar("T")
Ask = Callable[[str], Awaitable[tuple[Json, int]]]
"""Sends a GET, and returns the JSON object of the answer, and the bytes of the answer."""


@dataclass(frozen=True, slots=True)
class Conversion(Generic[T]):
    """Converts the objects of one list into states, and says how much memory a state takes."""

    state: Callable[[Json], T]
    size: Callable[[T], int]


@dataclass(frozen=True, slots=True)
class ListRequest(Generic[T]):
    """A list to make. `kind` is that of its answer, such as `SecretList`."""

    path: str
    kind: str
    begin: Callable[[], Conversion[T]]
    """Called when the list is begun, also when it is begun again."""
    query: Mapping[str, str] = field(default_factory=dict)
    bytes: int = SETTINGS.kube_list_bytes

    @property
    def name(self) -> str:
        """The request as messages show it."""
        return f"GET {self.path}"


@dataclass(slots=True)
class _Listed(Generic[T]):
    """What has been read of a list."""

    states: list[T] = field(default_factory=list)
    pages: int = 0
    bytes: int = 0
    kept: int = 0
    tokens: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ListReader:
    """Reads lists of one API server."""

    ask: Ask
    reading: Reading

    async def read(self, request: ListRequest[T]) -> tuple[T, ...]:
        """The complete list. Raises TooLarge and any other PortError.

        The snapshot of a list may expire between two pages, if the API server's store is compacted.
        Then the list is begun again, once. After that it is asked for without pages.
        """
        for limit in (SETTINGS.kube_page_size, SETTINGS.kube_page_size, 0):
            listed: _Listed[T] = _Listed()
            try:
                return await self._pages(request, limit, listed)
            except PortError as error:
                self.reading.release(listed.kept)
                if not isinstance(error, Gone) or error.code != str(HTTPStatus.GONE.value):
                    raise
                if not limit:
                    raise
        raise AssertionError("unreachable: the last round returns or raises")

    async def _pages(
        self, request: ListRequest[T], limit: int, listed: _Listed[T]
    ) -> tuple[T, ...]:
        conversion, token = request.begin(), ""
        while True:
            try:
                answer, size = await self.ask(_url(request, limit, token))
            except TooLarge:
                listed.bytes += SETTINGS.kube_answer_bytes
                if limit <= 1 or listed.bytes >= request.bytes:
                    raise
                limit //= FEWER
                continue
            objects, token = _page(request, answer)
            self._count(request, listed, len(objects), size, token)
            states = _converted(request, partial(_states, conversion, objects))
            del answer, objects  # before anything is waited for
            kept = sum(map(conversion.size, states))
            await self.reading.keep(kept, request.name)
            listed.kept += kept
            listed.states += states
            if not token:
                return tuple(listed.states)
            if FEWER * size < SETTINGS.kube_answer_bytes:
                limit = min(FEWER * limit, SETTINGS.kube_page_size)

    def _count(
        self, request: ListRequest[T], listed: _Listed[T], objects: int, size: int, token: str
    ) -> None:
        """Account for a page. Raises TooLarge, or Invalid if the list goes round in circles."""
        listed.pages += 1
        listed.bytes += size
        why = ""
        if len(listed.states) + objects > SETTINGS.kube_list_items:
            why = f"the list has more than {SETTINGS.kube_list_items} objects"
        elif token and listed.pages >= SETTINGS.kube_list_pages:
            why = f"the list has more than {SETTINGS.kube_list_pages} pages"
        elif listed.bytes > request.bytes:
            why = f"the list has more than {request.bytes / 2**20:g} MiB"
        if why:
            raise too_large(request.name, why)
        if token in listed.tokens:
            raise Invalid(f"{request.name}: the list has no end: a page repeats", service="kube")
        if token:
            listed.tokens.add(token)


def _url(request: ListRequest[Any], limit: int, token: str) -> str:
    query = dict(request.query)
    if limit:
        query["limit"] = str(limit)
    if token:
        query["continue"] = token
    return f"{request.path}?{urlencode(query)}" if query else request.path


def _page(request: ListRequest[Any], answer: Json) -> tuple[list[Json], str]:
    """The objects, which may be null, and the token of the next page."""
    if answer.get("kind") != request.kind:
        # A proxy, or a server that is just starting, may answer with anything. A list of other
        # objects, or none, must not be taken for an empty list.
        raise Unreachable(f"{request.name}: the answer is no {request.kind}", service="kube")
    return _converted(
        request,
        lambda: (
            list(answer["items"] or ()),
            text((answer.get("metadata") or {}).get("continue") or "", SETTINGS.kube_continue),
        ),
    )


def _states(conversion: Conversion[T], objects: list[Json]) -> list[T]:
    return list(map(conversion.state, objects))


def _converted(request: ListRequest[Any], convert: Callable[[], T]) -> T:
    return converted(request.name, convert)


def converted(request: str, convert: Callable[[], T]) -> T:
    """What `convert` returns. Raises Invalid if a field that it needs is missing or another."""
    try:
        return convert()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Invalid(
            f"{request}: the answer is incomplete or malformed", service="kube"
        ) from error
