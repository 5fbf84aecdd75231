"""Notes: words between two sessions that are no numbered messages and may be lost.

Whoever says one says it again when it still matters: a route query is asked anew, a head is told at
every connection. Nothing is acknowledged, and a note that is malformed ends the session.
"""

from __future__ import annotations

import msgspec

from protocols.errors import InvalidEncoding
from protocols.log_head import LogHead
from protocols.routes import TEXT_LENGTH_MAX, RouteAnswer, RouteQuery


class HeadTold(msgspec.Struct, frozen=True, array_like=True, tag="log-head", gc=False):
    """The sender's log: the newest head it signed."""

    head: LogHead


class HeadHeld(msgspec.Struct, frozen=True, array_like=True, tag="held-head", gc=False):
    """The receiver's log: the longest head of it that the sender was ever shown."""

    head: LogHead


Note = RouteQuery | RouteAnswer | HeadTold | HeadHeld

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Note] = msgspec.msgpack.Decoder(Note)


def encode_note(note: Note) -> bytes:
    """MessagePack array [tag, fields...]."""
    return _ENCODER.encode(note)


def decode_note(data: bytes) -> Note:
    """The inverse, bounded and validated; raises InvalidEncoding."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEncoding("note", str(error)[:TEXT_LENGTH_MAX]) from error
