"""Whatever an event says, it is a request or is refused with its problems."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.config.events import InvalidEvent, parse_event
from acr_refresher.core.request import Request
from fuzzing import altered, assert_linear, fuzzed, garbled, values

MANUAL = {
    "action": "refresh",
    "clusters": ["prod-*", "idc"],
    "namespaces": ["team-[ab]", "!kube-*"],
    "registries": ["main"],
    "force": True,
    "allowRemoval": False,
    "dryRun": True,
    "reason": "suspected leak",
}
SHARD = {
    "action": "refresh",
    "shard": {
        "run": "run-7",
        "trigger": "timer:every-5m",
        "scheduledAt": "2026-01-31T12:00:00Z",
        "number": 2,
        "of": 5,
        "continued": 1,
        "clusters": ["prod-a"],
        "found": [
            {"section": "discover[0]", "regionId": "cn-hangzhou", "clusters": {"shop": "c1"}}
        ],
    },
}
TIMER = {
    "triggerTime": "2026-01-31T12:00:00Z",
    "triggerName": "every-5m",
    "payload": json.dumps(MANUAL),
}
SOUND = (MANUAL, SHARD, TIMER)


def check(event: str | bytes) -> None:
    try:
        read = parse_event(event)
    except InvalidEvent as error:
        refused = error
    else:
        assert isinstance(read, Request)
        return
    assert refused.problems
    assert max(map(len, str(refused).splitlines())) < 2000


@fuzzed(300)
@given(st.sampled_from(SOUND).flatmap(altered) | values)
def test_an_altered_event_is_a_request_or_is_refused(document: object) -> None:
    check(json.dumps(document))


@fuzzed(100)
@given(altered(MANUAL))
def test_an_altered_payload_is_a_request_or_is_refused(payload: object) -> None:
    text = json.dumps(payload)
    check(json.dumps({**TIMER, "payload": text}))
    check(json.dumps({**TIMER, "payload": payload}))


@fuzzed(200)
@given(st.sampled_from([json.dumps(each) for each in SOUND]).flatmap(garbled))
def test_a_garbled_event_is_a_request_or_is_refused(text: str) -> None:
    check(text)
    check(text.encode("utf-8", "surrogatepass"))


@fuzzed(100)
@given(st.binary(max_size=40) | st.text(max_size=40))
def test_any_bytes_are_a_request_or_are_refused(event: str | bytes) -> None:
    check(event)


@pytest.mark.parametrize("key", ["clusters", "namespaces", "registries"])
@pytest.mark.parametrize("name", ["team-{}", "x{}y*", "", "[", "!"])
def test_an_event_takes_steps_by_its_size(key: str, name: str) -> None:
    def read(size: int) -> None:
        names = [name.format(number) for number in range(size)]
        check(json.dumps({"action": "refresh", key: names}))

    assert_linear(read, 200)


@pytest.mark.parametrize("opened", ["[", '{"a":', '{"shard":'])
def test_a_deep_event_takes_steps_by_its_size(opened: str) -> None:
    assert_linear(lambda size: check(opened * size), 2000)


def test_unknown_keys_take_steps_by_their_number() -> None:
    assert_linear(
        lambda size: check(json.dumps({f"key{number}": 1 for number in range(size)})), 200
    )
