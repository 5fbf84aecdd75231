"""Same selectors, topics, hashes and signatures as every other Nitro client uses.

The tables are Nitro's published interface. The contracts expose no hash function, so that the
vectors are held against what the adjudicator accepts and stores.
"""

from __future__ import annotations

import pytest
from eth_abi import encode

from contracts.loader import load_artifact
from protocols.abi import encode_outcome as core_encode_outcome
from tests.support.contract_calls import RevertedError, selectors, topics
from tests.support.nitro_chain import Nitro
from tests.support.nitro_signing import (
    NATIVE,
    Actor,
    Channel,
    Signature,
    VariablePart,
    encode_outcome,
    guarantee,
    keccak,
    outcome_of,
    simple,
    state,
    state_hash,
    status_word,
    voucher_data,
)
from tests.support.vectors import NITRO, golden_state

SELECTORS = {
    "deposit": "2fb1d270",
    "challenge": "8286a060",
    "checkpoint": "6d2a9c92",
    "conclude": "ee049b50",
    "concludeAndTransferAllAssets": "ec346235",
    "transfer": "3033730e",
    "transferAllAssets": "31afa0b4",
    "reclaim": "d3c4e738",
    "stateIsSupported": "5685b7dc",
    "statusOf": "c7df14e2",
    "unpackStatus": "552cfa50",
    "holdings": "166e56cd",
    "compute_transfer_effects_and_interactions": "11e9f178",
    "compute_reclaim_effects": "566d54c6",
}
TOPICS = {
    "Deposited": "87d4c0b5e30d6808bc8a94ba1c4d839b29d664151551a31753387ee9ef48429b",
    "AllocationUpdated": "c36da2054c5669d6dac211b7366d59f2d369151c21edf4940468614b449e0b9a",
    "Reclaimed": "4d3754632451ebba9812a9305e7bca17b67a17186a5cff93d2e9ae1b01e3d27b",
    "ChallengeRegistered": "0aa12461ee6c137332989aa12cec79f4772ab2c1a8732a382aada7e9f3ec9d34",
    "ChallengeCleared": "07da0a0674fb921e484018c8b81d80e292745e5d8ed134b580c8b9c631c5e9e0",
    "Checkpointed": "f3f2d5574c50e581f1a2371fac7dee87f7c6d599a496765fbfa2547ce7fd5f1a",
    "Concluded": "4f465027a3d06ea73dd12be0f5c5fc0a34e21f19d6eaed4834a7a944edabc901",
}
OUR_FUNCTIONS = {"firstFingerprintOf"}
SIGNED = (
    "(((address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[],bytes,uint48,bool),"
    "(uint8,bytes32,bytes32)[])"
)
"""SignedVariablePart."""
OUR_EVENTS = {
    "OutcomePaid": "OutcomePaid(bytes32,uint256,uint256[],uint256[])",
    "OutcomeReclaimed": "OutcomeReclaimed(bytes32,uint256,bytes32,uint256)",
    "OutcomeConcluded": "OutcomeConcluded(bytes32,uint256[])",
    "CheckpointSigned": "CheckpointSigned(bytes32,uint48,bytes32,(uint8,bytes32,bytes32)[])",
    "CheckpointProved": f"CheckpointProved(bytes32,{SIGNED}[],{SIGNED})",
}
INDEXED = {
    "Deposited": ["destination"],
    "OutcomeReclaimed": ["channelId", "target"],
}
APP_SELECTOR = "9936d812"


def test_the_adjudicators_functions_are_nitros_and_one_of_ours() -> None:
    found = selectors(load_artifact("NitroAdjudicator").abi)
    assert {name: found[name] for name in SELECTORS} == SELECTORS
    assert found.keys() - SELECTORS.keys() == OUR_FUNCTIONS


