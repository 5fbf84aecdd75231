"""Hand-packed bytes equal eth_abi's, and only canonical bytes are read back."""

from random import Random
from typing import Any

import eth_abi
import pytest
from eth_abi.exceptions import DecodingError
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.abi import (
    APPROVE_SELECTOR,
    DEPOSIT_SELECTOR,
    ENCODED_STATE_SIZE_BYTES_MAX,
    decode_outcome,
    decode_state,
    encode_approve_call,
    encode_deposit_call,
    encode_fixed_part,
    encode_outcome,
    encode_signature,
    encode_signed_part,
    encode_state,
    encode_voucher,
)
from protocols.crypto import keccak256
from protocols.errors import InvalidEncoding, InvalidSignature, InvalidWidth, ProtocolError
from protocols.outcome import (
    GUARANTEE,
    Allocation,
    Outcome,
    SingleAssetExit,
    destination_of,
    guarantee_metadata,
)
from protocols.state import State
from protocols.types import UINT48_MAX, UINT256_MAX, ZERO_ADDRESS, parse_address
from tests.support.actors import ALICE, BOB
from tests.support.soak import times
from tests.support.states import (
    FIXED_PART_TYPES,
    OUTCOME_TYPE,
    STATE_TYPES,
    fixed_part_values,
    outcome_values,
    random_outcome,
    random_state,
    state_values,
)
from tests.support.vectors import NITRO, golden_state

RANDOM_STATE_COUNT = times(2_000)
FUZZ_COUNT = times(4_000)
CHANNEL = b"\xc1" * 32
SIGNED_VARIABLE_PART_TUPLE = f"(({OUTCOME_TYPE},bytes,uint48,bool),(uint8,bytes32,bytes32)[])"


def one_allocation(amount: int = 1, metadata: bytes = b"") -> Outcome:
    allocation = Allocation(destination_of(ALICE.address), amount, metadata=metadata)
    return (SingleAssetExit(ZERO_ADDRESS, (allocation,)),)


# Equal to eth_abi


@pytest.mark.slow
def test_hand_packed_states_equal_eth_abis() -> None:
    random = Random(2_0001)
    for _ in range(RANDOM_STATE_COUNT):
        state = random_state(random)
        expected = eth_abi.encode(STATE_TYPES, state_values(state))
        assert state.encode() == expected
        assert eth_abi.encode(FIXED_PART_TYPES, fixed_part_values(state.fixed)) == (
            state.fixed.encode()
        )
        decoded = decode_state(expected)
        assert decoded == (
            state.channel_id,
            state.app_data,
            state.outcome,
            state.turn_num,
            state.is_final,
        )


allocations = st.builds(
    Allocation,
    destination=st.binary(min_size=32, max_size=32),
    amount=st.integers(min_value=0, max_value=2**254 - 1),
    allocation_type=st.integers(min_value=0, max_value=255),
    metadata=st.binary(max_size=70),
)
exits = st.builds(
    SingleAssetExit,
    asset=st.binary(min_size=20, max_size=20),
    allocations=st.lists(allocations, max_size=4).map(tuple),
    asset_type=st.integers(min_value=0, max_value=255),
    asset_metadata=st.binary(max_size=70),
)
outcomes = st.lists(exits, max_size=3).map(tuple)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    channel_id=st.binary(min_size=32, max_size=32),
    app_data=st.binary(max_size=200),
    outcome=outcomes,
    turn_num=st.integers(min_value=0, max_value=UINT48_MAX),
    is_final=st.booleans(),
)
def test_any_state_equals_eth_abis_and_survives_the_round_trip(
    channel_id: bytes, app_data: bytes, outcome: Outcome, turn_num: int, is_final: bool
) -> None:
    encoded = encode_state(channel_id, app_data, outcome, turn_num, is_final)
    values = [channel_id, app_data, outcome_values(outcome), turn_num, is_final]
    assert encoded == eth_abi.encode(STATE_TYPES, values)
    assert decode_state(encoded) == (channel_id, app_data, outcome, turn_num, is_final)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(outcomes)
def test_any_outcome_equals_eth_abis_and_survives_the_round_trip(outcome: Outcome) -> None:
    encoded = encode_outcome(outcome)
    assert encoded == eth_abi.encode([OUTCOME_TYPE], [outcome_values(outcome)])
    assert decode_outcome(encoded) == outcome


