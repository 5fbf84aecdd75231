"""The adjudicator's logs, encoded by eth_abi from the contracts' sources, come out as inputs."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from eth_abi import encode

from contracts.loader import load_artifact
from node.chain.log_decoder import LogDecoder
from node.chain.wire import MalformedAnswer, RawLog
from protocols.crypto import keccak256
from protocols.inputs import ChainLog
from protocols.outcome import Allocation, SingleAssetExit
from protocols.state import FixedPart, State
from tests.support.states import outcome_values, random_state

ADJUDICATOR = b"\xad" * 20
CHANNEL = b"\xc4" * 32
ABI = load_artifact("NitroAdjudicator").abi
DECODER = LogDecoder(ABI, ADJUDICATOR)

OUTCOME = "(address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[]"
SIGNED = f"(({OUTCOME},bytes,uint48,bool),(uint8,bytes32,bytes32)[])"


def raw_log(signature: str, types: list[str], values: list[Any], *topics: bytes) -> RawLog:
    """A log of the adjudicator about CHANNEL."""
    return RawLog(
        address=ADJUDICATOR,
        topics=(keccak256(signature.encode()), CHANNEL, *topics),
        data=encode(types, values),
        block_num=5,
        block_hash=b"\x05" * 32,
        tx_hash=b"\x06" * 32,
        tx_index=7,
        log_index=8,
    )


def decoded(signature: str, types: list[str], values: list[Any], *topics: bytes) -> ChainLog:
    """The input for such a log, its place in the chain checked."""
    found = DECODER.decode(raw_log(signature, types, values, *topics))
    assert found is not None
    assert found.log_name == signature.partition("(")[0]
    assert found.channel_id == CHANNEL
    assert not found.confirmed
    assert (found.block_num, found.block_hash, found.tx_hash) == (5, b"\x05" * 32, b"\x06" * 32)
    assert (found.tx_index, found.log_index) == (7, 8)
    return found


def challenge(state: State, proof_count: int = 0) -> ChainLog:
    """The input for a challenge of CHANNEL with this candidate."""
    variable = (outcome_values(state.outcome), state.app_data, state.turn_num, state.is_final)
    signed = (variable, [(27, bytes(32), bytes(32))])
    return decoded(
        f"ChallengeRegistered(bytes32,uint48,{SIGNED}[],{SIGNED})",
        ["uint48", f"{SIGNED}[]", SIGNED],
        [1_700_000_000, [signed] * proof_count, signed],
    )


def test_deposited_carries_asset_and_holdings() -> None:
    log = decoded(
        "Deposited(bytes32,address,uint256)",
        ["address", "uint256"],
        ["0x" + "ab" * 20, 2**256 - 1],
    )
    assert (log.asset, log.amount) == (b"\xab" * 20, 2**256 - 1)


def test_allocation_updated_carries_the_index_and_what_is_left() -> None:
    log = decoded(
        "AllocationUpdated(bytes32,uint256,uint256,uint256)", ["uint256"] * 3, [1, 1000, 400]
    )
    assert (log.asset_index, log.amount, log.asset) == (1, 400, bytes(20))


@pytest.mark.parametrize("name", ["ChallengeCleared", "Checkpointed"])
def test_cleared_and_checkpointed_carry_the_turn_record(name: str) -> None:
    assert decoded(f"{name}(bytes32,uint48)", ["uint48"], [2**48 - 1]).number == 2**48 - 1


def test_concluded_carries_when_it_finalised() -> None:
    assert decoded("Concluded(bytes32,uint48)", ["uint48"], [1_700_000_000]).number == 1_700_000_000


def test_reclaimed_carries_the_asset_index() -> None:
    assert decoded("Reclaimed(bytes32,uint256)", ["uint256"], [3]).asset_index == 3


def test_outcome_paid_carries_which_allocations_got_how_much() -> None:
    log = decoded(
        "OutcomePaid(bytes32,uint256,uint256[],uint256[])",
        ["uint256", "uint256[]", "uint256[]"],
        [0, [0, 2], [600, 400]],
    )
    assert (log.asset_index, log.indices, log.amounts) == (0, (0, 2), (600, 400))


def test_outcome_reclaimed_carries_the_right_partys_share() -> None:
    log = decoded(
        "OutcomeReclaimed(bytes32,uint256,bytes32,uint256)",
        ["uint256", "uint256"],
        [1, 250],
        b"\x77" * 32,
    )
    assert (log.asset_index, log.amount) == (1, 250)


def test_a_checkpoint_carries_the_signatures_it_was_made_with() -> None:
    r, s, t = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
    log = decoded(
        "CheckpointSigned(bytes32,uint48,bytes32,(uint8,bytes32,bytes32)[])",
        ["uint48", "bytes32", "(uint8,bytes32,bytes32)[]"],
        [7, b"\x77" * 32, [(27, r, s), (28, t, r)]],
    )
    assert (log.turn_num, log.candidate_state_hash) == (7, b"\x77" * 32)
    assert log.signatures == (r + s + b"\x1b", t + r + b"\x1c")
    assert log.number == 0


def test_a_checkpoints_signature_with_a_v_wider_than_its_type_is_malformed() -> None:
    log = raw_log(
        "CheckpointSigned(bytes32,uint48,bytes32,(uint8,bytes32,bytes32)[])",
        ["uint48", "bytes32", "(uint256,bytes32,bytes32)[]"],
        [7, b"\x77" * 32, [(256, bytes(32), bytes(32))]],
    )
    with pytest.raises(MalformedAnswer, match="CheckpointSigned"):
        DECODER.decode(log)


def proved(candidate: State, *proof: State) -> ChainLog:
    """The input for a checkpoint of the candidate's channel with that proof."""
    signed = []
    for number, state in enumerate((candidate, *proof)):
        variable = (outcome_values(state.outcome), state.app_data, state.turn_num, state.is_final)
        signed.append((variable, [(27 + number, bytes([number] * 32), bytes(32))]))
    return decoded(
        f"CheckpointProved(bytes32,{SIGNED}[],{SIGNED})",
        [f"{SIGNED}[]", SIGNED],
        [signed[1:], signed[0]],
    )


