"""JSON becomes a message, or is refused with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.reducers.values import ValueUnusable, from_json, to_json
from node.views.encoding import decode, encode
from protocols.crypto import keccak256

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)


@given(value=VALUES)
def test_what_is_shown_as_json_is_read_as_it_was(value: Any) -> None:
    shown = json.loads(json.dumps(to_json(value)))
    assert from_json(shown) == value


@given(value=VALUES)
def test_every_value_is_a_message(value: Any) -> None:
    assert decode(encode(from_json(to_json(value)))) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"hex": "0xC0ffee"}', b"\xc0\xff\xee"),
        ('{"hex": ""}', b""),
        ('{"amount": "256"}', bytes(30) + b"\1\0"),
        ('{"amount": 0}', bytes(32)),
        ('{"join": []}', b""),
        ('{"join": [1, "ab", {"hex": "ff"}, {"join": [2]}]}', b"\1ab\xff\2"),
        ('{"keccak256": ["a", 98]}', keccak256(b"ab")),
        ('{"pack": [1, "a"]}', b"\x92\1\xa1a"),
        ('[{"hex": "00"}, [null, true]]', [b"\0", [None, True]]),
    ],
)
def test_objects_stand_for_bytes(text: str, value: Any) -> None:
    assert from_json(json.loads(text)) == value


DEEP: Any = 1
for _ in range(40):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.5, "fraction"),
        (2**64, "more than 64 bits"),
        (-(2**63) - 1, "more than 64 bits"),
        ("\ud800", "half a character"),
        ({}, "says one thing, not 0"),
        ({"hex": "00", "amount": "1"}, "says one thing, not 2"),
        ({"base64": "AA=="}, "none of hex"),
        ({"hex": "0"}, "not hex"),
        ({"hex": 7}, "not hex"),
        ({"amount": "-1"}, "not a whole number"),
        ({"amount": -1}, "256 bits"),
        ({"amount": "1.5"}, "not a whole number"),
        ({"amount": True}, "whole number"),
        ({"amount": str(2**256)}, "256 bits"),
        ({"amount": "9" * 5_000}, "256 bits"),
        ({"join": "ab"}, "a list"),
        ({"join": [256]}, "one byte"),
        ({"join": [True]}, "one byte"),
        ({"keccak256": [None]}, "one byte"),
        (DEEP, "too deep"),
    ],
)
def test_what_is_no_message_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(ValueUnusable, match=reason):
        from_json(value)
