"""States: what participants of a channel sign, and the hashes the contracts compute of them.

A channel is its fixed part; a state adds what changes from turn to turn. Both are immutable and
checked for width when built. Whether a state is supported, follows another or may be signed is
not known here.
Source: NitroUtils.sol (channel id, state hash), StatusManager.sol (status word).
"""

from functools import lru_cache

from msgspec import Struct

from protocols.abi import decode_state, encode_fixed_part, encode_outcome, encode_state
from protocols.crypto import keccak256
from protocols.errors import InvalidEncoding, InvalidWidth
from protocols.outcome import Outcome, require_outcome
from protocols.plain_state import LAYOUT
from protocols.types import (
    Address,
    Bytes32,
    ChannelId,
    StateHash,
    TurnNum,
    Uint48,
    Uint64,
    require_uint,
    require_width,
)

PARTICIPANT_COUNT_MAX = 255
"""The contracts keep the signers of a state as bits of one word and count them in a uint8."""

_FORCE_MOVE = (0x40).to_bytes(32, "big") + (9).to_bytes(32, "big") + b"forceMove".ljust(32, b"\0")


class FixedPart(Struct, frozen=True, array_like=True, gc=False):
    """What never changes in a channel. `InvalidWidth` on a value out of shape."""

    participants: tuple[Address, ...]
    """1 to 255 addresses; their order gives everyone an index."""
    channel_nonce: Uint64
    app_definition: Address
    """The contract that judges running states."""
    challenge_duration: Uint48
    """Seconds."""

    def __post_init__(self) -> None:
        if not isinstance(self.participants, tuple):
            raise InvalidWidth("participants", "a tuple", type(self.participants).__name__)
        if not 1 <= len(self.participants) <= PARTICIPANT_COUNT_MAX:
            raise InvalidWidth("participants", "1 to 255", str(len(self.participants)))
        for participant in self.participants:
            require_width("participant", participant, 20)
        require_uint("channel_nonce", self.channel_nonce, 64)
        require_width("app_definition", self.app_definition, 20)
        require_uint("challenge_duration", self.challenge_duration, 48)

    def encode(self) -> bytes:
        """The bytes whose hash is the channel id."""
        return encode_fixed_part(
            self.participants, self.channel_nonce, self.app_definition, self.challenge_duration
        )

    def channel_id(self) -> ChannelId:
        """keccak256 of `encode()`, remembered for the channels in use."""
        return _channel_id(self)


@lru_cache(maxsize=256, typed=True)
def fixed_part_of(
    participants: tuple[Address, ...],
    channel_nonce: Uint64,
    app_definition: Address,
    challenge_duration: Uint48,
) -> FixedPart:
    """As `FixedPart`: the one that was made of the same values, if it was made a moment ago."""
    return FixedPart(participants, channel_nonce, app_definition, challenge_duration)


@lru_cache(maxsize=1024)
def _channel_id(fixed: FixedPart) -> ChannelId:
    return keccak256(fixed.encode())


class State(Struct, frozen=True, array_like=True, gc=False):
    """One state of a channel. `InvalidWidth` on a value out of shape."""

    fixed: FixedPart
    app_data: bytes
    outcome: Outcome
    turn_num: TurnNum
    is_final: bool

    def __post_init__(self) -> None:
        if not isinstance(self.app_data, bytes):
            raise InvalidWidth("app_data", "bytes", type(self.app_data).__name__)
        require_outcome(self.outcome)
        require_uint("turn_num", self.turn_num, 48)
        if type(self.is_final) is not bool:
            raise InvalidWidth("is_final", "bool", type(self.is_final).__name__)

    @property
    def channel_id(self) -> ChannelId:
        """The channel this state belongs to."""
        return _channel_id(self.fixed)

    def encode(self) -> bytes:
        """The bytes whose hash is signed; `InvalidEncoding` if they are too many to enforce."""
        return encode_state(
            self.channel_id, self.app_data, self.outcome, self.turn_num, self.is_final
        )

    def state_hash(self) -> StateHash:
        """keccak256 of `encode()`: what `crypto.sign` takes."""
        return hash_of_encoding(self.encode())

    def outcome_hash(self) -> Bytes32:
        """keccak256 of the encoded outcome, as the contracts keep it in their fingerprint."""
        return keccak256(encode_outcome(self.outcome))


def hash_of_encoding(encoded: bytes) -> StateHash:
    """The state hash of an encoded state; of one that a path passes on, remembered for a while."""
    if type(encoded) is bytes and len(encoded) == LAYOUT.size:
        return _hash_of_plain(encoded)
    return keccak256(encoded)


_hash_of_plain = lru_cache(maxsize=256)(keccak256)


def state_from_encoding(fixed: FixedPart, encoded: bytes) -> State:
    """The state of the channel `fixed` whose `encode()` is `encoded`.

    Raises `InvalidEncoding` for another channel's state or bytes that are no canonical encoding,
    `InvalidWidth` for numbers too large.
    """
    if type(encoded) is bytes and len(encoded) == LAYOUT.size:
        return _plain_from_encoding(fixed, encoded)
    return _from_encoding(fixed, encoded)


def _from_encoding(fixed: FixedPart, encoded: bytes) -> State:
    decoded = decode_state(encoded)
    if decoded.channel_id != fixed.channel_id():
        raise InvalidEncoding("state", "it belongs to another channel")
    return State(fixed, decoded.app_data, decoded.outcome, decoded.turn_num, decoded.is_final)


_plain_from_encoding = lru_cache(maxsize=256)(_from_encoding)
"""A message brings a state that is then recorded and folded twice: it is read once."""


def says_final(encoded: bytes) -> bool:
    """Whether an encoded state says that it is final; False for what is no encoding.

    The flag is the last word of its head: channel id, two offsets, turn number, flag.
    """
    return encoded[128:160].endswith(b"\x01")


def fingerprint(state_hash: StateHash, outcome_hash: Bytes32) -> bytes:
    """The 20 bytes by which the adjudicator remembers a state and its outcome."""
    require_width("state_hash", state_hash, 32)
    require_width("outcome_hash", outcome_hash, 32)
    return keccak256(state_hash + outcome_hash)[12:]


def status_word(
    turn_num_record: TurnNum, finalizes_at: Uint48, state_hash: StateHash, outcome_hash: Bytes32
) -> Bytes32:
    """The adjudicator's `statusOf` word: turn (48 bits), finalizes_at (chain seconds, 48 bits),
    fingerprint (160 bits). A concluded channel has turn 0 and an all-zero state hash."""
    require_uint("turn_num_record", turn_num_record, 48)
    require_uint("finalizes_at", finalizes_at, 48)
    return b"".join(
        (
            turn_num_record.to_bytes(6, "big"),
            finalizes_at.to_bytes(6, "big"),
            fingerprint(state_hash, outcome_hash),
        )
    )


def challenge_message(state_hash: StateHash) -> Bytes32:
    """What a challenger signs: keccak256(abi.encode(bytes32 state_hash, string "forceMove"))."""
    require_width("state_hash", state_hash, 32)
    return keccak256(state_hash + _FORCE_MOVE)
