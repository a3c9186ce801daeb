"""The loader gives what PyYAML gives, in one pass, and refuses what PyYAML overlooks."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from acr_refresher.config.strict import InvalidInput
from acr_refresher.config.strict_yaml import read_yaml

SCALARS = """
text: cluster-1
quoted: "1"
single: 'true'
number: 0o17
octal: 017
sexagesimal: 1:30
float: 1e3
infinite: -.inf
boolean: no
nothing: ~
empty:
date: 2026-01-31
moment: 2026-01-31 12:00:00 +08:00
folded: >-
  one
  two
"""
LINES = st.lists(
    st.sampled_from(
        [
            "a: &x 1", "b: *x", "<<: *x", "c: !!str 1", "c: !!set {a}", "- a", "- - b", "? k",
            ": v", "a: [b, {c: d}]", "  e: f", "---", "...", "1: 2", "= : x", "k: =", "{}",
            "x: !mine y", "a: 0b1", "z: '", "# note", "%YAML 1.1", "k: |", "  text",
            "a: 2026-99-99",
            "&x", "<<: [*x, *y]", "&y {a: 1}", "c: &y {b: 2, k: 3}", "d: {<<: *y, b: 4}",
        ]
    ),
    max_size=6,
).map("\n".join)  # fmt: skip


LOADER = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader
UNSUPPORTED = re.compile(r"!|\*\S*\s*:")
"""Tags of collections, and aliases as keys."""
PYYAML_ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError)


def shape(value: object, *above: int) -> object:
    """A value that can be compared: without the order of keys, and without endless circles."""
    if id(value) in above:
        return "itself"
    if isinstance(value, dict):
        return sorted((repr(key), shape(each, *above, id(value))) for key, each in value.items())
    if isinstance(value, list):
        return [shape(each, *above, id(value)) for each in value]
    return repr(value)  # NaN is not equal to itself


def refused_by_pyyaml(text: str) -> bool:
    try:
        yaml.load(text, Loader=LOADER)  # noqa: S506  # a SafeLoader
    except PYYAML_ERRORS:
        return True
    return False


@given(LINES | st.text("a1:-[]{}&*!|>\"'%@#?, \n\t.=~<", max_size=40))
@example(SCALARS)
@example("a: 1\n---\nb: 2\n")
@example("a: 1\na: 2\n")
@example("&a [*a]")
@example("&a {b: *a, <<: {c: 1, b: 2}}")
@example("a: &x {b: 1, c: 2}\nd: &y {b: 3}\ne: {<<: [*x, *y], c: 4}\nf: {<<: *y, c: 5}")
def test_it_gives_what_pyyaml_gives(text: str) -> None:
    try:
        document, _ = read_yaml(text, "root")
    except InvalidInput:
        assert refused_by_pyyaml(text) or UNSUPPORTED.search(text)
        return
    if not refused_by_pyyaml(text):
        assert shape(document) == shape(yaml.load(text, Loader=LOADER))  # noqa: S506  # a SafeLoader
    else:
        assert text.count("&") > 1 or "=" in text, "an anchor given again, and = as a value"


def test_scalars_are_of_the_types_that_yaml_says() -> None:
    assert read_yaml(SCALARS, "root") == (yaml.safe_load(SCALARS), ())


def problems(text: str) -> list[str]:
    """What is wrong with a text: repeated keys, or the reason why it cannot be read."""
    try:
        return [str(each) for each in read_yaml(text, "root")[1]]
    except InvalidInput as refused:
        return [str(each) for each in refused.problems]


@pytest.mark.parametrize(("depth", "refused"), [(32, False), (33, True)])
@pytest.mark.parametrize("form", ["[", "{a: "])
def test_how_deep_a_document_may_be(form: str, depth: int, refused: bool) -> None:
    text = form * depth + {"[": "]", "{a: ": "}"}[form] * depth
    assert problems(text) == (
        ["root: is nested deeper than 32 levels; flatten it"] if refused else []
    )


@pytest.mark.parametrize(
    ("text", "path", "lines"),
    [
        pytest.param("a: 1\na: 2\n", "a", "line 1 and again in line 2", id="plain"),
        pytest.param("a: 1\n'a': 2\n", "a", "line 1 and again in line 2", id="plain and quoted"),
        pytest.param(
            "- {}\n- b: {c: 1,\n c: 2}", "[1].b.c", "line 2 and again in line 3", id="deep"
        ),
        pytest.param(
            "x: &x {}\ny: {<<: *x,\n <<: *x}", 'y."<<"', "line 2 and again in line 3", id="merge"
        ),
    ],
)
def test_a_repeated_key_is_named_with_its_place_and_lines(text: str, path: str, lines: str) -> None:
    assert problems(text) == [f"{path}: is in {lines}; keep one of them"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: *b", "line 1, column 4: found an undefined alias"),
        ("a: 1\n---\nb: 2", "line 2, column 1: found a second document"),
        ("? [a]\n: 1", "line 1, column 3: found a key that is not text"),
        ("a: !mine {}", "line 1, column 4: found the unknown tag !mine"),
        ("a: {<<: b}", "line 1, column 10: found << without a mapping before this"),
    ],
)
def test_what_a_document_may_not_have(text: str, problem: str) -> None:
    assert problems(text) == [f"root: is not valid YAML in {problem}; correct its syntax"]