def test_the_adjudicators_events_are_nitros_and_five_of_ours() -> None:
    found = topics(load_artifact("NitroAdjudicator").abi)
    assert {name: found[name] for name in TOPICS} == TOPICS
    ours = {name: keccak(signature.encode()).hex() for name, signature in OUR_EVENTS.items()}
    assert {name: found[name] for name in found.keys() - TOPICS.keys()} == ours


def test_every_event_is_indexed_by_its_channel() -> None:
    for entry in load_artifact("NitroAdjudicator").abi:
        if entry["type"] == "event":
            indexed = [each["name"] for each in entry["inputs"] if each["indexed"]]
            assert indexed == INDEXED.get(entry["name"], ["channelId"]), entry["name"]


@pytest.mark.parametrize("name", ["ConsensusApp", "VirtualPaymentApp"])
def test_an_app_answers_one_question(name: str) -> None:
    assert selectors(load_artifact(name).abi) == {"stateIsSupported": APP_SELECTOR}


@pytest.mark.parametrize(
    "name", ["ConsensusApp", "NitroAdjudicator", "TestToken", "VirtualPaymentApp"]
)
def test_no_contract_takes_constructor_arguments_and_all_fit_on_the_chain(name: str) -> None:
    artifact = load_artifact(name)
    assert [entry for entry in artifact.abi if entry["type"] == "constructor"] == []
    assert 0 < len(artifact.deployed_bytecode) <= 24_576
    assert artifact.bytecode.endswith(artifact.deployed_bytecode)


# --- the published vectors ----------------------------------------------------------------------

VECTOR = NITRO["state"]


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def split(signature: str) -> Signature:
    """(v, r, s) of a 65-byte signature."""
    return (raw(signature)[64], raw(signature)[:32], raw(signature)[32:64])


@pytest.fixture
def vector_channel() -> Channel:
    return Channel(
        tuple(Actor(raw(secret)) for secret in VECTOR["secret_keys"]),
        VECTOR["app_definition"],
        VECTOR["channel_nonce"],
        VECTOR["challenge_duration"],
    )


@pytest.fixture
def vector_state() -> VariablePart:
    allocations = VECTOR["outcome"][0]["allocations"]
    shares = [simple(raw(each["destination"]), each["amount"]) for each in allocations]
    return state(outcome_of(*shares), VECTOR["turn_num"])


def test_this_harness_computes_the_published_hashes_and_signatures(
    vector_channel: Channel, vector_state: VariablePart
) -> None:
    derived = VECTOR["derived"]
    assert vector_channel.channel_id == raw(VECTOR["channel_id"])
    assert state_hash(vector_channel.channel_id, vector_state) == raw(VECTOR["state_hash"])
    assert keccak(encode_outcome(vector_state[0])) == raw(derived["outcome_hash"])
    signatures = [split(VECTOR["signature_0"]), split(derived["signature_1"])]
    assert vector_channel.signed(vector_state) == (vector_state, signatures)
    wish = vector_channel.challenger_signature(vector_state, vector_channel.actors[0])
    assert wish == split(derived["challenger_signature_0"])


def test_this_harness_and_the_core_agree_on_an_outcome(vector_state: VariablePart) -> None:
    assert core_encode_outcome(golden_state().outcome) == encode_outcome(vector_state[0])


@pytest.mark.e2e
def test_the_adjudicator_accepts_the_published_signatures(
    nitro: Nitro, vector_channel: Channel, vector_state: VariablePart
) -> None:
    code = "0x" + load_artifact("ConsensusApp").deployed_bytecode.hex()
    nitro.rpc.ask("anvil_setCode", VECTOR["app_definition"], code)
    derived = VECTOR["derived"]
    signatures = [split(VECTOR["signature_0"]), split(derived["signature_1"])]
    fixed_part = (
        VECTOR["participants"],
        VECTOR["channel_nonce"],
        VECTOR["app_definition"],
        VECTOR["challenge_duration"],
    )
    receipt = nitro.adjudicator.send(
        "challenge",
        fixed_part,
        [],
        (vector_state, signatures),
        split(derived["challenger_signature_0"]),
    )
    published_fingerprint = 0x89F9D47FB5BB2A02E13F055B3F70D67F7CB266C4
    word = nitro.adjudicator.call("statusOf", raw(VECTOR["channel_id"]))
    finalizes_at = receipt.timestamp_s + VECTOR["challenge_duration"]
    assert word == status_word(5, finalizes_at, published_fingerprint)


