"""Solidity's ABI for the few shapes this node signs and sends, packed by hand.

Bytes must equal the contracts' `abi.encode`; tests compare every shape here with eth_abi, which a
state costs 126 us there and under 8 us here. Decoding reads the one canonical layout in order and
then encodes again: only input that comes back byte for byte is accepted, so a value has one
encoding and one hash, and hostile input costs time linear in its bounded size (following offsets
freely, a few kilobytes can claim millions of allocations).

This module knows layouts and contract spellings. It does not judge what it encodes.
Source: INitroTypes.sol and ExitFormat.sol of the Nitro protocol.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from protocols.errors import InvalidEncoding, InvalidSignature
from protocols.outcome import Allocation, Outcome, SingleAssetExit
from protocols.plain_state import packed, unpacked
from protocols.types import (
    Address,
    Amount,
    ChannelId,
    Signature,
    TurnNum,
    amount_to_bytes,
    require_uint,
    require_width,
)

ENCODED_STATE_SIZE_BYTES_MAX = 128 * 1024
"""What a node's transaction pool takes as call data (128 KiB): a larger state could not be
enforced, so it is neither encoded nor decoded. 400 guarantees (M17) need 103 kB."""

DEPOSIT_SELECTOR = bytes.fromhex("2fb1d270")
"""deposit(address,bytes32,uint256,uint256)"""
APPROVE_SELECTOR = bytes.fromhex("095ea7b3")
"""approve(address,uint256), of a token"""

_ADDRESS_PADDING = bytes(12)


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


_EMPTY_BYTES = _word(0)
_TWO_WORDS = _word(0x40)
_THREE_WORDS = _word(0x60)
_FOUR_WORDS = _word(0x80)
_FIVE_WORDS = _word(0xA0)


class FixedFields(Protocol):
    """What a channel's fixed part consists of (`protocols.state.FixedPart`)."""

    @property
    def participants(self) -> tuple[Address, ...]:
        """Addresses, in the order of their indices."""

    @property
    def channel_nonce(self) -> int:
        """uint64."""

    @property
    def app_definition(self) -> Address:
        """The contract that judges running states."""

    @property
    def challenge_duration(self) -> int:
        """Seconds, uint48."""


class VariableFields(Protocol):
    """What changes from state to state (`protocols.state.State`)."""

    @property
    def outcome(self) -> Outcome:
        """Who gets what if this state is the last."""

    @property
    def app_data(self) -> bytes:
        """The app's own bytes."""

    @property
    def turn_num(self) -> TurnNum:
        """uint48."""

    @property
    def is_final(self) -> bool:
        """Whether the channel ends with this state."""


class DecodedState(NamedTuple):
    """The fields of a state's signed encoding, in its order."""

    channel_id: ChannelId
    app_data: bytes
    outcome: Outcome
    turn_num: TurnNum
    is_final: bool


def encode_voucher(channel_id: ChannelId, amount: Amount) -> bytes:
    """abi.encode(bytes32, uint256), 64 bytes; `InvalidWidth` on a value out of shape."""
    require_width("channel_id", channel_id, 32)
    return channel_id + amount_to_bytes(amount)


def encode_fixed_part(
    participants: Sequence[Address],
    channel_nonce: int,
    app_definition: Address,
    challenge_duration: int,
) -> bytes:
    """abi.encode(address[], uint256, address, uint256): what a channel id is the hash of.

    Raises `InvalidWidth` unless the addresses are 20 bytes, the nonce fits 64 bits and the
    duration (seconds) 48.
    """
    for participant in participants:
        require_width("participant", participant, 20)
    require_uint("channel_nonce", channel_nonce, 64)
    require_width("app_definition", app_definition, 20)
    require_uint("challenge_duration", challenge_duration, 48)
    head = (
        _FOUR_WORDS,
        _word(channel_nonce),
        _ADDRESS_PADDING + app_definition,
        _word(challenge_duration),
        _word(len(participants)),
    )
    return b"".join((*head, *(_ADDRESS_PADDING + participant for participant in participants)))


def encode_outcome(outcome: Outcome) -> bytes:
    """abi.encode(SingleAssetExit[]): the contracts' `outcomeBytes`, and the outcome hash's input.

    Raises `InvalidEncoding` above `ENCODED_STATE_SIZE_BYTES_MAX`.
    """
    return _bounded("outcome", _word(0x20) + encode_exits(outcome))