@pytest.mark.parametrize("seed", range(10))
def test_a_checkpoint_with_a_proof_carries_both_whole(seed: int) -> None:
    random = Random(seed)
    candidate, first = random_state(random), random_state(random)
    log = proved(candidate, first)
    shown = [
        encode(
            ["bytes32", "bytes", OUTCOME, "uint48", "bool"],
            [CHANNEL, one.app_data, outcome_values(one.outcome), one.turn_num, one.is_final],
        )
        for one in (candidate, first)
    ]
    assert (log.candidate, log.candidate_state_hash) == (shown[0], keccak256(shown[0]))
    assert log.turn_num == candidate.turn_num
    assert log.signatures == (bytes(64) + b"\x1b",)
    assert log.proof == ((shown[1], (b"\x01" * 32 + bytes(32) + b"\x1c",)),)


def test_a_strangers_checkpoint_that_no_node_would_sign_still_decodes() -> None:
    exits = (SingleAssetExit(bytes(20), (Allocation(bytes(32), 1),)),)
    small = State(FixedPart((b"\x01" * 20,), 1, bytes(20), 1), b"", exits, 4, True)
    huge = State(small.fixed, b"\x01" * 140_000, exits, 4, True)
    log = proved(huge, small)
    assert (log.turn_num, log.candidate, log.candidate_state_hash) == (4, b"", b"")
    assert proved(small, huge).proof == ()


@pytest.mark.parametrize("seed", range(20))
def test_a_challenge_carries_the_hash_of_the_state_it_was_made_with(seed: int) -> None:
    state = random_state(Random(seed))
    log = challenge(state, proof_count=seed % 3)
    encoded = State(state.fixed, state.app_data, state.outcome, state.turn_num, state.is_final)
    # The hash covers the channel id: the same state of CHANNEL has another hash than ours.
    assert log.candidate_state_hash != encoded.state_hash()
    assert log.candidate_state_hash == keccak256(
        encode(
            ["bytes32", "bytes", OUTCOME, "uint48", "bool"],
            [CHANNEL, state.app_data, outcome_values(state.outcome), state.turn_num,
             state.is_final],
        )
    )  # fmt: skip
    assert (log.number, log.turn_num) == (1_700_000_000, state.turn_num)
    assert log.candidate_is_final == state.is_final
    assert log.challenger == bytes(20)


