"""The widths of the wire: names for byte strings and integers, and the checks that keep them so.

Every value that is signed, stored or sent has one of these shapes. The aliases carry msgspec
constraints, so a decoder refuses a wrong width by itself; values built in code go through
`require_width` and `require_uint`. This module knows sizes and spellings (hex, EIP-55) only:
nothing about channels, outcomes or who may do what.
"""

import re
from typing import Annotated

from msgspec import Meta

from protocols.crypto import keccak256
from protocols.errors import InvalidEncoding, InvalidWidth

UINT8_MAX = 2**8 - 1
UINT48_MAX = 2**48 - 1
UINT64_MAX = 2**64 - 1
UINT256_MAX = 2**256 - 1

Address = Annotated[bytes, Meta(min_length=20, max_length=20)]
"""An Ethereum address, 20 bytes."""

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""Any 32-byte word."""

ChannelId = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""keccak256 of the encoded fixed part."""

StateHash = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""keccak256 of the encoded state: what a participant signs."""

Destination = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""Who is paid: an address left-padded with zeros, or a channel id."""

ObjectiveId = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""The name of an objective."""

PaymentId = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""The name a payer gives one payment."""

Signature = Annotated[bytes, Meta(min_length=65, max_length=65)]
"""r (32) || s (32) || v (1), s low, v 27 or 28."""

Amount32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""An amount as events and messages carry it: uint256, big-endian."""

Amount = int
"""An amount as the domain counts it: 0 to 2**256 - 1, in the asset's smallest unit."""

TurnNum = Annotated[int, Meta(ge=0, le=UINT48_MAX)]
"""The number of a state in its channel; uint48 in the contracts."""

Uint48 = Annotated[int, Meta(ge=0, le=UINT48_MAX)]
"""Seconds and block times as the contracts hold them."""

Uint64 = Annotated[int, Meta(ge=0)]
"""0 to 2**64 - 1. The decoder checks the sign alone (its bounds are signed 64-bit, and MessagePack
has no larger integer); `require_uint` checks the rest where a value is built."""

ZERO_ADDRESS = bytes(20)
"""The native token as an asset; nobody as a person."""

_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*", re.ASCII)


def require_width(field: str, value: bytes, length: int) -> None:
    """Raise `InvalidWidth` unless `value` is bytes of exactly `length`."""
    if not isinstance(value, bytes):
        raise InvalidWidth(field, f"{length} bytes", type(value).__name__)
    if len(value) != length:
        raise InvalidWidth(field, f"{length} bytes", f"{len(value)} bytes")


def require_uint(field: str, value: int, bits: int) -> None:
    """Raise `InvalidWidth` unless `value` is an int (no bool) from 0 to 2**bits - 1."""
    if type(value) is not int:
        raise InvalidWidth(field, f"uint{bits}", type(value).__name__)
    if value < 0:
        raise InvalidWidth(field, f"uint{bits}", "a negative number")
    if value >> bits:
        raise InvalidWidth(field, f"uint{bits}", f"{value.bit_length()} bits")


def amount_to_bytes(amount: Amount) -> Amount32:
    """32 bytes big-endian; `InvalidWidth` outside 0 to 2**256 - 1."""
    require_uint("amount", amount, 256)
    return amount.to_bytes(32, "big")


def amount_from_bytes(encoded: Amount32) -> Amount:
    """The number in 32 big-endian bytes; `InvalidWidth` for any other width."""
    require_width("amount", encoded, 32)
    return int.from_bytes(encoded, "big")


def to_hex(value: bytes) -> str:
    """Lower-case hex with the 0x prefix."""
    return "0x" + value.hex()


def from_hex(text: str) -> bytes:
    """The bytes of 0x-prefixed hex of either case; `InvalidEncoding` for anything else."""
    if _HEX.fullmatch(text) is None:
        raise InvalidEncoding("hex", "expected 0x and an even number of hex digits")
    return bytes.fromhex(text[2:])


def checksum_address(address: Address) -> str:
    """The EIP-55 spelling of a 20-byte address; `InvalidWidth` for any other width."""
    require_width("address", address, 20)
    digits = address.hex()
    # EIP-55 hashes the lower-case text and capitalises where the hash's digit is 8 or more.
    weights = keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if weight >= "8" else digit
        for digit, weight in zip(digits, weights, strict=False)
    )


def parse_address(text: str) -> Address:
    """The 20 bytes of an address in one case, or in mixed case with a correct EIP-55 checksum.

    Raises `InvalidEncoding` for anything else: a wrong checksum is most often a typing error,
    and money sent to it is gone.
    """
    address = from_hex(text)
    if len(address) != 20:
        raise InvalidEncoding("address", f"expected 20 bytes, got {len(address)}")
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and text != checksum_address(address):
        raise InvalidEncoding("address", "EIP-55 checksum does not match")
    return address