def encode_state(
    channel_id: ChannelId, app_data: bytes, outcome: Outcome, turn_num: TurnNum, is_final: bool
) -> bytes:
    """abi.encode(bytes32, bytes, SingleAssetExit[], uint256, bool): the state hash's input.

    Raises `InvalidWidth` on a value out of shape and `InvalidEncoding` above
    `ENCODED_STATE_SIZE_BYTES_MAX`.
    """
    require_width("channel_id", channel_id, 32)
    require_uint("turn_num", turn_num, 48)
    plain = None if app_data else packed(channel_id, outcome, turn_num, is_final)
    return plain or _encode_any_state(channel_id, app_data, outcome, turn_num, is_final)


def _encode_any_state(
    channel_id: ChannelId, app_data: bytes, outcome: Outcome, turn_num: TurnNum, is_final: bool
) -> bytes:
    packed_app_data = encode_bytes(app_data)
    encoded = b"".join(
        (
            channel_id,
            _FIVE_WORDS,
            _word(0xA0 + len(packed_app_data)),
            _word(turn_num),
            _word(is_final),
            packed_app_data,
            encode_exits(outcome),
        )
    )
    return _bounded("state", encoded)


def decode_outcome(encoded: bytes) -> Outcome:
    """The outcome whose canonical encoding is `encoded`.

    Raises `InvalidEncoding` (or `InvalidWidth` for a number too large) for anything else.
    """
    reader = _Reader("outcome", encoded)
    reader.skip_word()
    outcome = _read_exits(reader)
    if encode_outcome(outcome) != encoded:
        raise InvalidEncoding("outcome", "not in canonical form")
    return outcome


def decode_state(encoded: bytes) -> DecodedState:
    """The fields whose canonical encoding is `encoded`.

    Raises `InvalidEncoding` (or `InvalidWidth` for a number too large) for anything else.
    """
    plain = unpacked(encoded)
    if plain is not None:
        channel_id, outcome, turn_num, is_final = plain
        return DecodedState(channel_id, b"", outcome, turn_num, is_final)
    reader = _Reader("state", encoded)
    channel_id = reader.take(32)
    reader.skip_word()
    reader.skip_word()
    turn_num = reader.read_uint()
    is_final = reader.read_uint() != 0
    app_data = reader.read_bytes()
    outcome = _read_exits(reader)
    if encode_state(channel_id, app_data, outcome, turn_num, is_final) != encoded:
        raise InvalidEncoding("state", "not in canonical form")
    return DecodedState(channel_id, app_data, outcome, turn_num, is_final)


def encode_deposit_call(
    asset: Address, channel_id: ChannelId, expected_held: Amount, amount: Amount
) -> bytes:
    """Call data of `deposit`: add `amount` to a channel that holds `expected_held` already."""
    require_width("asset", asset, 20)
    require_width("channel_id", channel_id, 32)
    return b"".join(
        (
            DEPOSIT_SELECTOR,
            _ADDRESS_PADDING + asset,
            channel_id,
            amount_to_bytes(expected_held),
            amount_to_bytes(amount),
        )
    )


def encode_approve_call(spender: Address, amount: Amount) -> bytes:
    """Call data of a token's `approve`: `spender` may take `amount` of ours, instead of before."""
    require_width("spender", spender, 20)
    return APPROVE_SELECTOR + _ADDRESS_PADDING + spender + amount_to_bytes(amount)


def encode_signed_part(variable: VariableFields, signatures: Sequence[Signature]) -> bytes:
    """A state's variable part and signatures as the contracts' SignedVariablePart.

    Raises `InvalidWidth` for a signature that is not 65 bytes and `InvalidSignature` for a v
    outside 27 and 28 (`crypto.restore_v` comes first, M9).
    """
    require_uint("turn_num", variable.turn_num, 48)
    exits = encode_exits(variable.outcome)
    variable_part = b"".join(
        (
            _FOUR_WORDS,
            _word(0x80 + len(exits)),
            _word(variable.turn_num),
            _word(variable.is_final),
            exits,
            encode_bytes(variable.app_data),
        )
    )
    return b"".join(
        (
            _TWO_WORDS,
            _word(0x40 + len(variable_part)),
            variable_part,
            _word(len(signatures)),
            *(encode_signature(signature) for signature in signatures),
        )
    )


