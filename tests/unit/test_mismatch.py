"""What msgspec finds wrong is split into what and where, whatever a client has written into it."""

from typing import Annotated, Literal

import msgspec
import pytest

from gltf_render_server.mismatch import what_and_where, what_is_no_json


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    x: int = 0
    names: dict[Annotated[str, msgspec.Meta(max_length=3)], list[int]] = {}
    kind: Literal["a", "b"] = "a"


class Outer(msgspec.Struct):
    items: list[Inner]


@pytest.mark.parametrize(
    ("value", "what", "where"),
    [
        (3, "Expected `object`, got `int`", "$"),
        ({}, "Object missing required field `items`", "$"),
        ({"items": [{}, {"x": "1"}]}, "Expected `int`, got `str`", "$.items[1].x"),
        ({"items": [{"names": {"abc": [1.5]}}]}, "Expected `int`, got `float`", "$.items[0].names[...][0]"),
        ({"items": [{"names": {"long": [1]}}]}, "Expected `str` of length <= 3 as a key", "$.items[0].names"),
        (
            {"items": [{"kind": "c - at `$.x`"}]},
            "Invalid enum value 'c - at `$.x`'",
            "$.items[0].kind",
        ),
        ({"items": [{"a - at b": 1}]}, "Object contains unknown field `a - at b`", "$.items[0]"),
        ({"items": [{"a\nb": 1}]}, "Object contains unknown field `a\nb`", "$.items[0]"),
    ],
)
def test_what_and_where(value, what, where):
    for read in (lambda: msgspec.convert(value, Outer), lambda: decode(value)):
        with pytest.raises(msgspec.ValidationError) as caught:
            read()
        assert what_and_where(caught.value) == (what, where)


def decode(value):
    return msgspec.json.decode(msgspec.json.encode(value), type=Outer)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"near": NaN, "far": 10, "width": 64}', 'invalid character (byte 9) at \'NaN, "far": 10, "wid\''),
        (b"[1, 2", "Input data was truncated"),
        (b"\x1f\x8b\x08", "invalid character (byte 0) at '\\x1f\ufffd\\x08'"),
        (b'["\xff"]', "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_what_is_no_json(data, says):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        msgspec.json.decode(data)
    assert what_is_no_json(caught.value, data) == says
