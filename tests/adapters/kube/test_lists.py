"""Lists in pages: what is asked for if a page is too large, or the store is compacted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

import pytest

from acr_refresher.errors import Gone, Invalid, TooLarge
from acr_refresher.kube import lists as kube_lists
from acr_refresher.kube import reading as kube_reading
from acr_refresher.kube.lists import Conversion, ListReader, ListRequest
from acr_refresher.kube.objects import (
    Json,
    SecretSize,
    namespace_size,
    namespace_state,
    secret_state,
    service_account_size,
    service_account_state,
)
from acr_refresher.kube.reading import Reading
from acr_refresher.settings import SETTINGS, Settings

REQUEST = ListRequest(
    "/api/v1/namespaces", "NamespaceList", lambda: Conversion(namespace_state, namespace_size)
)


@dataclass
class Pages:
    """A server of objects of these sizes. A page of more than `kube_answer_bytes` is too large."""

    sizes: list[int]
    compacted: int = 0
    """How many further pages have expired."""
    asked: list[tuple[int, int]] = field(default_factory=list)
    """The first object and the limit of each request."""

    async def ask(self, path: str) -> tuple[Json, int]:
        query = parse_qs(urlsplit(path).query)
        start, limit = (int(query.get(key, ["0"])[0]) for key in ("continue", "limit"))
        self.asked.append((start, limit))
        if start and self.compacted:
            self.compacted -= 1
            raise Gone("expired", service="kube", code="410")
        end = start + limit if limit else len(self.sizes)
        size = sum(self.sizes[start:end])
        if size > SETTINGS.kube_answer_bytes:
            raise TooLarge("the answer is too large", service="kube")
        items = [{"metadata": {"name": f"n-{n}"}} for n in range(start, min(end, len(self.sizes)))]
        more = str(end) if end < len(self.sizes) else ""
        return {"kind": "NamespaceList", "metadata": {"continue": more}, "items": items}, size


def listed(pages: Pages, reading: Reading | None = None) -> list[str]:
    reader = ListReader(pages.ask, reading or Reading())
    return [each.name for each in asyncio.run(reader.read(REQUEST))]


def names(count: int) -> list[str]:
    return [f"n-{number}" for number in range(count)]


def test_a_page_that_is_too_large_is_asked_for_with_fewer_objects() -> None:
    pages = Pages([100_000] * 100)
    assert listed(pages) == names(100)
    assert pages.asked[:4] == [(0, 500), (0, 125), (0, 31), (31, 31)]


def test_pages_grow_again_behind_large_objects() -> None:
    pages = Pages([1_000_000] * 5 + [1000] * 600)
    assert listed(pages) == names(605)
    assert max(limit for _, limit in pages.asked[-2:]) == 500


def test_an_object_that_is_too_large_by_itself_fails_the_list() -> None:
    pages = Pages([10, 5_000_000, 10])
    with pytest.raises(TooLarge):
        listed(pages)
    assert pages.asked[-1][1] == 1


@pytest.mark.parametrize(("compacted", "requests"), [(1, 4), (2, 5), (100, 5)])
def test_a_list_is_complete_although_the_store_is_compacted(compacted: int, requests: int) -> None:
    pages = Pages([10] * 600, compacted=compacted)
    assert listed(pages) == names(600)
    assert len(pages.asked) == requests


def test_what_a_list_kept_is_released_when_it_is_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = namespace_size(namespace_state({"metadata": {"name": "n"}}))
    limits = replace(SETTINGS, kube_kept_bytes=601 * size)
    monkeypatch.setattr(kube_reading, "SETTINGS", limits)
    assert listed(Pages([10] * 600, compacted=1)) == names(600)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (replace(SETTINGS, kube_list_items=599), "more than 599 objects"),
        (replace(SETTINGS, kube_list_pages=1), "more than 1 pages"),
    ],
)
def test_a_list_has_a_limit(monkeypatch: pytest.MonkeyPatch, limits: Settings, words: str) -> None:
    monkeypatch.setattr(kube_lists, "SETTINGS", limits)
    with pytest.raises(TooLarge, match=words):
        listed(Pages([10] * 600))


def test_the_pages_that_were_too_large_count() -> None:
    with pytest.raises(TooLarge, match="the list has more than 32 MiB"):
        listed(Pages([900_000] * 40))


def test_states_that_take_too_much_memory_fail_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_reading, "SETTINGS", replace(SETTINGS, kube_kept_bytes=10_000))
    with pytest.raises(TooLarge, match="what has to be kept of all lists"):
        listed(Pages([10] * 600))


def test_the_names_of_field_managers_count_as_memory() -> None:
    """Anyone who may edit an object can add them."""
    owner = {"manager": "m" * 100, "fieldsV1": {"f:data": {}, "f:imagePullSecrets": {}}}
    known = {"namespace": "n", "name": "a", "uid": "u", "resourceVersion": "1"}
    plain, owned = ({"metadata": {**known, "managedFields": [owner] * n}} for n in (0, 1000))

    account_sizes = [service_account_size(service_account_state(each)) for each in (plain, owned)]
    secret_sizes = [SecretSize()(secret_state(each, {})) for each in (plain, owned)]
    for small, large in (account_sizes, secret_sizes):
        assert large - small >= 100_000


def test_a_cluster_that_keeps_much_waits_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = replace(SETTINGS, kube_kept_freely=1000, kube_large_clusters=1)
    monkeypatch.setattr(kube_reading, "SETTINGS", limits)

    async def scenario() -> list[str]:
        first, second = Reading(), Reading()
        await ListReader(Pages([10] * 9).ask, first).read(REQUEST)
        waiting = asyncio.ensure_future(ListReader(Pages([10] * 9).ask, second).read(REQUEST))
        await asyncio.sleep(0)
        assert not waiting.done()
        first.close()
        found = await waiting
        second.close()
        return [each.name for each in found]

    assert asyncio.run(scenario()) == names(9)


def test_a_page_that_repeats_ends_the_list() -> None:
    async def same(path: str) -> tuple[Json, int]:
        del path
        return {"kind": "NamespaceList", "metadata": {"continue": "a"}, "items": []}, 10

    with pytest.raises(Invalid, match="a page repeats"):
        asyncio.run(ListReader(same, Reading()).read(REQUEST))