@pytest.mark.e2e
def test_a_concluded_channel_has_the_published_fingerprint(
    nitro: Nitro, vector_channel: Channel, vector_state: VariablePart
) -> None:
    final = state(vector_state[0], 6, is_final=True)
    receipt = nitro.adjudicator.send(
        "conclude", vector_channel.fixed_part, vector_channel.signed(final)
    )
    word = nitro.adjudicator.call("statusOf", vector_channel.channel_id)
    published_fingerprint = 0x3DE4B585CFFE7391D9B8702301D8A4BE07911957
    assert word == status_word(0, receipt.timestamp_s, published_fingerprint)


@pytest.mark.e2e
def test_the_payment_app_accepts_a_published_voucher_signature(
    nitro: Nitro, vector_channel: Channel
) -> None:
    payer, payee = vector_channel.actors
    opening = outcome_of(simple(payer.destination, 10), simple(payee.destination, 0))
    moved = outcome_of(simple(payer.destination, 5), simple(payee.destination, 5))
    published = encode(
        ["(uint256,(uint8,bytes32,bytes32))"],
        [(NITRO["voucher"]["amount"], split(NITRO["voucher"]["signature"]))],
    )
    assert published == voucher_data(vector_channel.channel_id, 5, payer)
    nitro.rpc.ask(
        "anvil_setCode",
        VECTOR["app_definition"],
        "0x" + load_artifact("VirtualPaymentApp").deployed_bytecode.hex(),
    )
    proof = [vector_channel.signed(state(opening, 1))]
    redemption = vector_channel.signed(state(moved, 2, published), [payee])
    question = ("stateIsSupported", vector_channel.fixed_part, proof, redemption)
    assert nitro.adjudicator.call(*question) == (True, "")


@pytest.mark.e2e
def test_states_that_a_packed_hash_would_confuse_are_different_on_chain(nitro: Nitro) -> None:
    one, other = (Actor(bytes([0xAA] * 32)), Actor(bytes([0xBB] * 32)))
    ledger = nitro.ledger(one, other, nonce=42)
    second = simple(other.destination, 2_000)
    packed = second[0] + second[1].to_bytes(32, "big") + bytes([second[2]])
    two_shares = outcome_of(simple(one.destination, 1_000), second)
    one_share = outcome_of(simple(one.destination, 1_000, packed))
    signed = ledger.signed(state(two_shares, 9, is_final=True))
    forged = (state(one_share, 9, is_final=True), signed[1])
    with pytest.raises(RevertedError, match=r"^!unanimous$"):
        nitro.adjudicator.send("conclude", ledger.fixed_part, forged)
    nitro.adjudicator.send("conclude", ledger.fixed_part, signed)


def test_guarantee_metadata_is_left_and_right_side_by_side() -> None:
    vector = NITRO["guarantee_metadata"]
    share = guarantee(b"\x01" * 32, 1, raw(vector["left"]), raw(vector["right"]))
    assert share[3] == raw(vector["metadata"])


def test_an_outcome_is_encoded_as_published() -> None:
    vector = NITRO["exit_encoding"]
    person = "0x96f7123E3A80C9813eF50213ADEd0e4511CB820f"
    encoded = encode_outcome([(NATIVE, (0, b""), [simple(bytes(12) + raw(person), 1)])])
    assert len(encoded) == 512
    assert keccak(encoded) == raw(vector["keccak256"])
