"""The one WebSocket frame that nearly every message is: text, whole, of at most 64 KiB.

wsproto is right about every frame and takes 50 us for one; a payment has two, in either process.
So whole text frames are cut out of the stream here, and all others are wsproto's, byte for byte:
fragments, control frames, large ones and whatever is wrong.
Source: RFC 6455, section 5.2.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import wsproto
from wsproto.events import Event

_WHOLE_TEXT = 0x81
"""The last frame of a message (0x80), of text (1)."""
_MASKED = 0x80
_MASK_SIZE_BYTES = 4
_SHORT_MAX = 125
_TWO_BYTES, _EIGHT_BYTES = 126, 127
"""What stands for a length that follows in so many bytes."""
_TWO_BYTES_MAX = 65_535
_CONTROL = 0x08
_LAST = 0x80


def text_frame(payload: bytes, *, masked: bool) -> bytes | None:
    """The frame of one text message, `masked` as a client's must be; None if it is too large."""
    size = len(payload)
    mask_bit = _MASKED if masked else 0
    if size <= _SHORT_MAX:
        head = bytes((_WHOLE_TEXT, mask_bit | size))
    elif size <= _TWO_BYTES_MAX:
        head = bytes((_WHOLE_TEXT, mask_bit | _TWO_BYTES)) + size.to_bytes(2, "big")
    else:
        return None
    if not masked:
        return head + payload
    mask = secrets.token_bytes(_MASK_SIZE_BYTES)
    return head + mask + _mask(payload, mask)


class FrameReader:
    """Cuts what a socket gives into messages: strings, and the events of wsproto for the rest."""

    def __init__(self, socket: wsproto.WSConnection, *, masked: bool) -> None:
        """`socket` has its upgrade behind it and no byte of a frame; `masked`: the other side is
        a client."""
        self._socket = socket
        self._mask_bit = _MASKED if masked else 0
        self._buffer = b""
        self._is_fragmented = False
        self._passing_size = 0
        """Bytes of a frame that is being passed to wsproto, still to come."""

    def feed(self, data: bytes) -> Iterator[str | Event]:
        """All that `data` completes, in order: a text message as its string, or an event."""
        buffer, position = self._buffer + data, 0
        self._buffer = b""
        while position < len(buffer):
            if self._passing_size:
                passed = buffer[position : position + self._passing_size]
                position += len(passed)
                self._passing_size -= len(passed)
                self._socket.receive_data(passed)
                yield from self._socket.events()
                continue
            start, end = _payload_bounds(buffer, position)
            if end == 0:
                break  # not even the frame's head is there
            text = None
            if self._is_whole_text(buffer, position, start, end):
                if end > len(buffer):
                    break
                text = _text(buffer, start, end, self._mask_bit)
            if text is None:
                self._pass(buffer[position], end - position)
            else:
                position = end
                yield text
        self._buffer = buffer[position:]

    def _is_whole_text(self, buffer: bytes, position: int, start: int, end: int) -> bool:
        second = buffer[position + 1]
        if buffer[position] != _WHOLE_TEXT or second & _MASKED != self._mask_bit:
            return False
        length = second & ~_MASKED
        in_its_shortest_form = length != _TWO_BYTES or end - start > _SHORT_MAX
        return length <= _TWO_BYTES and in_its_shortest_form and not self._is_fragmented

    def _pass(self, first: int, size: int) -> None:
        """The next `size` bytes are wsproto's. Whole text between fragments is its to refuse."""
        self._passing_size = size
        if not first & _CONTROL:
            self._is_fragmented = not first & _LAST


def _payload_bounds(buffer: bytes, position: int) -> tuple[int, int]:
    """Where the payload of the frame at `position` starts and ends; (0, 0) if that is not there
    yet."""
    if len(buffer) < position + 2:
        return 0, 0
    length, start = buffer[position + 1] & ~_MASKED, position + 2
    if length >= _TWO_BYTES:
        start += 2 if length == _TWO_BYTES else 8
        if len(buffer) < start:
            return 0, 0
        length = int.from_bytes(buffer[position + 2 : start], "big")
    if buffer[position + 1] & _MASKED:
        start += _MASK_SIZE_BYTES
    return start, start + length


def _text(buffer: bytes, start: int, end: int, mask_bit: int) -> str | None:
    """The text of a complete frame; None if it is not UTF-8."""
    payload = buffer[start:end]
    if mask_bit:
        payload = _mask(payload, buffer[start - _MASK_SIZE_BYTES : start])
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _mask(payload: bytes, mask: bytes) -> bytes:
    """The payload under the mask, repeated; twice masked is as it was."""
    size = len(payload)
    repeated = (mask * (size // _MASK_SIZE_BYTES + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return masked.to_bytes(size, "big")
