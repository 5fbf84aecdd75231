"""Call data of the ways out equals what eth_abi makes of the contracts' own ABI."""

from __future__ import annotations

from random import Random
from typing import Any

import eth_abi
import pytest

from contracts.loader import load_artifact
from protocols.crypto import keccak256
from protocols.errors import InvalidSignature, InvalidWidth
from protocols.exit_calls import (
    CHALLENGE_SELECTOR,
    CHECKPOINT_SELECTOR,
    CONCLUDE_AND_TRANSFER_SELECTOR,
    CONCLUDE_SELECTOR,
    RECLAIM_SELECTOR,
    TRANSFER_SELECTOR,
    Finalised,
    challenge_call,
    checkpoint_call,
    conclude_and_transfer_call,
    conclude_call,
    reclaim_call,
    redemption,
    transfer_call,
)
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.signed_state import SignedState
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.states import (
    fixed_part_values,
    outcome_values,
    random_outcome,
    random_state,
)


def function(name: str) -> tuple[bytes, list[str]]:
    """The selector and argument types of a function of the artifact."""
    abi = load_artifact("NitroAdjudicator").abi
    entry = next(e for e in abi if e["type"] == "function" and e["name"] == name)
    types = [type_of(each) for each in entry["inputs"]]
    return keccak256(f"{name}({','.join(types)})".encode())[:4], types


def type_of(entry: dict[str, Any]) -> str:
    kind: str = entry["type"]
    if kind.startswith("tuple"):
        return f"({','.join(map(type_of, entry['components']))}){kind.removeprefix('tuple')}"
    return kind


def expected(name: str, *arguments: Any) -> bytes:
    selector, types = function(name)
    return selector + eth_abi.encode(types, arguments)


def random_signature(random: Random) -> bytes:
    return random.randbytes(64) + bytes((random.choice((27, 28)),))


def random_signed(random: Random) -> SignedState:
    state = random_state(random)
    signatures = [random_signature(random) for _ in state.fixed.participants]
    if random.random() < 0.3:
        signatures[0] = b""
    return SignedState(state, tuple(signatures))


def struct(signature: bytes) -> tuple[int, bytes, bytes]:
    return signature[64], signature[:32], signature[32:64]


def signed_values(signed: SignedState) -> Any:
    state = signed.state
    variable = (outcome_values(state.outcome), state.app_data, state.turn_num, state.is_final)
    return (variable, [struct(s) for s in signed.signatures if s])


def fixed_values(signed: SignedState) -> Any:
    return tuple(fixed_part_values(signed.state.fixed))


def test_the_selectors_are_those_of_the_artifact() -> None:
    assert {
        name: function(name)[0]
        for name in (
            "challenge",
            "checkpoint",
            "conclude",
            "concludeAndTransferAllAssets",
            "transfer",
            "reclaim",
        )
    } == {
        "challenge": CHALLENGE_SELECTOR,
        "checkpoint": CHECKPOINT_SELECTOR,
        "conclude": CONCLUDE_SELECTOR,
        "concludeAndTransferAllAssets": CONCLUDE_AND_TRANSFER_SELECTOR,
        "transfer": TRANSFER_SELECTOR,
        "reclaim": RECLAIM_SELECTOR,
    }


@pytest.mark.slow
def test_calls_with_signed_states_equal_eth_abis() -> None:
    random = Random(5_0001)
    for _ in range(100):
        candidate = random_signed(random)
        proof = [random_signed(random) for _ in range(random.randrange(3))]
        wish = random_signature(random)
        fixed, values = fixed_values(candidate), signed_values(candidate)
        proofs = [signed_values(signed) for signed in proof]
        assert challenge_call(candidate, proof, wish) == expected(
            "challenge", fixed, proofs, values, struct(wish)
        )
        assert checkpoint_call(candidate, proof) == expected("checkpoint", fixed, proofs, values)
        assert conclude_call(candidate) == expected("conclude", fixed, values)
        assert conclude_and_transfer_call(candidate) == expected(
            "concludeAndTransferAllAssets", fixed, values
        )


def test_calls_with_finalised_outcomes_equal_eth_abis() -> None:
    random = Random(5_0002)
    for _ in range(100):
        source, target = (
            Finalised(random.randbytes(32), random.randbytes(32), random_outcome(random))
            for _ in range(2)
        )
        indices = sorted(random.sample(range(9), random.randrange(4)))
        encoded = [encoded_outcome(each) for each in (source, target)]
        assert transfer_call(source, indices, 1) == expected(
            "transfer", 1, source.channel_id, encoded[0], source.state_hash, indices
        )
        place = random.randrange(9)
        arguments = (source.channel_id, source.state_hash, encoded[0], 0, place)
        judged = (target.state_hash, encoded[1], 0)
        assert reclaim_call(source, place, target) == expected("reclaim", (*arguments, *judged))


def encoded_outcome(finalised: Finalised) -> bytes:
    types = ["(address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[]"]
    return eth_abi.encode(types, [outcome_values(finalised.outcome)])


def postfund_of(deposit: int) -> SignedState:
    fixed = FixedPart((ALICE.address, BOB.address), 7, b"\xaa" * 20, 3600)
    shares = (
        Allocation(destination_of(ALICE.address), deposit),
        Allocation(destination_of(BOB.address), 0),
    )
    state = State(fixed, b"", (SingleAssetExit(ZERO_ADDRESS, shares),), 1, False)
    return SignedState(state, (ALICE.signer(state.state_hash()), BOB.signer(state.state_hash())))


def test_a_redemption_moves_the_vouchers_amount_and_carries_it() -> None:
    postfund = postfund_of(1_000)
    voucher = ALICE.signer(bytes(32))
    state = redemption(postfund, 400, voucher)
    assert (state.turn_num, state.is_final, state.fixed) == (2, False, postfund.state.fixed)
    assert [a.amount for a in state.outcome[0].allocations] == [600, 400]
    carried = eth_abi.decode(["(uint256,(uint8,bytes32,bytes32))"], state.app_data)
    assert carried == ((400, struct(voucher)),)


def test_no_redemption_of_more_than_the_payer_has() -> None:
    with pytest.raises(InvalidWidth):
        redemption(postfund_of(1_000), 1_001, ALICE.signer(bytes(32)))


def test_no_other_v_goes_to_the_chain() -> None:
    postfund, wrong = postfund_of(10), bytes(64) + b"\x00"
    with pytest.raises(InvalidSignature):
        challenge_call(postfund, (), wrong)
    with pytest.raises(InvalidSignature):
        conclude_call(SignedState(postfund.state, (wrong, wrong)))
    with pytest.raises(InvalidSignature):
        redemption(postfund, 1, wrong)