@given(st.binary(min_size=32, max_size=32), st.integers(min_value=0, max_value=UINT256_MAX))
def test_any_voucher_equals_eth_abis(channel_id: bytes, amount: int) -> None:
    expected = eth_abi.encode(["bytes32", "uint256"], [channel_id, amount])
    assert encode_voucher(channel_id, amount) == expected
    assert len(expected) == 64


def test_the_golden_exit_is_reproduced() -> None:
    payee = parse_address("0x96f7123E3A80C9813eF50213ADEd0e4511CB820f")
    outcome = (SingleAssetExit(ZERO_ADDRESS, (Allocation(destination_of(payee), 1),)),)
    encoded = encode_outcome(outcome)
    assert len(encoded) == 512
    assert "0x" + keccak256(encoded).hex() == NITRO["exit_encoding"]["keccak256"]


# Calls of the contracts


def selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def test_selectors_are_those_of_the_functions_they_name() -> None:
    assert selector("deposit(address,bytes32,uint256,uint256)") == DEPOSIT_SELECTOR
    assert selector("approve(address,uint256)") == APPROVE_SELECTOR


@given(
    asset=st.binary(min_size=20, max_size=20),
    channel_id=st.binary(min_size=32, max_size=32),
    expected_held=st.integers(min_value=0, max_value=UINT256_MAX),
    amount=st.integers(min_value=0, max_value=UINT256_MAX),
)
def test_any_deposit_call_equals_eth_abis(
    asset: bytes, channel_id: bytes, expected_held: int, amount: int
) -> None:
    arguments = eth_abi.encode(
        ["address", "bytes32", "uint256", "uint256"],
        ["0x" + asset.hex(), channel_id, expected_held, amount],
    )
    call = encode_deposit_call(asset, channel_id, expected_held, amount)
    assert call == DEPOSIT_SELECTOR + arguments


@given(
    spender=st.binary(min_size=20, max_size=20),
    amount=st.integers(min_value=0, max_value=UINT256_MAX),
)
def test_any_approve_call_equals_eth_abis(spender: bytes, amount: int) -> None:
    arguments = eth_abi.encode(["address", "uint256"], ["0x" + spender.hex(), amount])
    assert encode_approve_call(spender, amount) == APPROVE_SELECTOR + arguments


def signed_part_values(state: State, signatures: list[bytes]) -> bytes:
    variable_part = (
        outcome_values(state.outcome),
        state.app_data,
        state.turn_num,
        state.is_final,
    )
    structs = [(s[64], s[:32], s[32:64]) for s in signatures]
    return eth_abi.encode([SIGNED_VARIABLE_PART_TUPLE], [(variable_part, structs)])


def test_signed_parts_equal_eth_abis() -> None:
    random = Random(2_0002)
    for _ in range(300):
        state = random_state(random)
        signatures = [
            random.randbytes(64) + bytes((random.choice((27, 28)),))
            for _ in range(random.randrange(4))
        ]
        # One argument alone stands behind its offset.
        expected = signed_part_values(state, signatures)
        assert encode_signed_part(state, signatures) == expected[32:]


def test_a_signature_is_packed_as_the_contracts_struct() -> None:
    signature = ALICE.signer(CHANNEL)
    expected = eth_abi.encode(
        ["(uint8,bytes32,bytes32)"], [(signature[64], signature[:32], signature[32:64])]
    )
    assert encode_signature(signature) == expected


@pytest.mark.parametrize("v", [0, 1, 26, 29])
def test_no_signature_with_another_v_goes_to_the_chain(v: int) -> None:
    wrong = bytes(64) + bytes((v,))
    with pytest.raises(InvalidSignature, match=f"v is {v}"):
        encode_signature(wrong)
    state = golden_state()
    with pytest.raises(InvalidSignature, match=f"v is {v}"):
        encode_signed_part(state, [wrong])


# Refusing what is out of shape


