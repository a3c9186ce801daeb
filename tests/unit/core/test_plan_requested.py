"""The registries that a namespace requests by annotation, and those that it gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acr_refresher.core.plan import allowed_registries, request_warnings
from acr_refresher.core.select import (
    INSTANCE_IDS_ANNOTATION,
    ROLE_ANNOTATIONS,
    names_roles,
    requested_registries,
)
from acr_refresher.settings import SETTINGS
from factories import MAIN, PARTNER, namespace, wanted


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        ("cri-a", ("cri-a",)),
        ("cri-a, cn-beijing:cri-b", ("cri-a", "cn-beijing:cri-b")),
        (" cri-a,,cri-b ;cri-c\n", ("cri-a", "cri-b", "cri-c")),
        ("cri-a cri-b cri-a", ("cri-a", "cri-b")),
        ("", ()),
    ],
)
def test_the_annotation_names_instances(annotation: str, found: tuple[str, ...]) -> None:
    assert requested_registries({INSTANCE_IDS_ANNOTATION: annotation}) == found
    assert requested_registries({"other": annotation}) == ()


def test_of_a_long_annotation_only_the_first_names_count() -> None:
    many = ",".join(f"cri-{number}" for number in range(40_000))
    requested = requested_registries({INSTANCE_IDS_ANNOTATION: many})
    assert len(requested) == SETTINGS.requested_registries + 1
    warnings = request_warnings(namespace("team", *requested), ())
    assert [warning.partition(" ")[0] for warning in warnings[:5]] == [
        f"cri-{number}" for number in range(5)
    ]
    assert warnings[5:] == (
        "15 more registries are requested by annotation and not granted",
        "only the first 20 registries in the annotation count",
    )
    last = wanted(MAIN, allowed_on_request=(replace(PARTNER, instance_id="cri-20"),))
    assert allowed_registries(namespace("team", *requested), last) == ()


def test_a_long_name_in_an_annotation_is_cut() -> None:
    [requested] = requested_registries({INSTANCE_IDS_ANNOTATION: "x" * 200_000})
    assert len(requested) == SETTINGS.quoted_text


@pytest.mark.parametrize("key", ROLE_ANNOTATIONS)
def test_roles_in_annotations_are_noticed(key: str) -> None:
    assert names_roles({key: "acs:ram::1:role/admin"})
    assert not names_roles({key: "", INSTANCE_IDS_ANNOTATION: "cri-a"})


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        pytest.param(("cri-partner",), True, id="by ID"),
        pytest.param(("cn-beijing:cri-partner",), True, id="by region and ID"),
        pytest.param(("cri-x", "cri-partner"), True, id="among others"),
        pytest.param(("cn-hangzhou:cri-partner",), False, id="in another region"),
        pytest.param(("cri-main",), False, id="not grantable"),
        pytest.param(("cri-part",), False, id="another instance"),
        pytest.param(("partner",), False, id="our own name for it"),
        pytest.param((), False, id="nothing"),
    ],
)
def test_only_what_is_grantable_is_granted(asked: tuple[str, ...], given: bool) -> None:
    want = wanted(MAIN, allowed_on_request=(PARTNER,))
    assert allowed_registries(namespace("team", *asked), want) == ((PARTNER,) if given else ())


def test_an_excluded_namespace_is_granted_nothing() -> None:
    want = wanted(MAIN, excluded=("team-*",), allowed_on_request=(PARTNER,))
    assert allowed_registries(namespace("team-a", "cri-partner"), want) == ()


def test_a_request_that_is_not_granted_causes_a_warning() -> None:
    (warning,) = request_warnings(namespace("team", "cri-partner", "cri-" + "x" * 500), (PARTNER,))
    assert warning.startswith("cri-xxx")
    assert "add its registry to grantable" in warning
    assert len(warning) < 200


def test_a_warning_says_that_roles_in_annotations_are_ignored() -> None:
    (warning,) = request_warnings(namespace("team", "cri-main", names_roles=True), (MAIN,))
    assert "acr-service-arns" in warning
    assert request_warnings(namespace("team", names_roles=True), (MAIN,)) == ()
