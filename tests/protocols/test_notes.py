"""Notes survive the wire, and what is out of bounds is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols.errors import InvalidEncoding
from protocols.log_head import HEAD_LENGTH_MAX, LogHead
from protocols.notes import HeadHeld, HeadTold, Note, decode_note, encode_note
from protocols.routes import Hop, RouteAnswer, RouteQuery
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import DURATION_S

PATH = (ALICE.address, BOB.address)
ZERO = amount_to_bytes(0)
QUERY = RouteQuery(b"q" * 16, PATH, ZERO_ADDRESS, amount_to_bytes(100), DURATION_S, 5_000)
HOP = Hop(BOB.address, True, ZERO)
HEAD = LogHead(1_000, b"r" * 32, b"s" * 65)


@pytest.mark.parametrize(
    "note", [QUERY, RouteAnswer(b"q" * 16, (HOP,)), HeadTold(HEAD), HeadHeld(HEAD)]
)
def test_notes_survive_the_wire(note: Note) -> None:
    assert decode_note(encode_note(note)) == note


@given(st.binary(max_size=200))
def test_what_is_no_note_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        decode_note(data)


@pytest.mark.parametrize(
    "note",
    [
        replace(QUERY, query_id=b"short"),
        replace(QUERY, path=PATH[:1]),
        replace(QUERY, path=PATH * 17),
        replace(QUERY, asset=b"\0"),
        replace(QUERY, amount=b"\1"),
        replace(QUERY, time_left_ms=30_001),
        RouteAnswer(b"q" * 16, (HOP,) * 33),
        RouteAnswer(b"q" * 16, (replace(HOP, ok=False, reason="x" * 257),)),
        HeadTold(replace(HEAD, length=0)),
        HeadTold(replace(HEAD, length=HEAD_LENGTH_MAX + 1)),
        HeadHeld(replace(HEAD, root=b"r" * 31)),
        HeadHeld(replace(HEAD, signature=b"")),
    ],
)
def test_a_note_out_of_bounds_is_refused(note: Note) -> None:
    with pytest.raises(InvalidEncoding):
        decode_note(encode_note(note))
