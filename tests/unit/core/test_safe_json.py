"""JSON that is nested too deeply is rejected before it is parsed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.safe_json import DEPTH_MAX, read_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_shallow_json_is_parsed(value: object) -> None:
    assert read_json(json.dumps(value)) == value


def test_many_brackets_side_by_side_or_in_strings_are_not_deep() -> None:
    value: object
    for value in ([[]] * 500, ["[" * 500, '\\"' + "{" * 500], [{"a": [1]}] * 300):
        assert read_json(json.dumps(value)) == value


@pytest.mark.parametrize("opened", ["[", '{"a":', '[{"a":'])
def test_the_limit_is_exact(opened: str) -> None:
    levels = opened.count("[") + opened.count("{")
    closed = opened.replace('{"a":', "}").replace("[", "]")[::-1]

    def nested(depth: int) -> str:
        return opened * (depth // levels) + "1" + closed * (depth // levels)

    assert read_json(nested(DEPTH_MAX))
    with pytest.raises(ValueError, match="levels deep"):
        read_json(nested(DEPTH_MAX + 2))


@pytest.mark.parametrize(
    "text", ["[" * 20_000, '{"a":' * 20_000, '["\\"' + "[" * 20_000, '"' + "[" * 20_000, "[" * 101]
)
def test_deep_or_truncated_json_is_rejected(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011, of either kind
        read_json(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}', "1e999", "[-1e400]"])
def test_numbers_that_json_does_not_have_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not a number of JSON"):
        read_json(text)
