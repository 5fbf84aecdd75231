"""MessagePack by the `msgpack` package: the independent reader. Only this module imports it."""

from hashlib import sha256
from typing import Any

import msgpack  # type: ignore[import-untyped]


def unpack(data: bytes) -> Any:
    """The value in `data`, arrays as lists; raises ValueError for anything else or more."""
    try:
        return msgpack.unpackb(data, use_list=True, strict_map_key=True)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def pack(value: Any) -> bytes:
    """The shortest spelling of `value`."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def unpack_all(blocks: list[bytes]) -> list[Any] | None:
    """The values of `blocks`, one each, if all are in the shortest spelling; None if one is not.

    At a fraction of what `unpack` and `pack` cost for each.
    """
    unpacker = msgpack.Unpacker(use_list=True, strict_map_key=True, max_buffer_size=0)
    unpacker.feed(b"".join(blocks))
    try:
        values = list(unpacker)
        packer = msgpack.Packer(use_bin_type=True)
        # Equal bytes, one by one: so each value is where its block began and ended as well.
        return values if list(map(packer.pack, values)) == blocks else None
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def last_element(data: bytes) -> bytes:
    """The bytes of the last element of the array in `data`; raises ValueError for no array."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    try:
        for _ in range(unpacker.read_array_header() - 1):
            unpacker.skip()
    except msgpack.OutOfData as error:
        raise ValueError("the array is cut off") from error
    return data[unpacker.tell() :]


def digest_of_last_element(data: bytes) -> bytes:
    """sha256 of `last_element`: what record 0 begins the chain with."""
    return sha256(last_element(data)).digest()
