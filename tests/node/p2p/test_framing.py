"""Bytes to frames and back, whatever the cuts, and nothing but typed faults for the rest."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.p2p.errors import FrameTooLarge, FramingFault, MalformedFrame, MalformedRecord
from node.p2p.framing import (
    Ack,
    ErrorFrame,
    Frame,
    FrameDecoder,
    Hello,
    Message,
    NoteFrame,
    Ping,
    Pong,
    RecordDecoder,
    append_frame,
    encode_frames,
    seal_records,
)
from node.p2p.limits import BODY_SIZE_BYTES_MAX, FRAME_SIZE_BYTES_MAX, PLAINTEXT_SIZE_BYTES_MAX
from node.p2p.noise import Handshake, NoiseCipher
from tests.support.peer_nodes import HIGH, LOW

ALL_KINDS: tuple[Frame, ...] = (
    Hello(1, 31_337, b"\xad" * 20, b"\xbe" * 20, 7),
    Message(1, 2, b"body"),
    Ack(2**63 - 1),
    Ping(3),
    Pong(4),
    ErrorFrame("wrong_chain_id", "we are elsewhere"),
    NoteFrame(b"a word"),
)

frames_strategy = st.lists(
    st.one_of(
        st.builds(
            Message,
            st.integers(1, 2**63 - 1),
            st.integers(0, 2**63 - 1),
            st.binary(max_size=2_000),
        ),
        st.builds(Ack, st.integers(0, 2**63 - 1)),
        st.builds(Ping, st.integers(0, 2**32)),
        st.builds(ErrorFrame, st.text(max_size=64), st.text(max_size=256)),
    ),
    max_size=12,
)


def ciphers() -> tuple[NoiseCipher, NoiseCipher]:
    dialler = Handshake(LOW, initiator=True, expected=HIGH.address)
    listener = Handshake(HIGH, initiator=False)
    listener.read(dialler.write())
    dialler.read(listener.write())
    listener.read(dialler.write())
    return dialler.cipher(), listener.cipher()


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(bounds)]


def raw_frame(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def test_every_kind_of_frame_comes_back_as_it_was() -> None:
    decoded, fault = FrameDecoder().decode(bytes(encode_frames(ALL_KINDS)))
    assert decoded == list(ALL_KINDS)
    assert fault is None


def test_a_frame_is_its_length_and_a_tagged_array() -> None:
    assert bytes(encode_frames([Ack(5)])).hex() == "00000003" + "92" + "02" + "05"
    assert bytes(encode_frames([Message(1, 0, b"\xff")])).hex() == "00000007" + "94010100c401ff"


@pytest.mark.slow
@given(frames_strategy, st.lists(st.integers(0, 100_000), max_size=8))
def test_frames_survive_any_cut_of_the_stream(frames: list[Frame], cuts: list[int]) -> None:
    decoder = FrameDecoder()
    decoded: list[Frame] = []
    for piece in pieces(bytes(encode_frames(frames)), cuts):
        found, fault = decoder.decode(piece)
        assert fault is None
        decoded += found
    assert decoded == frames


@settings(max_examples=30)
@given(frames_strategy, st.lists(st.integers(0, 100_000), max_size=8))
def test_records_survive_any_cut_of_the_stream(frames: list[Frame], cuts: list[int]) -> None:
    ours, theirs = ciphers()
    plaintext = bytes(encode_frames(frames))
    records, opened = RecordDecoder(theirs), b""
    for piece in pieces(seal_records(ours, plaintext), cuts):
        found, fault = records.decode(piece)
        assert fault is None
        opened += found
    assert opened == plaintext


def test_many_frames_share_one_record() -> None:
    ours, theirs = ciphers()
    plaintext = encode_frames([Message(n, 0, b"x" * 100) for n in range(1, 201)])
    sealed = seal_records(ours, plaintext)
    assert len(sealed) == 2 + len(plaintext) + 16
    opened, _ = RecordDecoder(theirs).decode(sealed)
    assert len(FrameDecoder().decode(opened)[0]) == 200


def test_the_largest_frame_spans_records_and_comes_back() -> None:
    ours, theirs = ciphers()
    largest = Message(2**63 - 1, 2**63 - 1, b"\xaa" * BODY_SIZE_BYTES_MAX)
    plaintext = encode_frames([largest, Ack(1)])
    sealed = seal_records(ours, plaintext)
    assert len(sealed) == len(plaintext) + 18 * -(-len(plaintext) // PLAINTEXT_SIZE_BYTES_MAX)
    opened, fault = RecordDecoder(theirs).decode(sealed)
    assert fault is None
    assert FrameDecoder().decode(opened) == ([largest, Ack(1)], None)


def test_a_frame_above_the_limit_is_never_encoded() -> None:
    with pytest.raises(AssertionError, match="above the limit"):
        append_frame(bytearray(), Message(1, 0, bytes(FRAME_SIZE_BYTES_MAX)))


def test_a_frame_that_announces_too_much_is_refused_before_it_is_read() -> None:
    header = (FRAME_SIZE_BYTES_MAX + 1).to_bytes(4, "big")
    frames, fault = FrameDecoder().decode(bytes(encode_frames([Ack(1)])) + header)
    assert frames == [Ack(1)]
    assert isinstance(fault, FrameTooLarge)
    assert fault.size_bytes == FRAME_SIZE_BYTES_MAX + 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"\xc1",
        msgspec.msgpack.encode([9, 1]),
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode([1, 0, 0, b""]),
        msgspec.msgpack.encode([1, -1, 0, b""]),
        msgspec.msgpack.encode([1, 2**63, 0, b""]),
        msgspec.msgpack.encode([1, "1", 0, b""]),
        msgspec.msgpack.encode([1, 1, 0, "text"]),
        msgspec.msgpack.encode([1, 1, 0, b"", 0]),
        msgspec.msgpack.encode([2, 1.5]),
        msgspec.msgpack.encode([0, 1, 1, b"short", b"\x00" * 20, 0]),
        msgspec.msgpack.encode([5, "x" * 65, ""]),
        msgspec.msgpack.encode({"tag": 2}),
        msgspec.msgpack.encode([2, 1]) + b"\x00",
        b"\x93\x05\xa1\xff\xa1a",
        b"\x91" * 5_000,
    ],
)
def test_a_frame_that_is_none_of_ours_is_a_malformed_frame(content: bytes) -> None:
    frames, fault = FrameDecoder().decode(raw_frame(content))
    assert frames == []
    assert isinstance(fault, MalformedFrame)
    assert fault.size_bytes == len(content)


def test_a_hello_with_fields_of_the_future_is_read() -> None:
    content = msgspec.msgpack.encode([0, 2, 1, b"\xad" * 20, b"\xbe" * 20, 3, "new"])
    (hello,), fault = FrameDecoder().decode(raw_frame(content))
    assert fault is None
    assert isinstance(hello, Hello)
    assert hello.version == 2


@pytest.mark.parametrize("size", [0, 1, 15, 16])
def test_a_record_without_room_for_a_byte_is_malformed(size: int) -> None:
    _, theirs = ciphers()
    opened, fault = RecordDecoder(theirs).decode(size.to_bytes(2, "big") + bytes(size))
    assert opened == b""
    assert isinstance(fault, MalformedRecord)


def test_what_came_before_a_bad_record_is_not_lost() -> None:
    ours, theirs = ciphers()
    good = seal_records(ours, b"good")
    opened, fault = RecordDecoder(theirs).decode(good + good)
    assert opened == b"good"
    assert fault is not None
    assert fault.code == "decryption_failed"


@given(st.lists(st.binary(max_size=400), max_size=6))
def test_random_bytes_give_typed_faults_only(chunks: list[bytes]) -> None:
    decoder = FrameDecoder()
    for chunk in chunks:
        _, fault = decoder.decode(chunk)
        if fault is not None:
            assert isinstance(fault, FramingFault)
            return


@given(st.binary(min_size=1, max_size=300))
def test_random_frames_of_the_right_length_give_typed_faults_only(content: bytes) -> None:
    frames, fault = FrameDecoder().decode(raw_frame(content))
    assert len(frames) + isinstance(fault, MalformedFrame) == 1


@given(frames_strategy, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_of_a_valid_stream_gives_typed_faults_only(
    frames: list[Frame], position: int, change: int
) -> None:
    stream = encode_frames([*frames, Ack(1)])
    stream[position % len(stream)] ^= change
    decoded, fault = FrameDecoder().decode(bytes(stream))
    assert len(decoded) <= len(frames) + 1
    assert fault is None or isinstance(fault, FramingFault)


@settings(max_examples=20)
@given(st.binary(max_size=3_000), st.lists(st.integers(0, 3_000), max_size=5))
def test_random_records_give_typed_faults_only(data: bytes, cuts: list[int]) -> None:
    _, theirs = ciphers()
    decoder = RecordDecoder(theirs)
    for piece in pieces(data, cuts):
        opened, fault = decoder.decode(piece)
        assert opened == b""
        if fault is not None:
            assert isinstance(fault, FramingFault)
            return


def test_an_unfinished_frame_costs_no_work_until_it_is_whole() -> None:
    decoder = FrameDecoder()
    frame = bytes(encode_frames([Message(1, 0, b"z" * 10_000)]))
    for index in range(len(frame) - 1):
        assert decoder.decode(frame[index : index + 1]) == ([], None)
    assert len(decoder.decode(frame[-1:])[0]) == 1
