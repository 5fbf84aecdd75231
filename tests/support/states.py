"""Random outcomes and states from a seed, and the same values as eth_abi wants them."""

from random import Random
from typing import Any

from protocols.outcome import Allocation, Outcome, SingleAssetExit
from protocols.state import FixedPart, State
from protocols.types import UINT48_MAX, UINT64_MAX

OUTCOME_TYPE = "(address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[]"
STATE_TYPES = ["bytes32", "bytes", OUTCOME_TYPE, "uint256", "bool"]
FIXED_PART_TYPES = ["address[]", "uint256", "address", "uint256"]

_SIZES = (0, 0, 0, 1, 31, 32, 33, 64, 65, 100)
"""Sizes of byte strings: around the word boundary is where padding goes wrong."""


def random_outcome(random: Random) -> Outcome:
    """Up to three assets of up to four allocations each, sums within uint256."""
    return tuple(_random_exit(random) for _ in range(random.randrange(4)))


def random_state(random: Random) -> State:
    """A state whose every field is drawn over its whole width."""
    fixed = FixedPart(
        participants=tuple(random.randbytes(20) for _ in range(random.randint(1, 4))),
        channel_nonce=random.randint(0, UINT64_MAX),
        app_definition=random.randbytes(20),
        challenge_duration=random.randint(0, UINT48_MAX),
    )
    return State(
        fixed=fixed,
        app_data=_random_bytes(random),
        outcome=random_outcome(random),
        turn_num=random.choice((0, 1, 2, random.randint(0, UINT48_MAX), UINT48_MAX)),
        is_final=random.random() < 0.5,
    )


def outcome_values(outcome: Outcome) -> list[Any]:
    """An outcome as the nested values eth_abi encodes with `OUTCOME_TYPE`."""
    return [
        (
            "0x" + exit_.asset.hex(),
            (exit_.asset_type, exit_.asset_metadata),
            [(a.destination, a.amount, a.allocation_type, a.metadata) for a in exit_.allocations],
        )
        for exit_ in outcome
    ]


def state_values(state: State) -> list[Any]:
    """A state as the values eth_abi encodes with `STATE_TYPES`."""
    return [
        state.channel_id,
        state.app_data,
        outcome_values(state.outcome),
        state.turn_num,
        state.is_final,
    ]


def fixed_part_values(fixed: FixedPart) -> list[Any]:
    """A fixed part as the values eth_abi encodes with `FIXED_PART_TYPES`."""
    return [
        ["0x" + participant.hex() for participant in fixed.participants],
        fixed.channel_nonce,
        "0x" + fixed.app_definition.hex(),
        fixed.challenge_duration,
    ]


def _random_bytes(random: Random) -> bytes:
    return random.randbytes(random.choice(_SIZES))


def _random_exit(random: Random) -> SingleAssetExit:
    allocations = tuple(
        Allocation(
            destination=random.randbytes(32),
            # Four of the largest stay just within uint256.
            amount=random.choice((0, 1, random.getrandbits(64), random.getrandbits(254))),
            allocation_type=random.choice((0, 1, 2, 255)),
            metadata=_random_bytes(random),
        )
        for _ in range(random.randrange(5))
    )
    return SingleAssetExit(
        asset=random.choice((bytes(20), random.randbytes(20))),
        allocations=allocations,
        asset_type=random.choice((0, 0, 1, 255)),
        asset_metadata=_random_bytes(random),
    )