@pytest.mark.parametrize(
    "encode",
    [
        lambda: encode_voucher(bytes(31), 1),
        lambda: encode_voucher(CHANNEL, -1),
        lambda: encode_voucher(CHANNEL, 2**256),
        lambda: encode_state(bytes(33), b"", (), 0, False),
        lambda: encode_state(CHANNEL, b"", (), 2**48, False),
        lambda: encode_fixed_part([bytes(32)], 0, ZERO_ADDRESS, 0),
        lambda: encode_fixed_part([ALICE.address], 2**64, ZERO_ADDRESS, 0),
        lambda: encode_fixed_part([ALICE.address], 0, bytes(32), 0),
        lambda: encode_fixed_part([ALICE.address], 0, ZERO_ADDRESS, 2**48),
        lambda: encode_deposit_call(bytes(32), CHANNEL, 0, 1),
        lambda: encode_deposit_call(ZERO_ADDRESS, bytes(20), 0, 1),
        lambda: encode_deposit_call(ZERO_ADDRESS, CHANNEL, -1, 1),
        lambda: encode_deposit_call(ZERO_ADDRESS, CHANNEL, 0, 2**256),
        lambda: encode_approve_call(bytes(32), 1),
        lambda: encode_approve_call(ZERO_ADDRESS, 2**256),
        lambda: encode_signature(bytes(64)),
    ],
)
def test_values_out_of_shape_are_not_encoded(encode: Any) -> None:
    with pytest.raises(InvalidWidth):
        encode()


def test_a_state_too_large_to_enforce_is_neither_encoded_nor_decoded() -> None:
    overhead = len(encode_state(CHANNEL, b"", (), 0, False))
    room = ENCODED_STATE_SIZE_BYTES_MAX - overhead
    largest = encode_state(CHANNEL, bytes(room), (), 0, False)
    assert len(largest) == ENCODED_STATE_SIZE_BYTES_MAX
    assert decode_state(largest).app_data == bytes(room)
    with pytest.raises(InvalidEncoding, match="the most is"):
        encode_state(CHANNEL, bytes(room + 1), (), 0, False)
    with pytest.raises(InvalidEncoding, match="the most is"):
        decode_state(largest + bytes(32))
    with pytest.raises(InvalidEncoding, match="the most is"):
        encode_outcome(one_allocation(metadata=bytes(ENCODED_STATE_SIZE_BYTES_MAX)))
    with pytest.raises(InvalidEncoding, match="the most is"):
        decode_outcome(largest + bytes(32))


def test_a_ledger_of_400_guarantees_is_still_enforceable() -> None:
    to_alice, to_bob = destination_of(ALICE.address), destination_of(BOB.address)
    metadata = guarantee_metadata(to_alice, to_bob)
    ledger = SingleAssetExit(
        ZERO_ADDRESS,
        (
            Allocation(to_alice, 1),
            Allocation(to_bob, 1),
            *(
                Allocation(keccak256(i.to_bytes(2, "big")), 1, GUARANTEE, metadata)
                for i in range(400)
            ),
        ),
    )
    encoded = encode_state(CHANNEL, b"", (ledger,), 402, False)
    assert decode_state(encoded).outcome == (ledger,)


# Decoding hostile bytes


def eth_abi_accepts(types: list[str], data: bytes) -> bool:
    """Whether the independent decoder takes the bytes, and encodes them back to the same."""
    try:
        values = eth_abi.decode(types, data, strict=True)
    except (DecodingError, OverflowError):
        return False
    return bool(eth_abi.encode(types, values) == data)


def within_our_widths(data: bytes) -> bool:
    """The two rules that are ours and not the ABI's: uint48 turns, sums within uint256."""
    _, _, outcome, turn_num, _ = eth_abi.decode(STATE_TYPES, data)
    sums = [sum(allocation[1] for allocation in exit_[2]) for exit_ in outcome]
    return turn_num <= UINT48_MAX and all(amount <= UINT256_MAX for amount in sums)


def damaged(random: Random, encoded: bytes) -> bytes:
    """One of the ways bytes go wrong: a flip, another word, a cut, an addition, a repetition."""
    data = bytearray(encoded)
    place = random.randrange(len(data))
    word = place // 32 * 32
    kind = random.randrange(6)
    if kind == 0:
        data[place] ^= 1 << random.randrange(8)
    elif kind == 1:
        new = random.choice((0, 1, 32, 64, 96, 160, len(data), 2**31, 2**64, 2**255))
        data[word : word + 32] = new.to_bytes(32, "big")
    elif kind == 2:
        del data[place:]
    elif kind == 3:
        data += random.randbytes(random.choice((1, 31, 32)))
    elif kind == 4:
        del data[word : word + 32]
    else:
        data[word:word] = data[word : word + 32]
    return bytes(data)


