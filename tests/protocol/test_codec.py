"""JSON in and out. Law: `read` returns what strict JSON means or raises ValueError, in time linear in the text."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
JSON_LIKE = st.text(st.sampled_from('{}[]":,\\u0dae1-.tfn \n\0'), max_size=60)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _has_nul(value: object) -> bool:
    return "\\u0000" in json.dumps(value).replace("\\\\", "")  # an escaped backslash before u0000 is no U+0000


@given(st.text() | JSON_LIKE)
def test_anything_is_read_or_is_a_value_error(text: str) -> None:
    try:
        value = codec.read(text)
    except ValueError:
        return
    assert value == json.loads(text)


@given(VALUES)
def test_what_is_json_within_the_limits_is_read(value: object) -> None:
    text = json.dumps(value)
    if _depth(value) > codec.MAX_DEPTH or _has_nul(value):
        with pytest.raises(ValueError):
            codec.read(text)
    else:
        assert codec.read(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "-1e999",
            "01",
            "+1",
            "1.",
            ".5",
            "'a'",
            "{a:1}",
            "[1,]",
            "{} {}",
            "",
        ),
        *(
            '"\\ud800"',
            '"\\udc00\\ud800"',
            '"\\u0000"',
            '{"\\u0000":1}',
            '["\\u0000"]',
            '"\0"',
            '"\t"',
            '"\\x"',
            "\ufeff{}",
        ),
        '{"a":"\ud800"}',
    ],
)
def test_what_strict_json_is_not(text: str) -> None:
    with pytest.raises(ValueError):
        codec.read(text)


def test_sixteen_levels_are_read_and_seventeen_are_not() -> None:
    assert codec.read("[" * 16 + "]" * 16) is not None
    for depth in (17, 100_000):
        with pytest.raises(ValueError, match="deep"):
            codec.read("[" * depth + "]" * depth)


def test_brackets_in_strings_are_no_levels() -> None:
    text = json.dumps(["[{" * 100, '"[[[', "\\" * 9 + "[" * 30])
    assert codec.read(text) == json.loads(text)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert codec.read('"\\\\u0000"') == "\\u0000"


@pytest.mark.parametrize("unit", ['\\"', '"', "\\", '[]"\\"', "[]", '"\\'])
def test_no_text_takes_long(unit: str) -> None:
    """64 KiB of quotes that nothing closes once took a minute, and a gateway with it."""
    text = ("[]" * 20 + unit * 65_536)[:65_536]
    began = time.process_time()
    with pytest.raises(ValueError):
        codec.read(text)
    assert time.process_time() - began < 1.0


def test_an_integer_of_thousands_of_digits_says_so() -> None:
    with pytest.raises(codec.IntegerOutOfRange):
        codec.read("9" * 5000)


@pytest.mark.parametrize("number", ["1e15", "1.0", "-0.0", "0.1000000000000000055", "1E+5", "1e-400", "-1.50"])
def test_a_number_is_kept_as_it_was_written(number: str) -> None:
    text = f'{{"x":[{number}],"y":"-0"}}'
    assert codec.write_struct(codec.read_as_written(text)).decode() == text


@pytest.mark.parametrize("text", ["[-0]", '{"x": -0 }', '{"a":"-0","x":[1,-0]}', '["\\"",-0]', "[\n-0\n]"])
def test_minus_zero_which_would_lose_its_sign_is_refused(text: str) -> None:
    with pytest.raises(codec.IntegerOutOfRange):
        codec.read_as_written(text)


@pytest.mark.parametrize("text", ["-0.0", "[-0e1]", "1e-0", '"-0"', '["a,-0,"]', '{"-0":1}', '"2026-01-01"', "[-1,10]"])
def test_what_only_looks_like_minus_zero_is_read(text: str) -> None:
    assert codec.write_struct(codec.read_as_written(text)).decode() == text


@given(VALUES)
def test_the_same_content_has_the_same_canonical_bytes(value: object) -> None:
    def turned(value: object) -> object:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    assert codec.canonical(turned(value)) == codec.canonical(value)


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.none()))
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    assert json.loads(codec.write(value)) == value
