"""Whole text frames read and written without wsproto mean what they mean to wsproto."""

from __future__ import annotations

from itertools import pairwise

import pytest
import wsproto
from hypothesis import given
from hypothesis import strategies as st
from wsproto import events as ws_events

from node.rpc.frames import FrameReader, text_frame

SIZES = [0, 1, 125, 126, 127, 65_535]


def upgraded() -> tuple[wsproto.WSConnection, wsproto.WSConnection]:
    """A client and a server with the upgrade behind them."""
    client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    server.receive_data(client.send(ws_events.Request(host="localhost", target="/")))
    assert list(server.events())
    client.receive_data(server.send(ws_events.AcceptConnection()))
    assert list(client.events())
    return client, server


def read(reader: FrameReader, pieces: list[bytes]) -> list[str | bytes | type]:
    """Messages put together, and the kinds of the other events."""
    found: list[str | bytes | type] = []
    parts: list[str | bytes] = []
    for piece in pieces:
        for event in reader.feed(piece):
            if isinstance(event, str):
                assert not parts, "no message comes inside another"
                found.append(event)
            elif isinstance(event, ws_events.Message):
                parts.append(event.data)
                if event.message_finished:
                    found.append("".join(map(str, parts)) if isinstance(parts[0], str) else b"")
                    parts.clear()
            else:
                found.append(type(event))
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("masked", [True, False])
def test_a_frame_of_ours_is_a_frame_to_wsproto_and_to_us(size: int, masked: bool) -> None:
    text = "\u00e4" * (size // 2) + "x" * (size % 2)
    frame = text_frame(text.encode(), masked=masked)
    assert frame is not None
    client, server = upgraded()
    theirs = server if masked else client
    theirs.receive_data(frame)
    assert "".join(e.data for e in theirs.events() if isinstance(e, ws_events.Message)) == text
    client, server = upgraded()
    assert read(FrameReader(server if masked else client, masked=masked), [frame]) == [text]


def test_a_text_that_is_too_large_for_two_bytes_of_length_is_left_to_wsproto() -> None:
    assert text_frame(bytes(65_536), masked=False) is None


MESSAGES = st.one_of(
    st.text(max_size=200).map(lambda text: [ws_events.TextMessage(data=text)]),
    st.integers(60_000, 70_000).map(lambda size: [ws_events.TextMessage(data="x" * size)]),
    st.binary(max_size=20).map(lambda data: [ws_events.BytesMessage(data=data)]),
    st.binary(max_size=20).map(lambda payload: [ws_events.Ping(payload=payload)]),
    st.text(min_size=1, max_size=40).map(
        lambda text: [
            ws_events.TextMessage(data=text, message_finished=False),
            ws_events.Ping(),
            ws_events.TextMessage(data=text),
        ]
    ),
)


def by_wsproto(data: bytes) -> list[str | bytes | type]:
    """What wsproto makes of everything at once."""
    _, server = upgraded()
    server.receive_data(data)
    found: list[str | bytes | type] = []
    parts: list[str | bytes] = []
    for event in server.events():
        if isinstance(event, ws_events.Message):
            parts.append(event.data)
            if event.message_finished:
                found.append("".join(map(str, parts)) if isinstance(parts[0], str) else b"")
                parts.clear()
        else:
            found.append(type(event))
    return found


@given(
    messages=st.lists(MESSAGES, max_size=6),
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
    closes=st.booleans(),
)
def test_whatever_is_sent_and_however_it_is_cut_wsproto_would_read_the_same(
    messages: list[list[ws_events.Event]], cuts: list[int], closes: bool
) -> None:
    client, server = upgraded()
    sent = [event for message in messages for event in message]
    data = b"".join(client.send(event) for event in sent)
    if closes:
        data += client.send(ws_events.CloseConnection(code=1000))
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert read(FrameReader(server, masked=True), pieces) == by_wsproto(data)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x02{}",
        b"\x81\x81\x00\x00\x00\x00\xff",
        b"\x81\xfe\x00\x02\x00\x00\x00\x00{}",
        b"\xc1\x82\x00\x00\x00\x00{}",
        b"\x01\x81\x00\x00\x00\x00x\x81\x81\x00\x00\x00\x00x",
    ],
    ids=["unmasked", "no UTF-8", "not its shortest form", "reserved bit", "inside another message"],
)
def test_a_broken_frame_ends_as_wsproto_ends_it(frame: bytes) -> None:
    _, server = upgraded()
    found = read(FrameReader(server, masked=True), [frame])
    assert found[-1:] == [ws_events.CloseConnection]
    assert found == by_wsproto(frame)
