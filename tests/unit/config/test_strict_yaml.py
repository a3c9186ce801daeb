"""The loader gives what PyYAML gives, in one pass, and refuses what PyYAML overlooks."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from acr_refresher.config.strict import InvalidInput
from acr_refresher.config.strict_yaml import read_yaml, read_yaml_documents

CORRECT = "correct its syntax"
QUOTE = "put it in quotes if it is text"
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


def contains_itself(text: str) -> bool:
    return "'itself'" in repr(shape(yaml.load(text, Loader=LOADER)))  # noqa: S506  # a SafeLoader


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
        assert refused_by_pyyaml(text) or UNSUPPORTED.search(text) or contains_itself(text)
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
    ("text", "problem", "remedy"),
    [
        ("a: *b", "line 1, column 4: found an undefined alias", CORRECT),
        ("a: 1\n---\nb: 2", "line 2, column 1: found a second document", CORRECT),
        ("? [a]\n: 1", "line 1, column 3: found a key that is not text", CORRECT),
        ("a: !mine {}", "line 1, column 4: found an unknown tag", QUOTE),
        ("a: !the-word", "line 1, column 4: found an unknown tag", QUOTE),
        ("a: {<<: b}", "line 1, column 10: found << without a mapping before this", CORRECT),
        ("a: 1\nb: &b {c: [*b]}", "line 2, column 12: found an alias within what", CORRECT),
        ("a: 1\nb: !!int x", "line 2, column 4: found a value that is not a valid int", QUOTE),
        ("- !!bool maybe", "line 1, column 3: found a value that is not a valid bool", QUOTE),
        ("a: 2026-99-99", "line 1, column 4: found a value that is not a valid timestamp", QUOTE),
        ("a: " + "1" * 101, "line 1, column 4: found a value of type int with over 100 ch", QUOTE),
        ("a: 1" + ":1" * 9999, "line 1, column 4: found a value of type int with over 100", QUOTE),
    ],
)
def test_what_a_document_may_not_have(text: str, problem: str, remedy: str) -> None:
    (found,) = problems(text)
    assert found.startswith(f"root: is not valid YAML in {problem}")
    assert found.endswith(f"; {remedy}")
    assert "the-word" not in found


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\ud800", "\ufffe"])
def test_a_control_character_is_named_with_its_line(character: str) -> None:
    shown = f"U+{ord(character):04X}"
    assert problems(f"a: 1\nb: '{character}'") == [
        f"root: has the control character {shown} in line 2; remove it"
    ]


def test_collections_may_have_the_tags_of_their_kinds() -> None:
    text = "a: !!map {b: !!seq [1]}\nc: !!set {d, e}"

    assert read_yaml(text, "root") == ({"a": {"b": [1]}, "c": {"d", "e"}}, ())
    assert "found an unknown tag" in problems("!!set [a]")[0]


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert read_yaml("\ufeffa: 1", "root") == ({"a": 1}, ())


# ---- what unfolds --------------------------------------------------------------------------------


def nested(form: str, levels: int) -> str:
    """Levels that each repeat the level before ten times."""
    lines = ["a0: &a0 {k: v}"]
    for level in range(1, levels):
        repeated = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} {form % repeated}")
    return "\n".join(lines)


@pytest.mark.parametrize("form", ["[%s]", "{x: [%s]}", "{<<: [%s]}"], ids=["list", "map", "merge"])
def test_aliases_that_unfold_are_refused(form: str) -> None:
    assert read_yaml(nested(form, 3), "root")
    (found,) = problems(nested(form, 9))
    assert "found aliases that repeat too much; write the values out" in found


def test_merges_into_many_mappings_are_refused() -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(2000))
    merging = "- {<<: *a}\n" * 2000

    (found,) = problems(f"- &a {{{keys}}}\n{merging}")

    assert "found aliases that repeat too much; write the values out" in found


def test_a_long_text_is_not_repeated_often() -> None:
    (found,) = problems(f"- &a {'x' * 100_000}\n" + "- *a\n" * 1000)

    assert "found aliases that repeat too much" in found


def test_many_clusters_may_share_their_defaults() -> None:
    defaults = "- &d {" + ", ".join(f"k{number}: 1" for number in range(20)) + "}\n"
    clusters = "".join(f"- {{<<: *d, name: c{number}}}\n" for number in range(2000))

    document, repeated = read_yaml(defaults + clusters, "root")

    assert isinstance(document, list)
    assert len(document[-1]) == 21
    assert repeated == ()


def test_the_number_of_values_can_be_limited() -> None:
    assert read_yaml("[1, 2, 3]", "root", most_values=4)
    with pytest.raises(InvalidInput, match=r"column 8: found more than 3 values; leave out what"):
        read_yaml("[1, 2, 3]", "root", most_values=3)
    with pytest.raises(InvalidInput, match="found more than 50 values"):
        read_yaml(f"'{'x' * 5000}'", "root", most_values=50)


def test_directives_are_limited() -> None:
    text = "".join(f"%TAG !a{number}! tag:x\n" for number in range(20)) + "--- a"

    assert problems(text) == ["root: has more than 10 directives (%); remove them"]


# ---- several documents ---------------------------------------------------------------------------


def test_several_documents_are_read_with_their_lines() -> None:
    text = "---\na: &a 1\n---\n---\nb: 1\nb: 2\n"

    first, second, third = read_yaml_documents(text, "root")

    assert (first.data, second.data, third.data) == ({"a": 1}, None, {"b": 2})
    assert (first.line, second.line, third.line) == (1, 3, 4)
    assert first.repeated_keys == second.repeated_keys == ()
    assert [str(each) for each in third.repeated_keys] == [
        "b: is in line 5 and again in line 6; keep one of them"
    ]
    assert read_yaml_documents("", "root") == ()


def test_an_anchor_is_of_one_document() -> None:
    assert "undefined alias" in problems("&a 1\n---\n*a\n")[0]
