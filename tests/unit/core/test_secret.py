from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from acr_refresher.core.secret import (
    CONTENT_ANNOTATION,
    ENTRIES_ANNOTATION,
    build_dockerconfig,
    build_secret,
    is_intact,
    parse_rfc3339,
    read_credentials,
    read_entries,
    rfc3339,
)
from factories import HOUR, MAIN, NOW, PARTNER, credential, logins, secret


def test_what_was_written_is_read_back() -> None:
    held = (credential(MAIN, HOUR), credential(PARTNER, 2 * HOUR, ("a.example", "b.example")))
    found = secret(*held)
    assert is_intact(found, NOW)
    assert read_entries(found.annotations, NOW) == tuple(each.entry for each in held)
    assert read_credentials(found, NOW) == held


def test_people_can_read_when_it_expires_and_which_run_wrote_it() -> None:
    written = build_secret((credential(MAIN, HOUR), credential(PARTNER, 2 * HOUR)), NOW, "run-7")
    assert written.annotations["acr-refresher/expires-at"] == "2026-01-31T13:00:00Z"
    assert written.annotations["acr-refresher/refreshed-at"] == "2026-01-31T12:00:00Z"
    assert written.annotations["acr-refresher/run"] == "run-7"


def test_every_host_of_an_entry_logs_in_with_its_token() -> None:
    held = (
        credential(MAIN, hosts=("a.example", "b.example:5000"), password="one"),
        credential(PARTNER, hosts=("c.example",), password="two"),
    )
    written = build_secret(held, NOW, "run-7")
    assert logins(written.dockerconfigjson) == {
        "a.example": "one",
        "b.example:5000": "one",
        "c.example": "two",
    }


def test_the_order_of_credentials_makes_no_difference() -> None:
    first, second = credential(MAIN), credential(PARTNER)
    assert build_secret((first, second), NOW, "r") == build_secret((second, first), NOW, "r")


def test_the_document_has_the_same_bytes_in_every_version() -> None:
    """Otherwise an upgrade would write every secret again. Hosts are sorted."""
    written = build_secret((credential(MAIN, hosts=("b.example.com", "a.example.com")),), NOW, "r")
    login = '{"auth":"Y3JfdGVtcF91c2VyOnRva2Vu"}'
    document = f'{{"auths":{{"a.example.com":{login},"b.example.com":{login}}}}}'
    assert written.dockerconfigjson.get_secret_value() == document


def test_nothing_written_shows_a_password_in_its_repr_or_annotations() -> None:
    written = build_secret((credential(password="hunter2hunter2"),), NOW, "run-7")
    assert "hunter2" not in repr(written)
    assert "hunter2" not in json.dumps(dict(written.annotations))


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({}, id="no-record"),
        pytest.param({ENTRIES_ANNOTATION: "not JSON"}, id="not-json"),
        pytest.param({ENTRIES_ANNOTATION: "7"}, id="not-a-list"),
        pytest.param({ENTRIES_ANNOTATION: "[7]"}, id="not-objects"),
        pytest.param({ENTRIES_ANNOTATION: '[{"registry":"main"}]'}, id="keys-missing"),
        pytest.param(
            {
                ENTRIES_ANNOTATION: '[{"registry":"m","hosts":["h"],"inputs":"i",'
                '"expiresAt":"2026-01-31T13:00:00+08:00"}]'
            },
            id="not-utc",
        ),
        pytest.param(
            {ENTRIES_ANNOTATION: '[{"registry":"m","hosts":["h"],"inputs":"i","expiresAt":7}]'},
            id="expiry-is-no-text",
        ),
        pytest.param(
            {
                ENTRIES_ANNOTATION: '[{"registry":"m","hosts":["\\ud800"],"inputs":"i",'
                '"expiresAt":"2026-01-31T13:00:00Z"}]'
            },
            id="host-is-half-a-character",
        ),
        pytest.param(
            {
                ENTRIES_ANNOTATION: '[{"registry":["m"],"hosts":["h"],"inputs":"i",'
                '"expiresAt":"2026-01-31T13:00:00Z"}]'
            },
            id="registry-is-no-text",
        ),
        *(
            pytest.param(
                {
                    ENTRIES_ANNOTATION: f'[{{"registry":"{where[0]}","hosts":["{where[1]}"],'
                    f'"inputs":"{where[2]}","expiresAt":"2026-01-31T13:00:00Z"}}]'
                },
                id=f"{name}-moves-the-cursor",
            )
            for name, where in {
                "registry": (r"\u001b[2J", "h", "i"),
                "host": ("m", r"h\u009b2J", "i"),
                "inputs": ("m", "h", r"\u202e"),
            }.items()
        ),
        pytest.param({ENTRIES_ANNOTATION: "[" * 100_000}, id="nested-without-end"),
    ],
)
def test_a_record_that_cannot_be_read_is_none(annotations: dict[str, str]) -> None:
    assert read_entries(annotations, NOW) == ()


def test_an_edited_document_or_record_has_a_wrong_checksum() -> None:
    found = secret()
    for name in (ENTRIES_ANNOTATION, CONTENT_ANNOTATION):
        others = {key: text for key, text in found.annotations.items() if key != name}
        assert not is_intact(replace(found, annotations=others), NOW)
    assert not is_intact(replace(found, dockerconfigjson=SecretStr("{}")), NOW)


def test_other_annotations_do_not_count() -> None:
    found = secret()
    assert is_intact(replace(found, annotations={**found.annotations, "team": "shop"}), NOW)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="not-an-object"),
        pytest.param('{"auths":[]}', id="auths-not-an-object"),
        pytest.param("[" * 100_000, id="nested-without-end"),
        pytest.param('{"auths":{"main.example.com":7}}', id="entry-not-an-object"),
        pytest.param('{"auths":{"main.example.com":{"auth":7}}}', id="auth-not-text"),
        pytest.param('{"auths":{"main.example.com":{"auth":"!!!"}}}', id="auth-not-base64"),
        pytest.param('{"auths":{"main.example.com":{"auth":"YT!pi"}}}', id="auth-partly-base64"),
        pytest.param('{"auths":{"main.example.com":{"auth":"Zm9v"}}}', id="auth-without-colon"),
        pytest.param('{"auths":{"main.example.com":{"auth":"//8="}}}', id="auth-not-utf-8"),
        pytest.param('{"auths":{"other.example.com":{"auth":"YTpi"}}}', id="another-host"),
    ],
)
def test_credentials_that_cannot_be_read_are_left_out(document: str) -> None:
    assert read_credentials(secret(document=document), NOW) == ()


@given(st.text(), st.text())
def test_any_password_comes_back_as_it_was(password: str, host: str) -> None:
    document = build_dockerconfig((credential(password=password, hosts=(host or "h",)),))
    assert logins(document) == {host or "h": password}


def test_times_are_written_in_utc() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=8)))
    assert rfc3339(elsewhere) == "2026-01-31T12:00:00Z"


def test_any_time_can_be_written() -> None:
    assert rfc3339(datetime.min.replace(tzinfo=timezone.utc)) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text", ["2000-01-01T00:00:00Z", "2026-01-31T12:00:00Z", "2199-12-31T23:59:59Z"]
)
def test_a_time_that_is_written_can_be_read(text: str) -> None:
    assert rfc3339(parse_rfc3339(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "1999-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-01-31T12:00:00+08:00",
        "soon",
    ],
)
def test_a_time_that_is_not_ours_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not between|Invalid isoformat"):
        parse_rfc3339(text)