def test_outcome_concluded_carries_the_amounts_of_all_allocations() -> None:
    for amounts in ([], [0], [2**256 - 1, 0, 7]):
        log = decoded("OutcomeConcluded(bytes32,uint256[])", ["uint256[]"], [amounts])
        assert log.amounts == tuple(amounts)
    short = raw_log("OutcomeConcluded(bytes32,uint256[])", ["uint256", "uint256"], [32, 9])
    with pytest.raises(MalformedAnswer, match="OutcomeConcluded"):
        DECODER.decode(short)


def test_a_strangers_challenge_that_no_node_would_sign_still_decodes() -> None:
    allocation = Allocation(bytes(32), 1)
    exits = (SingleAssetExit(bytes(20), (allocation,)),)
    huge = State(FixedPart((b"\x01" * 20,), 1, bytes(20), 1), b"\x01" * 140_000, exits, 4, True)
    log = challenge(huge)
    assert (log.turn_num, log.candidate_state_hash) == (4, b"")


def test_logs_of_other_contracts_and_of_unknown_events_are_of_no_use() -> None:
    ours = raw_log("Concluded(bytes32,uint48)", ["uint48"], [1])
    unknown = raw_log("Transfer(bytes32,uint48)", ["uint48"], [1])
    fields = {name: getattr(ours, name) for name in RawLog.__dataclass_fields__}
    assert DECODER.decode(unknown) is None
    assert DECODER.decode(RawLog(**{**fields, "address": b"\x01" * 20})) is None
    assert DECODER.decode(RawLog(**{**fields, "topics": ()})) is None


def test_a_log_that_does_not_fit_its_event_is_malformed() -> None:
    with pytest.raises(MalformedAnswer, match="Deposited"):
        DECODER.decode(raw_log("Deposited(bytes32,address,uint256)", ["uint256"], [2**255]))
    with pytest.raises(MalformedAnswer, match="Concluded"):
        DECODER.decode(raw_log("Concluded(bytes32,uint48)", ["uint48"], [1], b"\x01" * 32))


@pytest.mark.parametrize(("indices", "amounts"), [([0, 1], [5]), ([], [5]), ([0], [])])
def test_outcome_paid_with_lists_of_unequal_length_is_malformed(
    indices: list[int], amounts: list[int]
) -> None:
    log = raw_log(
        "OutcomePaid(bytes32,uint256,uint256[],uint256[])",
        ["uint256", "uint256[]", "uint256[]"],
        [0, indices, amounts],
    )
    with pytest.raises(MalformedAnswer, match="OutcomePaid"):
        DECODER.decode(log)


@pytest.mark.parametrize("name", ["ChallengeCleared", "Checkpointed", "Concluded"])
def test_a_number_wider_than_its_type_is_malformed(name: str) -> None:
    for number in (2**48, 2**64, 2**255):
        with pytest.raises(MalformedAnswer, match=name):
            DECODER.decode(raw_log(f"{name}(bytes32,uint48)", ["uint256"], [number]))


def test_a_challenge_with_one_word_replaced_decodes_within_its_types_or_is_malformed() -> None:
    state = random_state(Random(1))
    variable = (outcome_values(state.outcome), state.app_data, state.turn_num, state.is_final)
    signed = (variable, [(27, bytes(32), bytes(32))])
    good = raw_log(
        f"ChallengeRegistered(bytes32,uint48,{SIGNED}[],{SIGNED})",
        ["uint48", f"{SIGNED}[]", SIGNED],
        [1_700_000_000, [], signed],
    )
    decoded_count = malformed_count = 0
    for start in range(0, len(good.data), 32):
        for word in (2**48, 2**63 - 33, 2**63, 2**64, 2**256 - 1):
            changed = good.data[:start] + word.to_bytes(32, "big") + good.data[start + 32 :]
            try:
                log = DECODER.decode(replace(good, data=changed))
            except MalformedAnswer:
                malformed_count += 1
            else:
                assert log is not None
                assert max(log.number, log.turn_num) < 2**48
                decoded_count += 1
    assert min(decoded_count, malformed_count) > 10


def test_an_abi_without_the_events_is_refused() -> None:
    with pytest.raises(ValueError, match="Concluded"):
        LogDecoder([item for item in ABI if item.get("name") != "Concluded"], ADJUDICATOR)
