"""Sealed frames over a stream: what the stream does wrong has a name."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from node.p2p.connection import SecureConnection, secure
from node.p2p.errors import (
    ConnectionLost,
    DecryptionFailed,
    FrameTooLarge,
    HandshakeFailed,
    WriteStalled,
)
from node.p2p.framing import Ack, Message, encode_frames
from node.p2p.limits import FRAME_SIZE_BYTES_MAX
from node.p2p.noise import Handshake
from tests.support.peer_nodes import HIGH, LOW

Stream = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


async def pair() -> tuple[SecureConnection, SecureConnection, Stream, Stream]:
    near, far = memory_stream_pair()
    found: dict[bool, SecureConnection] = {}

    async def shake(stream: Stream, initiator: bool) -> None:
        signer = LOW if initiator else HIGH
        expected = HIGH.address if initiator else None
        handshake = Handshake(signer, initiator=initiator, expected=expected)
        found[initiator] = await secure(stream, handshake)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(shake, near, True)
        nursery.start_soon(shake, far, False)
    return found[True], found[False], near, far


async def test_both_ends_know_each_other_after_the_handshake() -> None:
    near, far, _, _ = await pair()
    assert (near.remote, far.remote) == (HIGH.address, LOW.address)


async def test_one_read_gives_all_frames_it_completes() -> None:
    near, far, _, _ = await pair()
    frames = [Message(n, 0, b"x") for n in range(1, 101)]
    await near.send(encode_frames(frames), 1.0)
    received = await far.receive()
    assert received.frames == frames
    assert received.size_bytes == near.sent_size_bytes == far.received_size_bytes


async def test_the_first_frame_can_be_taken_alone() -> None:
    near, far, _, _ = await pair()
    await near.send(encode_frames([Ack(1), Ack(2), Ack(3)]), 1.0)
    assert await far.receive_one() == Ack(1)
    await near.send(encode_frames([Ack(4)]), 1.0)
    assert (await far.receive()).frames == [Ack(2), Ack(3)]
    assert await far.receive_one() == Ack(4)


async def test_a_frame_of_many_reads_is_waited_for() -> None:
    near, far, _near_stream, _ = await pair()
    await near.send(encode_frames([Message(1, 0, bytes(200_000))]), 1.0)
    frame = await far.receive_one()
    assert isinstance(frame, Message)
    assert len(frame.body) == 200_000


async def test_a_fault_behind_the_first_frame_waits_for_its_turn() -> None:
    near, far, _, _ = await pair()
    await near.send(encode_frames([Ack(1)]) + (FRAME_SIZE_BYTES_MAX + 1).to_bytes(4, "big"), 1.0)
    assert await far.receive_one() == Ack(1)
    assert isinstance((await far.receive()).fault, FrameTooLarge)


async def test_a_fault_in_place_of_the_first_frame_is_raised() -> None:
    _, far, near_stream, _ = await pair()
    await near_stream.send_all(b"\x00\x20" + bytes(32))
    with pytest.raises(DecryptionFailed):
        await far.receive_one()


async def test_the_end_of_the_stream_is_a_lost_connection() -> None:
    near, far, _near_stream, _far_stream = await pair()
    await near.aclose()
    with pytest.raises(ConnectionLost, match="closed"):
        await far.receive()
    with pytest.raises(ConnectionLost):
        await far.send(encode_frames([Ack(1)]), 1.0)
    with pytest.raises(ConnectionLost):
        await near.receive()


async def test_a_write_that_is_not_taken_in_time_is_cut(autojump_clock: MockClock) -> None:
    near, _, near_stream, _ = await pair()

    async def never_taken() -> None:
        await trio.sleep_forever()

    near_stream.send_stream.wait_send_all_might_not_block_hook = never_taken
    near_stream.send_stream.send_all_hook = never_taken
    started_s = trio.current_time()
    with pytest.raises(WriteStalled, match=r"4\.0 s"):
        await near.send(encode_frames([Ack(1)]), 4.0)
    assert trio.current_time() - started_s == pytest.approx(4.0)
    with pytest.raises(ConnectionLost, match="cut short"):
        await near.send(encode_frames([Ack(2)]), 4.0)


async def test_a_write_that_was_cancelled_before_it_began_has_cut_nothing_short() -> None:
    near, far, _, _ = await pair()
    with trio.CancelScope() as scope:
        scope.cancel()
        await near.write(encode_frames([Ack(1)]))
    assert scope.cancelled_caught
    await near.write(encode_frames([Ack(2)]))
    assert (await far.receive()).frames == [Ack(2)]


@pytest.mark.parametrize("garbage", [b"G", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x21", b"\xff" * 9])
async def test_bytes_that_are_no_handshake_are_refused_as_soon_as_one_differs(
    garbage: bytes,
) -> None:
    near, far = memory_stream_pair()
    await near.send_all(garbage)
    with pytest.raises(HandshakeFailed, match="not a handshake"):
        await secure(far, Handshake(HIGH, initiator=False))


async def test_a_stream_that_ends_inside_the_handshake_is_a_lost_connection() -> None:
    near, far = memory_stream_pair()
    await near.send_all(b"\x00\x20" + bytes(10))
    await near.aclose()
    with pytest.raises(ConnectionLost):
        await secure(far, Handshake(HIGH, initiator=False))
    with pytest.raises(ConnectionLost):
        await secure(near, Handshake(LOW, initiator=True, expected=HIGH.address))


async def test_frames_sent_with_the_last_handshake_message_are_not_lost() -> None:
    near, far = memory_stream_pair()
    dialler = Handshake(LOW, initiator=True, expected=HIGH.address)
    listener = Handshake(HIGH, initiator=False)

    async def dial_in_one_write() -> None:
        first = dialler.write()
        await near.send_all(len(first).to_bytes(2, "big") + first)
        dialler.read((await near.receive_some())[2:])
        last = dialler.write()
        sealed = dialler.cipher().seal(bytes(encode_frames([Ack(9)])))
        await near.send_all(
            b"".join(len(part).to_bytes(2, "big") + part for part in (last, sealed))
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial_in_one_write)
        connection = await secure(far, listener)
    assert await connection.receive_one() == Ack(9)