def encode_signature(signature: Signature) -> bytes:
    """A signature as the contracts' struct: uint8 v, bytes32 r, bytes32 s; 96 bytes.

    Raises `InvalidWidth` unless it is 65 bytes, `InvalidSignature` for a v outside 27 and 28.
    """
    require_width("signature", signature, 65)
    if signature[64] not in (27, 28):
        raise InvalidSignature(f"v is {signature[64]}, expected 27 or 28")
    return _word(signature[64]) + signature[:64]


def _bounded(what: str, encoded: bytes) -> bytes:
    if len(encoded) > ENCODED_STATE_SIZE_BYTES_MAX:
        raise InvalidEncoding(
            what, f"{len(encoded)} bytes, the most is {ENCODED_STATE_SIZE_BYTES_MAX}"
        )
    return encoded


def encode_bytes(data: bytes) -> bytes:
    """A byte string: its length, and itself padded to whole words."""
    if not data:
        return _EMPTY_BYTES
    return _word(len(data)) + data + bytes(-len(data) % 32)


def encode_array(items: Sequence[bytes]) -> bytes:
    """An array of dynamic values: count, offsets from behind the count, values."""
    offset = 32 * len(items)
    parts = [_word(len(items))]
    for item in items:
        parts.append(_word(offset))
        offset += len(item)
    return b"".join((*parts, *items))


def _allocation(allocation: Allocation) -> bytes:
    return b"".join(
        (
            allocation.destination,
            _word(allocation.amount),
            _word(allocation.allocation_type),
            _FOUR_WORDS,
            encode_bytes(allocation.metadata),
        )
    )


def _exit(exit_: SingleAssetExit) -> bytes:
    asset_metadata = _word(exit_.asset_type) + _TWO_WORDS + encode_bytes(exit_.asset_metadata)
    return b"".join(
        (
            _ADDRESS_PADDING,
            exit_.asset,
            _THREE_WORDS,
            _word(0x60 + len(asset_metadata)),
            asset_metadata,
            encode_array([_allocation(allocation) for allocation in exit_.allocations]),
        )
    )


def encode_exits(outcome: Outcome) -> bytes:
    """An outcome as one argument among others: `encode_outcome` without its offset."""
    return encode_array([_exit(exit_) for exit_ in outcome])


class _Reader:
    """Takes the canonical layout apart from front to back, never past the end.

    Offsets and padding are passed over unread: the caller's encoding again is what judges them.
    """

    __slots__ = ("_data", "_position", "_what")

    def __init__(self, what: str, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise InvalidEncoding(what, f"expected bytes, got {type(data).__name__}")
        self._what = what
        self._data = _bounded(what, data)
        self._position = 0

    def take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._data):
            raise InvalidEncoding(self._what, "it ends too early")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def read_uint(self) -> int:
        return int.from_bytes(self.take(32), "big")

    def skip_word(self) -> None:
        self.take(32)

    def read_bytes(self) -> bytes:
        size = self.read_uint()
        data = self.take(size)
        self.take(-size % 32)
        return data

    def read_count(self) -> int:
        """The count of an array of dynamic values, its offsets passed over."""
        count = self.read_uint()
        self.take(32 * count)
        return count


def _read_allocation(reader: _Reader) -> Allocation:
    destination = reader.take(32)
    amount = reader.read_uint()
    allocation_type = reader.read_uint()
    reader.skip_word()
    return Allocation(destination, amount, allocation_type, reader.read_bytes())


def _read_exit(reader: _Reader) -> SingleAssetExit:
    asset = reader.take(32)[12:]
    reader.skip_word()
    reader.skip_word()
    asset_type = reader.read_uint()
    reader.skip_word()
    asset_metadata = reader.read_bytes()
    count = reader.read_count()
    allocations = tuple(_read_allocation(reader) for _ in range(count))
    return SingleAssetExit(asset, allocations, asset_type, asset_metadata)


def _read_exits(reader: _Reader) -> Outcome:
    count = reader.read_count()
    return tuple(_read_exit(reader) for _ in range(count))
