"""The worker process: claims come in on stdin, what does not hold goes out on stdout.

    python -m node.verify.worker

A frame is its size (u32, big-endian) and so many bytes of MessagePack: a list of claims in, the
places of those that do not hold out, in the same order. It ends when its input does.
"""

import sys
from typing import BinaryIO

import msgspec

from node.verify.claims import Claim, SignatureBook

SIZE_BYTES = 4
"""Of the number before each frame."""

decode_claims = msgspec.msgpack.Decoder(list[Claim]).decode
decode_places = msgspec.msgpack.Decoder(list[int]).decode
_encode = msgspec.msgpack.Encoder().encode


def frame(value: list[Claim] | list[int]) -> bytes:
    """The value as it travels."""
    body = _encode(value)
    return len(body).to_bytes(SIZE_BYTES, "big") + body


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer every frame until the source ends."""
    book = SignatureBook()
    while size := source.read(SIZE_BYTES):
        claims = decode_claims(source.read(int.from_bytes(size, "big")))
        sink.write(frame(book.failed(claims)))
        sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
