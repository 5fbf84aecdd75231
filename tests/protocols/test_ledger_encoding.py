"""The packed bytes of a ledger state are the bytes of the state, whatever it holds."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from protocols.ledger import GUARANTEE_COUNT_MAX, Guarantee, LedgerVars, ledger_state
from protocols.ledger_encoding import encode_ledger_state, ledger_state_hash
from protocols.outcome import GUARANTEE, SIMPLE
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS, Address
from tests.support.actors import ALICE, BOB
from tests.support.builders import CONSENSUS_APP, DURATION_S
from tests.support.ledger_rig import FOLLOWER, LEADER, target

widths = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20)
amounts = st.integers(min_value=0, max_value=2**248)
guarantee_lists = st.lists(
    st.builds(Guarantee, widths, amounts, widths, widths),
    max_size=6,
    unique_by=lambda guarantee: guarantee.target,
).map(lambda found: tuple(sorted(found, key=lambda guarantee: guarantee.target)))
ledger_vars = st.builds(LedgerVars, amounts, amounts, guarantee_lists)
fixed_parts = st.builds(
    FixedPart,
    st.tuples(addresses, addresses),
    st.integers(min_value=0, max_value=2**64 - 1),
    addresses,
    st.integers(min_value=0, max_value=2**48 - 1),
)
turns = st.integers(min_value=0, max_value=2**48 - 1)


@given(fixed_parts, addresses, ledger_vars, turns)
def test_it_is_the_encoding_of_the_state(
    fixed: FixedPart, asset: Address, vars_: LedgerVars, turn_num: int
) -> None:
    state = ledger_state(fixed, asset, vars_, turn_num)
    channel_id = fixed.channel_id()
    assert encode_ledger_state(channel_id, fixed, asset, vars_, turn_num) == state.encode()
    assert ledger_state_hash(channel_id, fixed, asset, vars_, turn_num) == state.state_hash()


@given(addresses, ledger_vars, turns)
def test_it_is_what_a_general_encoder_makes_of_the_state(
    asset: Address, vars_: LedgerVars, turn_num: int
) -> None:
    fixed = FixedPart((ALICE.address, BOB.address), 7, CONSENSUS_APP, DURATION_S)
    allocations: list[Any] = [
        (LEADER, vars_.leader, SIMPLE, b""),
        (FOLLOWER, vars_.follower, SIMPLE, b""),
    ]
    allocations += [
        (found.target, found.amount, GUARANTEE, found.left + found.right)
        for found in vars_.guarantees
    ]
    channel_id = fixed.channel_id()
    exits = "(address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[]"
    expected = encode(
        ["bytes32", "bytes", exits, "uint256", "bool"],
        [channel_id, b"", [("0x" + asset.hex(), (0, b""), allocations)], turn_num, False],
    )
    assert encode_ledger_state(channel_id, fixed, asset, vars_, turn_num) == expected


def test_a_ledger_with_as_many_guarantees_as_there_may_be_is_encoded() -> None:
    fixed = FixedPart((ALICE.address, BOB.address), 7, CONSENSUS_APP, DURATION_S)
    guarantees = tuple(
        Guarantee(target(number), number, LEADER, FOLLOWER) for number in range(GUARANTEE_COUNT_MAX)
    )
    vars_ = LedgerVars(5, 6, guarantees)
    state = ledger_state(fixed, ZERO_ADDRESS, vars_, 9)
    encoded = encode_ledger_state(fixed.channel_id(), fixed, ZERO_ADDRESS, vars_, 9)
    assert encoded == state.encode()
