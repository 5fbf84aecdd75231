"""Records and frames: how bytes become objects inside a session, and back.

    record   length (2 bytes, big-endian) || Noise message, at most 65,535 bytes
    frame    length (4 bytes, big-endian) || MessagePack array [tag, fields...], at most 1 MiB

The plaintexts of the records, one after the other, are a stream of frames: a record may hold many
small frames, a large frame may span many records. Decoding never holds more than one unfinished
frame and one read, and answers bad bytes with a `FramingFault`, nothing else.

The module does no I/O and knows no order of frames: that is the session's.
"""

import struct
from collections.abc import Iterable
from typing import Annotated

import msgspec

from node.p2p.errors import FrameTooLarge, FramingFault, MalformedFrame, MalformedRecord
from node.p2p.limits import (
    BODY_SIZE_BYTES_MAX,
    ERROR_CODE_LENGTH_MAX,
    ERROR_REASON_LENGTH_MAX,
    FRAME_SIZE_BYTES_MAX,
    NOISE_TAG_SIZE_BYTES,
    NOTE_SIZE_BYTES_MAX,
    PLAINTEXT_SIZE_BYTES_MAX,
    SEQUENCE_MAX,
)
from node.p2p.noise import NoiseCipher
from protocols.types import Address

RECORD_HEADER_SIZE_BYTES = 2
FRAME_HEADER_SIZE_BYTES = 4

Sequence = Annotated[int, msgspec.Meta(ge=0, le=SEQUENCE_MAX)]


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    """The first frame each way. Fields may be added behind these without a new version."""

    version: int
    chain_id: Annotated[int, msgspec.Meta(ge=0)]
    adjudicator: Address
    address: Address
    received_sequence: Sequence
    """The last message of the peer that the sender holds on disk; 0 for none."""


class Message(
    msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False, forbid_unknown_fields=True
):
    """A numbered message, with the sender's current ack for the other direction."""

    sequence: Annotated[int, msgspec.Meta(ge=1, le=SEQUENCE_MAX)]
    ack: Sequence
    body: Annotated[bytes, msgspec.Meta(max_length=BODY_SIZE_BYTES_MAX)]


class Ack(
    msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False, forbid_unknown_fields=True
):
    """Everything up to `sequence` is on the sender's disk."""

    sequence: Sequence


class Ping(
    msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False, forbid_unknown_fields=True
):
    """Asks for a `Pong` with the same number."""

    number: Sequence


class Pong(
    msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False, forbid_unknown_fields=True
):
    """Answers a `Ping`."""

    number: Sequence


class ErrorFrame(
    msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False, forbid_unknown_fields=True
):
    """The last frame of a session that the sender ends, and why."""

    code: Annotated[str, msgspec.Meta(max_length=ERROR_CODE_LENGTH_MAX)]
    reason: Annotated[str, msgspec.Meta(max_length=ERROR_REASON_LENGTH_MAX)]


class NoteFrame(
    msgspec.Struct, frozen=True, array_like=True, tag=6, gc=False, forbid_unknown_fields=True
):
    """A word without a number: it arrives at most once, and nobody acknowledges it."""

    body: Annotated[bytes, msgspec.Meta(max_length=NOTE_SIZE_BYTES_MAX)]


Frame = Hello | Message | Ack | Ping | Pong | ErrorFrame | NoteFrame

_ENCODER = msgspec.msgpack.Encoder()
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes of a stranger: it lets bad UTF-8 and deep nesting through as
Python's own errors."""
_DECODER: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)
_FRAME_HEADER = struct.Struct(">I")
_RECORD_HEADER = struct.Struct(">H")


def append_frame(buffer: bytearray, frame: Frame) -> None:
    """Encode `frame` at the end of `buffer`. A frame above the limit is a bug of ours."""
    start = len(buffer)
    buffer += b"\x00\x00\x00\x00"
    _ENCODER.encode_into(frame, buffer, start + FRAME_HEADER_SIZE_BYTES)
    size = len(buffer) - start - FRAME_HEADER_SIZE_BYTES
    assert size <= FRAME_SIZE_BYTES_MAX, f"a frame of {size} bytes is above the limit"
    _FRAME_HEADER.pack_into(buffer, start, size)


def encode_frames(frames: Iterable[Frame]) -> bytearray:
    """All `frames`, ready to be sealed."""
    buffer = bytearray()
    for frame in frames:
        append_frame(buffer, frame)
    return buffer


def seal_records(cipher: NoiseCipher, plaintext: bytes | bytearray) -> bytes:
    """Encrypt `plaintext` as one or more records, ready to be written at once."""
    records: list[bytes] = []
    for start in range(0, len(plaintext), PLAINTEXT_SIZE_BYTES_MAX):
        sealed = cipher.seal(bytes(plaintext[start : start + PLAINTEXT_SIZE_BYTES_MAX]))
        records.append(_RECORD_HEADER.pack(len(sealed)))
        records.append(sealed)
    return b"".join(records)


class RecordDecoder:
    """Cuts what the socket gives into Noise messages and opens them."""

    __slots__ = ("_buffer", "_cipher", "_needed")

    def __init__(self, cipher: NoiseCipher) -> None:
        self._cipher = cipher
        self._buffer = bytearray()
        self._needed = RECORD_HEADER_SIZE_BYTES

    def decode(self, data: bytes) -> tuple[bytes, FramingFault | None]:
        """The plaintext of all records that `data` completes, and the fault that ended them.

        After a fault the decoder is of no further use: the ciphers are out of step.
        """
        buffer = self._buffer
        buffer += data
        opened: list[bytes] = []
        position = 0
        fault: FramingFault | None = None
        while len(buffer) - position >= self._needed:
            (size,) = _RECORD_HEADER.unpack_from(buffer, position)
            if size <= NOISE_TAG_SIZE_BYTES:
                fault = MalformedRecord(f"a record of {size} bytes holds nothing", size)
                break
            end = position + RECORD_HEADER_SIZE_BYTES + size
            if end > len(buffer):
                self._needed = end - position
                break
            try:
                opened.append(self._cipher.open(bytes(buffer[end - size : end])))
            except FramingFault as error:
                fault = error
                break
            position = end
            self._needed = RECORD_HEADER_SIZE_BYTES
        del buffer[:position]
        return b"".join(opened), fault


class FrameDecoder:
    """Cuts the plaintext stream into frames."""

    __slots__ = ("_buffer", "_needed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = FRAME_HEADER_SIZE_BYTES

    def decode(self, data: bytes) -> tuple[list[Frame], FramingFault | None]:
        """The frames that `data` completes, and the fault that ended them."""
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        if len(buffer) < self._needed:
            return frames, None
        self._needed = FRAME_HEADER_SIZE_BYTES
        position = 0
        fault: FramingFault | None = None
        with memoryview(buffer) as view:
            while len(view) - position >= FRAME_HEADER_SIZE_BYTES:
                (size,) = _FRAME_HEADER.unpack_from(view, position)
                if size > FRAME_SIZE_BYTES_MAX:
                    fault = FrameTooLarge(f"a frame announces {size} bytes", size)
                    break
                end = position + FRAME_HEADER_SIZE_BYTES + size
                if end > len(view):
                    self._needed = end - position
                    break
                try:
                    frames.append(_DECODER.decode(view[end - size : end]))
                except _DECODE_ERRORS as error:
                    fault = MalformedFrame(str(error)[:ERROR_REASON_LENGTH_MAX], size)
                    break
                position = end
        del buffer[:position]
        return frames, fault
