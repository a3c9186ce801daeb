"""A plain document is read in one pass, and comes out as any other reading of it would."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from acr_refresher.config.strict import InvalidInput
from acr_refresher.config.strict_yaml import _in_full, _plain, read_yaml

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
        ]
    ),
    max_size=6,
).map("\n".join)  # fmt: skip


def read(text: str, thoroughly: bool) -> str:
    """What comes of it; NaN, which is not even itself, has a text of its own."""
    try:
        return repr(_in_full(text, "root") if thoroughly else read_yaml(text, "root"))
    except InvalidInput as refused:
        return str(refused)


@given(LINES | st.text("a1:-[]{}&*!|>\"'%@#?, \n\t.=~<", max_size=40))
@example(SCALARS)
@example("a: 1\n---\nb: 2\n")
@example("a: 1\na: 2\n")
@example("&a [*a]")
def test_one_pass_gives_what_a_thorough_reading_gives(text: str) -> None:
    assert read(text, thoroughly=False) == read(text, thoroughly=True)


def test_plain_scalars_are_of_the_types_that_yaml_says() -> None:
    assert _plain(SCALARS) == yaml.safe_load(SCALARS)


@pytest.mark.parametrize(("depth", "refused"), [(32, False), (33, True)])
@pytest.mark.parametrize("form", ["[", "{a: "])
def test_how_deep_a_document_may_be(form: str, depth: int, refused: bool) -> None:
    text = form * depth + {"[": "]", "{a: ": "}"}[form] * depth
    assert ("is nested deeper than 32 levels" in read(text, thoroughly=False)) is refused
    assert read(text, thoroughly=False) == read(text, thoroughly=True)