@pytest.mark.slow
def test_damaged_states_are_accepted_exactly_when_eth_abi_finds_them_canonical() -> None:
    random = Random(2_0003)
    accepted = 0
    for _ in range(FUZZ_COUNT):
        data = damaged(random, random_state(random).encode())
        expected = eth_abi_accepts(STATE_TYPES, data) and within_our_widths(data)
        try:
            decoded = decode_state(data)
        except ProtocolError:
            assert not expected
        else:
            assert expected
            assert encode_state(*decoded) == data
            accepted += 1
    # Some damage only changes a value: a test in which nothing passes would prove little.
    assert 0 < accepted < FUZZ_COUNT


@pytest.mark.slow
def test_damaged_outcomes_are_accepted_only_if_they_encode_back_to_themselves() -> None:
    random = Random(2_0004)
    for _ in range(FUZZ_COUNT):
        data = damaged(random, encode_outcome(random_outcome(random)))
        try:
            outcome = decode_outcome(data)
        except ProtocolError:
            continue
        assert encode_outcome(outcome) == data
        assert eth_abi_accepts([OUTCOME_TYPE], data)


@settings(max_examples=500)
@given(st.binary(max_size=1_000))
def test_garbage_raises_only_protocol_errors(garbage: bytes) -> None:
    for decode in (decode_state, decode_outcome):
        with pytest.raises(ProtocolError):
            decode(garbage)


@pytest.mark.parametrize("wrong", ["0x00", None, 5, bytearray(512), memoryview(bytes(512))])
def test_what_is_not_bytes_is_refused(wrong: Any) -> None:
    for decode in (decode_state, decode_outcome):
        with pytest.raises(InvalidEncoding, match="expected bytes"):
            decode(wrong)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def test_offsets_that_share_one_tail_are_refused_before_they_multiply() -> None:
    # A thousand exits that are all the same exit, whose thousand allocations are all the same:
    # a decoder that follows offsets builds a million allocations from 65 kB.
    count = 1_000
    allocation = ALICE.address.rjust(32, b"\0") + word(1) + word(0) + word(0x80) + word(0)
    inner = word(count) + word(32 * count) * count + allocation
    one_exit = word(0) + word(0x60) + word(0xC0) + word(0) + word(0x40) + word(0) + inner
    bomb = word(0x20) + word(count) + word(32 * count) * count + one_exit
    assert len(bomb) < ENCODED_STATE_SIZE_BYTES_MAX
    with pytest.raises(InvalidEncoding):
        decode_outcome(bomb)


@pytest.mark.parametrize("count", [2**20, 2**64, 2**256 - 1])
def test_a_count_larger_than_the_input_is_refused(count: int) -> None:
    with pytest.raises(InvalidEncoding, match="too early"):
        decode_outcome(word(0x20) + word(count))


def test_a_flag_is_zero_or_one() -> None:
    encoded = bytearray(encode_state(CHANNEL, b"", (), 0, True))
    encoded[4 * 32 + 31] = 2
    with pytest.raises(InvalidEncoding, match="canonical"):
        decode_state(bytes(encoded))


def test_padding_is_zero() -> None:
    outcome = one_allocation(metadata=b"\x01")
    encoded = bytearray(encode_outcome(outcome))
    assert decode_outcome(bytes(encoded)) == outcome
    encoded[-1] = 1
    with pytest.raises(InvalidEncoding, match="canonical"):
        decode_outcome(bytes(encoded))


def test_a_sum_that_overflows_is_refused_when_it_is_read() -> None:
    largest = encode_outcome(one_allocation(UINT256_MAX))
    assert decode_outcome(largest) == one_allocation(UINT256_MAX)
    two = (Allocation(bytes(32), UINT256_MAX), Allocation(bytes(32), 0))
    encoded = encode_outcome((SingleAssetExit(ZERO_ADDRESS, two),))
    overflowing = encoded.replace(
        word(0) * 3 + word(0x80), word(0) + word(1) + word(0) + word(0x80)
    )
    assert overflowing != encoded
    with pytest.raises(InvalidWidth, match="larger sum"):
        decode_outcome(overflowing)
