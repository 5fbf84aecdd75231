"""Nitro's encodings and signatures straight from eth_abi and coincurve, for tests of contracts.

Written without a line of `protocols`, so that a test which compares the two compares two
things. Values are plain tuples in the order of the contracts' structs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from coincurve import PrivateKey
from eth_abi import encode
from sha3 import keccak_256

ALLOCATION_TYPE = "(bytes32,uint256,uint8,bytes)"
OUTCOME_TYPE = f"(address,(uint8,bytes),{ALLOCATION_TYPE}[])[]"
SIGNATURE_TYPE = "(uint8,bytes32,bytes32)"

SIMPLE = 0
GUARANTEE = 2
NATIVE = "0x" + "00" * 20

Allocation = tuple[bytes, int, int, bytes]
AssetExit = tuple[str, tuple[int, bytes], list[Allocation]]
Outcome = list[AssetExit]
Signature = tuple[int, bytes, bytes]
VariablePart = tuple[Outcome, bytes, int, bool]
SignedVariablePart = tuple[VariablePart, list[Signature]]


def keccak(data: bytes) -> bytes:
    """Keccak-256, as the chain computes it."""
    return bytes(keccak_256(data).digest())


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody with a key."""

    secret: bytes

    @property
    def address(self) -> str:
        """Lower-case hex with 0x."""
        public = PrivateKey(self.secret).public_key.format(compressed=False)
        return "0x" + keccak(public[1:])[12:].hex()

    @property
    def destination(self) -> bytes:
        """The address as an external destination."""
        return destination_of(self.address)

    def sign(self, message_hash: bytes) -> Signature:
        """(v, r, s) over the EIP-191 prefixed hash."""
        digest = keccak(b"\x19Ethereum Signed Message:\n32" + message_hash)
        raw = PrivateKey(self.secret).sign_recoverable(digest, hasher=None)
        return (raw[64] + 27, raw[:32], raw[32:64])


def actor(seed: str) -> Actor:
    """The actor of a name: the same key every time."""
    return Actor(keccak(seed.encode()))


def destination_of(address: str) -> bytes:
    """An address padded on the left to 32 bytes."""
    return bytes(12) + bytes.fromhex(address.removeprefix("0x"))


@dataclass(frozen=True, slots=True)
class Channel:
    """The fixed part of a channel and the people behind it."""

    actors: tuple[Actor, ...]
    app_definition: str
    nonce: int = 1
    challenge_duration_s: int = 100

    @property
    def fixed_part(self) -> tuple[list[str], int, str, int]:
        """The FixedPart struct."""
        participants = [each.address for each in self.actors]
        return (participants, self.nonce, self.app_definition, self.challenge_duration_s)

    @property
    def channel_id(self) -> bytes:
        """keccak of the four fields as top-level values."""
        return _channel_id(self)

    def signed(
        self, variable_part: VariablePart, signers: Sequence[Actor] | None = None
    ) -> SignedVariablePart:
        """The variable part signed by `signers`, by default everybody."""
        message_hash = state_hash(self.channel_id, variable_part)
        people = self.actors if signers is None else signers
        return (variable_part, [each.sign(message_hash) for each in people])

    def challenger_signature(self, variable_part: VariablePart, challenger: Actor) -> Signature:
        """What `challenge` wants from a participant besides the state."""
        message_hash = state_hash(self.channel_id, variable_part)
        return challenger.sign(keccak(encode(["bytes32", "string"], [message_hash, "forceMove"])))


@functools.lru_cache(maxsize=1_024)
def _channel_id(channel: Channel) -> bytes:
    return keccak(encode(["address[]", "uint256", "address", "uint256"], channel.fixed_part))


def simple(destination: bytes, amount: int, metadata: bytes = b"") -> Allocation:
    """An ordinary share."""
    return (destination, amount, SIMPLE, metadata)


def guarantee(target: bytes, amount: int, left: bytes, right: bytes) -> Allocation:
    """A share that funds another channel and goes back to `left` and `right`."""
    return (target, amount, GUARANTEE, left + right)


def outcome_of(*allocations: Allocation, asset: str = NATIVE) -> Outcome:
    """An outcome of one asset."""
    return [(asset, (0, b""), list(allocations))]


def state(
    outcome: Outcome, turn_num: int, app_data: bytes = b"", is_final: bool = False
) -> VariablePart:
    """The VariablePart struct."""
    return (outcome, app_data, turn_num, is_final)


def state_hash(channel_id: bytes, variable_part: VariablePart) -> bytes:
    """What participants sign."""
    outcome, app_data, turn_num, is_final = variable_part
    types = ["bytes32", "bytes", OUTCOME_TYPE, "uint256", "bool"]
    return keccak(encode(types, [channel_id, app_data, outcome, turn_num, is_final]))


def encode_outcome(outcome: Outcome) -> bytes:
    """The `outcomeBytes` of transfer and reclaim."""
    return encode([OUTCOME_TYPE], [outcome])


def fingerprint(message_hash: bytes, outcome: Outcome) -> int:
    """The low 160 bits of a status word."""
    both = encode(["bytes32", "bytes32"], [message_hash, keccak(encode_outcome(outcome))])
    return int.from_bytes(keccak(both)[12:], "big")


def status_word(turn_num_record: int, finalizes_at_s: int, print_160: int) -> bytes:
    """The word `statusOf` answers."""
    return (turn_num_record << 208 | finalizes_at_s << 160 | print_160).to_bytes(32, "big")


def voucher_data(channel_id: bytes, amount: int, payer: Actor) -> bytes:
    """The app data of a redemption: the payer's voucher for `amount`."""
    message_hash = keccak(encode(["bytes32", "uint256"], [channel_id, amount]))
    return encode([f"(uint256,{SIGNATURE_TYPE})"], [(amount, payer.sign(message_hash))])
