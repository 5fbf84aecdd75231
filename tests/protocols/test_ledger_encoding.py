"""The packed bytes of a ledger state are the bytes of the state, whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from protocols import ledger_encoding
from protocols.ledger import GUARANTEE_COUNT_MAX, Guarantee, LedgerVars, ledger_state
from protocols.ledger_encoding import _Blocks, _guarantee, encode_ledger_state, ledger_state_hash
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


@pytest.mark.slow
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


def _ascending(numbers: set[int], amount: int = 1) -> tuple[Guarantee, ...]:
    return tuple(Guarantee(target(n), amount, LEADER, FOLLOWER) for n in sorted(numbers))


def _joined(guarantees: tuple[Guarantee, ...]) -> bytes:
    return b"".join(map(_guarantee, guarantees))


steps = st.tuples(
    st.integers(0, 2),
    st.sets(st.integers(0, 12), max_size=3),
    st.integers(1, 2),
)


@given(st.lists(steps, max_size=30))
def test_what_is_remembered_of_a_ledger_never_shows(
    changes: list[tuple[int, set[int], int]],
) -> None:
    blocks, held = _Blocks(20), [set[int](), set[int](), set[int]()]
    for ledger, toggled, amount in changes:
        held[ledger] ^= toggled
        guarantees = _ascending(held[ledger], amount)
        assert blocks.encoded(target(ledger), guarantees) == _joined(guarantees)
        assert blocks.encoded(target(ledger), _ascending(held[ledger], amount)) == _joined(
            guarantees
        )


def test_one_more_or_one_less_costs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Guarantee] = []

    def counting(guarantee: Guarantee) -> bytes:
        encoded.append(guarantee)
        return _guarantee(guarantee)

    blocks, numbers = _Blocks(1_000), set(range(0, 400, 2))
    blocks.encoded(target(0), _ascending(numbers))
    monkeypatch.setattr(ledger_encoding, "_guarantee", counting)
    for number in (0, 399, 201, 202):
        numbers ^= {number}
        blocks.encoded(target(0), _ascending(numbers))
    assert encoded == [*_ascending({399}), *_ascending({201})]


def test_what_is_remembered_is_bounded_whatever_the_ledgers_hold() -> None:
    blocks = _Blocks(10)
    for ledger in range(50):
        blocks.encoded(target(ledger), _ascending(set(range(ledger % 4))))
        assert sum(len(known) for known, _ in blocks._known.values()) == blocks._count <= 10
    assert len(blocks._known) <= 10
    blocks.encoded(target(1), _ascending(set(range(11))))
    assert (blocks._known, blocks._count) == ({}, 0)
    assert blocks.encoded(target(1), ()) == b""
