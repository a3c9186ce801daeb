"""What an invocation asks for, and every problem of an event that is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acr_refresher.config.events import (
    InvalidEvent,
    parse_event,
    shard_event,
    unknown_cluster_problems,
    unknown_name_problems,
)
from acr_refresher.config.load import load_config
from acr_refresher.core.request import KnownCluster, Request, Shard

EXAMPLE = Path(__file__).parents[3] / "function" / "config.yaml"
KEYS = "action, clusters, namespaces, registries, force, allowRemoval, dryRun, reason, shard"
SCHEDULED_AT = "2026-01-31T12:00:00Z"
SHARD = {
    "run": "run-7",
    "trigger": "timer:every-5m",
    "scheduledAt": SCHEDULED_AT,
    "number": 2,
    "of": 5,
    "clusters": ["prod-a", "Prod_B@c1"],
}

FOUND = {"section": "discover[0]", "regionId": "cn-hangzhou", "clusters": {"shop": "c1"}}


def timer(payload: object = "") -> str:
    times = {"triggerTime": "2026-01-31T12:00:00Z", "triggerName": "every-5m"}
    return json.dumps({**times, "payload": payload})


def manual(**changes: object) -> str:
    return json.dumps({"action": "refresh", **changes})


def problems(event: bytes | str) -> list[str]:
    with pytest.raises(InvalidEvent) as refused:
        parse_event(event)
    assert str(refused.value).splitlines() == [str(each) for each in refused.value.problems]
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(manual(), Request("manual"), id="everything"),
        pytest.param(manual().encode(), Request("manual"), id="bytes"),
        pytest.param(
            manual(
                clusters=["prod-*", "idc"],
                namespaces=["team-[ab]"],
                registries=["main"],
                force=True,
                allowRemoval=True,
                dryRun=True,
                reason="suspected leak",
            ),
            Request(
                "manual",
                ("prod-*", "idc"),
                ("team-[ab]",),
                ("main",),
                force=True,
                allow_removal=True,
                dry_run=True,
                reason="suspected leak",
            ),
            id="every field",
        ),
        pytest.param(
            manual(namespaces=["a"], force=True, shard=SHARD),
            Request(
                "timer:every-5m",
                namespaces=("a",),
                force=True,
                scheduled_at=SCHEDULED_AT,
                shard=Shard("run-7", SCHEDULED_AT, frozenset({"prod-a", "Prod_B@c1"}), 2, 5),
            ),
            id="shard",
        ),
        pytest.param(timer(), Request("timer:every-5m", scheduled_at=SCHEDULED_AT), id="timer"),
        pytest.param('{"triggerName": "t"}', Request("timer:t"), id="timer without payload"),
        pytest.param(
            '{"triggerName": "t", "since": "2027"}', Request("timer:t"), id="timer that says more"
        ),
        pytest.param(
            timer("keep fresh"),
            Request("timer:every-5m", scheduled_at=SCHEDULED_AT),
            id="timer with a note",
        ),
        pytest.param(
            timer("[1]"),
            Request("timer:every-5m", scheduled_at=SCHEDULED_AT),
            id="timer with some other JSON",
        ),
        pytest.param(
            timer('{"clusters": ["idc"], "force": true, "allowRemoval": true}'),
            Request(
                "timer:every-5m",
                ("idc",),
                force=True,
                allow_removal=True,
                scheduled_at=SCHEDULED_AT,
            ),
            id="timer that narrows down",
        ),
        pytest.param(
            timer(' {"action": "refresh"}'),
            Request("timer:every-5m", scheduled_at=SCHEDULED_AT),
            id="timer with an action",
        ),
    ],
)
def test_events(event: bytes | str, expected: Request) -> None:
    assert parse_event(event) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("", 'event: is empty; send a JSON object such as {"action": "refresh"}'),
        (b" \n", 'event: is empty; send a JSON object such as {"action": "refresh"}'),
        ("refresh", "event: is not JSON (line 1, column 1); send a JSON object such as "),
        ('{"action": "refresh" "force": true}', "event: is not JSON (line 1, column 22); "),
        (b"\xff", 'event: is not JSON; send a JSON object such as {"action": "refresh"}'),
        ("[" * 100_000, 'event: is not JSON; send a JSON object such as {"action": "refresh"}'),
        ("[]", 'event: is not a JSON object; send a JSON object such as {"action": "refresh"}'),
        ("{}", "action: is missing; add it"),
        (
            '{"action": "refresh", "dryRun": true, "dryRun": false}',
            'event: has the key "dryRun" more than once; keep one of them',
        ),
        (
            timer('{"force": false, "force": true}'),
            'payload: has the key "force" more than once; keep one of them',
        ),
        (manual(action="delete"), "action: \"delete\" is unknown; use 'refresh'"),
        (manual(action=["delete"]), "action: a list is unknown; use 'refresh'"),
        (
            manual(shard={**SHARD, "reason": "leak"}),
            "shard.reason: is not a known key; put it at the top level, beside shard",
        ),
        (manual(cluster=["a"]), "cluster: is not a known key; did you mean clusters?"),
        (manual(dry_run=True), "dry_run: is not a known key; did you mean dryRun?"),
        (manual(xyz=1), f"xyz: is not a known key; use one of: {KEYS}"),
        (
            manual(force="true"),
            "force: is text, not true or false; write true or false without quotes",
        ),
        (
            manual(dryRun=1),
            "dryRun: is a number, not true or false; write true or false without quotes",
        ),
        (manual(clusters="prod"), "clusters: is text, not a list; write a list"),
        (manual(clusters=[]), "clusters: is empty; name at least one, or leave the key out"),
        (
            manual(clusters=["a", ""]),
            'clusters[1]: "" is not a name or a glob; use a name or a glob, such as "prod-a"',
        ),
        (
            manual(namespaces=[7]),
            (
                "namespaces[0]: is a number, not text; "
                "write text, in quotes where it looks like another type"
            ),
        ),
        (manual(registries=None), "registries: is empty; give it a value or leave the key out"),
        (manual(reason="x" * 201), "reason: is longer than 200 characters; shorten it"),
        (manual(reason="\ud800"), "reason: is not valid; correct it"),
        (manual(triggerName="t"), "triggerName: is not a known key; use one of: " + KEYS),
        (manual(shard=[]), "shard: is a list, not a mapping; write keys and values"),
        (
            manual(shard={**SHARD, "cluster": []}),
            "shard.cluster: is not a known key; did you mean clusters?",
        ),
        (manual(shard={**SHARD, "clusters": []}), "shard.clusters: is empty; name at least one"),
        (manual(shard={**SHARD, "clusters": [""]}), "shard.clusters[0]: "),
        (
            manual(shard={key: value for key, value in SHARD.items() if key != "clusters"}),
            "shard: has no cluster; name at least one in clusters or found",
        ),
        (
            manual(shard={**SHARD, "found": [{**FOUND, "clusters": {}}]}),
            "shard.found[0].clusters: is empty; name at least one",
        ),
        (
            manual(shard={**SHARD, "found": [{**FOUND, "clusters": {"a": ""}}]}),
            'shard.found[0].clusters.a: "" is not 1 to 300 characters',
        ),
        (
            manual(shard={**SHARD, "found": [{**FOUND, "roles": []}]}),
            "shard.found[0].roles: is not a known key",
        ),
        (manual(shard={**SHARD, "run": ""}), 'shard.run: "" is not 1 to 300 characters'),
        (manual(shard={**SHARD, "trigger": "cron"}), 'shard.trigger: "cron" is not a trigger'),
        (manual(shard={**SHARD, "number": 0}), "shard.number: is 0, less than 1; use 1 or more"),
        (manual(shard={**SHARD, "number": 6}), "shard: has a number above `of`"),
        (
            manual(clusters=["a"], shard=SHARD),
            "event: has both clusters and shard; leave one of them out",
        ),
        (timer(manual(shard=SHARD)), "payload.shard: is not a known key"),
        ('{"triggerName": 1}', "triggerName: is a number, not text; write text, in quotes where "),
        (timer({}), "payload: is a mapping, not text; write text, in quotes where "),
        (
            timer('{"force": '),
            "payload: begins like JSON but is not JSON (line 1, column 11); correct its",
        ),
        (
            timer('{"action": "delete"}'),
            "payload.action: \"delete\" is unknown; use 'refresh'",
        ),
        (
            timer('{"clusters": [""]}'),
            'payload.clusters[0]: "" is not a name or a glob; use a name or a glob, such as',
        ),
    ],
    ids=lambda value: value[:70] if isinstance(value, str) else None,
)
def test_a_refused_event_says_what_is_wrong(event: bytes | str, expected: str) -> None:
    (problem,) = problems(event)
    assert problem.startswith(expected)


HTTP_REQUEST = {  # the example in Function Compute's document
    "version": "v1",
    "rawPath": "/example",
    "body": '{"action": "refresh"}',
    "isBase64Encoded": False,
    "headers": {"header1": "value1"},
    "queryParameters": {"action": "refresh"},
    "requestContext": {"http": {"method": "GET", "path": "/example"}},
}
CLOUD_EVENT = {  # the example in EventBridge's document
    "data": {"action": "refresh"},
    "id": "45ef4dewdwe1-7c35-447a-bd93-fab",
    "source": "acs:aliyuncvc",
    "specversion": "1.0",
    "type": "aliyuncvc:MeetingEvent:MemberOperate",
    "aliyuneventbusname": "default",
}


@pytest.mark.parametrize(
    ("event", "problem", "remedy"),
    [
        (HTTP_REQUEST, "the function has an HTTP trigger", "delete that trigger"),
        ({**HTTP_REQUEST, "action": "refresh"}, "the function has an HTTP trigger", "use a timer"),
        (CLOUD_EVENT, "EventBridge invokes the function", "delete that trigger or event rule"),
        ({**CLOUD_EVENT, "triggerName": "t"}, "EventBridge invokes", "transform its events"),
        ([CLOUD_EVENT, CLOUD_EVENT], "EventBridge invokes the function", "use a timer"),
    ],
    ids=["HTTP", "HTTP with an action", "EventBridge", "EventBridge of a timer", "event stream"],
)
def test_events_of_other_triggers_are_refused_by_name(
    event: object, problem: str, remedy: str
) -> None:
    (refusal,) = problems(json.dumps(event))
    assert refusal.startswith("event: is ")
    assert problem in refusal
    assert remedy in refusal


def test_all_problems_are_reported_at_once() -> None:
    found = problems('{"force": "yes", "clusters": [], "token": "s3cr3t"}')
    assert [line.partition(": ")[0] for line in found] == ["action", "clusters", "force", "token"]
    assert "s3cr3t" not in "\n".join(found)


def test_a_pattern_that_matches_nothing_is_a_problem() -> None:
    request = Request("manual", clusters=("prod-*", "prod-hangzou"), registries=("old", "ma*"))
    assert [str(problem) for problem in unknown_name_problems(request, load_config(EXAMPLE))] == [
        'clusters[1]: no cluster matches "prod-hangzou"; did you mean prod-hangzhou?',
        'registries[0]: no registry matches "old"; use one of: main, partner',
    ]


def test_where_clusters_are_discovered_none_is_unknown_before(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "registries: [{name: main, instanceId: cri-main, regionId: cn-hangzhou}]\n"
        "discover: [{regions: [cn-hangzhou]}]\n"
    )
    request = Request("manual", clusters=("Prod_A@c1",), registries=("old",))
    assert [problem.path for problem in unknown_name_problems(request, load_config(file))] == [
        "registries[0]"
    ]
    assert [problem.path for problem in unknown_cluster_problems(request, ["prod-b"])] == [
        "clusters[0]"
    ]


def test_a_shard_of_the_older_coordinator_is_read() -> None:
    """Version 0.1 wrote `occasion`. Its shards may still start while the function is updated."""
    shard = {("occasion" if key == "scheduledAt" else key): value for key, value in SHARD.items()}
    assert parse_event(manual(shard=shard)) == parse_event(manual(shard=SHARD))
    (problem,) = problems(manual(shard={key: shard[key] for key in shard if key != "occasion"}))
    assert problem == "shard.scheduledAt: is missing; add it"


WORDS = st.text(min_size=1, max_size=20, alphabet=st.characters(exclude_categories=["Cs"]))


@given(
    st.builds(
        Shard,
        run=WORDS,
        scheduled_at=WORDS,
        clusters=st.frozensets(WORDS, min_size=1),
        number=st.integers(1, 9),
        of=st.integers(9, 20),
        continued=st.integers(0, 9),
    ),
    WORDS.map("timer:{}".format) | st.just("manual"),
    st.booleans(),
    st.booleans(),
)
def test_a_shard_is_read_as_it_was_written(
    shard: Shard, trigger: str, force: bool, allowed: bool
) -> None:
    """Whatever letters there are in the names of clusters and triggers."""
    asked = Request(
        trigger, ("*",), ("a-*",), ("main",), force=force, allow_removal=allowed, reason="why",
        scheduled_at="now",
    )  # fmt: skip
    read = parse_event(shard_event(asked, shard))
    assert read == Request(
        trigger, (), ("a-*",), ("main",), force=force, allow_removal=allowed, reason="why",
        scheduled_at=shard.scheduled_at,
        shard=shard,
    )  # fmt: skip
    assert read.unattended


@given(st.dictionaries(WORDS, st.tuples(WORDS, WORDS, WORDS), min_size=1), st.frozensets(WORDS))
def test_a_shard_knows_where_each_cluster_was_found(
    found: dict[str, tuple[str, str, str]], configured: frozenset[str]
) -> None:
    known = tuple(KnownCluster(name, *place) for name, place in found.items())
    asked = Shard("run-7", SCHEDULED_AT, configured | frozenset(found), found=known)
    read = parse_event(shard_event(Request("manual"), asked)).shard
    assert read
    assert read == replace(asked, found=read.found)
    assert set(read.found) == set(known)


def test_only_a_manual_run_is_attended() -> None:
    assert not Request("manual").unattended
    assert Request("timer:t").unattended


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["action", "triggerName", "payload", "clusters", "force"]) | st.text(),
            inner,
            max_size=4,
        )
    ),
)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_event_is_understood_or_refused(event: bytes) -> None:
    try:
        request = parse_event(event)
    except InvalidEvent as refused:
        assert refused.problems  # noqa: PT017  # either way is right, but nothing else is
    else:
        assert request.trigger.partition(":")[0] in {"timer", "manual"}


@pytest.mark.parametrize("secret", ["Bearer hunter2-hunter2", "https://cr:hunter2@a.example"])
def test_secrets_in_the_texts_of_an_event_are_masked(secret: str) -> None:
    """So neither records nor the report show what log lines mask."""
    payload = json.dumps({"reason": f"leak of {secret}"})
    fired = {"triggerName": secret, "payload": payload, "triggerTime": "2026-01-31T12:00:00Z"}
    request = parse_event(json.dumps(fired))
    assert "hunter2" not in repr(request)
    assert request.unattended
    again = shard_event(request, Shard("run-7", "2026-01-31T12:00:00Z", frozenset({"prod"})))
    assert replace(parse_event(again), shard=None) == request
