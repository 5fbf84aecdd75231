"""States hash as the contracts hash them, and no two states share a hash."""

from random import Random
from typing import Any

import eth_abi
import msgspec
import pytest

from protocols.abi import encode_outcome
from protocols.crypto import keccak256, recover_address
from protocols.errors import InvalidEncoding, InvalidWidth, ProtocolError
from protocols.outcome import Allocation, Outcome, SingleAssetExit
from protocols.state import (
    PARTICIPANT_COUNT_MAX,
    FixedPart,
    State,
    challenge_message,
    fingerprint,
    fixed_part_of,
    hash_of_encoding,
    says_final,
    state_from_encoding,
    status_word,
)
from protocols.types import UINT48_MAX, UINT64_MAX, ZERO_ADDRESS, from_hex, to_hex
from tests.support.states import random_state
from tests.support.vectors import NITRO, golden_state

AA, BB, FF = b"\xaa" * 20, b"\xbb" * 20, b"\xff" * 20
TO_AA, TO_BB = AA.rjust(32, b"\0"), BB.rjust(32, b"\0")
FIXED = FixedPart((AA, BB), 42, ZERO_ADDRESS, 86_400)
TWO_SHARES = (Allocation(TO_AA, 1_000), Allocation(TO_BB, 2_000))


def state_of(
    *allocations: Allocation, asset: bytes = FF, app_data: bytes = b"", turn_num: int = 0
) -> State:
    return State(FIXED, app_data, (SingleAssetExit(asset, allocations),), turn_num, False)


PLAIN = state_of(*TWO_SHARES)


# Golden values


def test_the_golden_channel_id_is_reproduced() -> None:
    assert to_hex(golden_state().channel_id) == NITRO["state"]["channel_id"]


def test_the_golden_state_and_outcome_hashes_are_reproduced() -> None:
    state = golden_state()
    assert to_hex(state.state_hash()) == NITRO["state"]["state_hash"]
    assert to_hex(state.outcome_hash()) == NITRO["state"]["derived"]["outcome_hash"]
    assert state.outcome_hash() == keccak256(encode_outcome(state.outcome))


def test_the_golden_signatures_are_over_the_states_hash() -> None:
    state = golden_state()
    signatures = (
        NITRO["state"]["signature_0"],
        NITRO["state"]["derived"]["signature_1"],
    )
    signers = tuple(recover_address(state.state_hash(), from_hex(text)) for text in signatures)
    assert signers == state.fixed.participants


def test_the_golden_challenge_message_is_reproduced() -> None:
    state_hash = golden_state().state_hash()
    message = challenge_message(state_hash)
    assert to_hex(message) == NITRO["state"]["derived"]["challenge_message"]
    expected = eth_abi.encode(["bytes32", "string"], [state_hash, "forceMove"])
    assert message == keccak256(expected)


def test_the_channel_id_pads_every_field_as_the_adjudicator_does() -> None:
    expected = "2a8007d65b8193792e8c235316ca340aea880c6e2a5cf315de4b3b2057fb750c"
    assert FIXED.channel_id().hex() == expected


@pytest.mark.parametrize(
    ("turn_num", "expected"),
    [
        (0, "ac846ac4e123fb907d80fbc42e2044195f38a585114ce2e22b5aec45122f4049"),
        (1, "9ab69f722adb002abdf0809eedc38c742ecaaedfd33ffcb5c0f93baa0bca29dc"),
        (3, "023e93549119c06c9fd48a266b0ff628fd7cfa4574c93586ca1ccc3585272b3a"),
    ],
)
def test_a_two_party_token_state_has_its_known_hash(turn_num: int, expected: str) -> None:
    assert state_of(*TWO_SHARES, turn_num=turn_num).state_hash().hex() == expected


def test_the_status_word_packs_turn_time_and_fingerprint() -> None:
    state = golden_state()
    mark = fingerprint(state.state_hash(), state.outcome_hash())
    assert mark.hex() == "89f9d47fb5bb2a02e13f055b3f70d67f7cb266c4"
    word = status_word(5, 1_700_000_000, state.state_hash(), state.outcome_hash())
    assert word.hex() == "00000000000500006553f10089f9d47fb5bb2a02e13f055b3f70d67f7cb266c4"
    concluded = status_word(0, 1_700_000_000, bytes(32), state.outcome_hash())
    assert concluded.hex() == "00000000000000006553f1003de4b585cffe7391d9b8702301d8a4be07911957"


# Collisions of an encoding without lengths, and injectivity


def packed(outcome: Outcome) -> bytes:
    """The encoding that is not used: fields run together without padding or length."""
    parts = []
    for exit_ in outcome:
        parts.append(exit_.asset)
        for a in exit_.allocations:
            parts += [a.destination, a.amount.to_bytes(32, "big"), bytes((a.allocation_type,))]
            parts.append(a.metadata)
    return b"".join(parts)


def test_a_second_share_hidden_in_metadata_is_another_state() -> None:
    hidden = TO_BB + (2_000).to_bytes(32, "big") + b"\x00"
    honest = state_of(*TWO_SHARES)
    forged = state_of(Allocation(TO_AA, 1_000, 0, hidden))
    assert packed(honest.outcome) == packed(forged.outcome)
    assert honest.encode() != forged.encode()
    assert honest.state_hash() != forged.state_hash()
    assert honest.outcome_hash() != forged.outcome_hash()


def test_a_share_hidden_in_app_data_is_another_state() -> None:
    honest = state_of(Allocation(TO_AA, 1_000))
    tail = FF + TO_AA + (1_000).to_bytes(32, "big") + b"\x00"
    forged = state_of(asset=tail[-20:], app_data=tail[:-20])
    assert len(forged.app_data) == 65
    assert honest.app_data + packed(honest.outcome) == forged.app_data + packed(forged.outcome)
    assert honest.state_hash() != forged.state_hash()


def test_two_thousand_random_states_have_as_many_hashes() -> None:
    random = Random(3_0001)
    states = {random_state(random) for _ in range(2_000)}
    assert len(states) == 2_000
    assert len({state.state_hash() for state in states}) == 2_000
    assert len({state.channel_id for state in states}) == 2_000


def replaced(value: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(value, **changes)


def test_every_field_of_a_state_changes_its_hash() -> None:
    base = state_of(*TWO_SHARES)
    share, rest = base.outcome[0].allocations
    exit_ = base.outcome[0]
    variants = [
        base,
        replaced(base, app_data=b"\x00"),
        replaced(base, turn_num=1),
        replaced(base, is_final=True),
        replaced(base, outcome=()),
        replaced(base, outcome=(exit_, exit_)),
        replaced(base, fixed=replaced(FIXED, channel_nonce=43)),
        *(
            replaced(base, outcome=(changed,))
            for changed in (
                replaced(exit_, asset=ZERO_ADDRESS),
                replaced(exit_, asset_type=1),
                replaced(exit_, asset_metadata=b"\x00"),
                replaced(exit_, allocations=(rest, share)),
                replaced(exit_, allocations=(share,)),
                replaced(exit_, allocations=(replaced(share, destination=TO_BB), rest)),
                replaced(exit_, allocations=(replaced(share, amount=1_001), rest)),
                replaced(exit_, allocations=(replaced(share, allocation_type=2), rest)),
                replaced(exit_, allocations=(replaced(share, metadata=b"\x00"), rest)),
            )
        ),
    ]
    assert len({state.state_hash() for state in variants}) == len(variants)


def test_every_field_of_the_fixed_part_changes_the_channel_id() -> None:
    variants = [
        FIXED,
        replaced(FIXED, participants=(BB, AA)),
        replaced(FIXED, participants=(AA,)),
        replaced(FIXED, participants=(AA, BB, FF)),
        replaced(FIXED, channel_nonce=43),
        replaced(FIXED, app_definition=FF),
        replaced(FIXED, challenge_duration=86_401),
    ]
    assert len({fixed.channel_id() for fixed in variants}) == len(variants)


def test_a_channel_id_is_the_same_every_time_and_for_every_equal_value() -> None:
    first = FIXED.channel_id()
    assert {FIXED.channel_id() for _ in range(100)} == {first}
    assert FixedPart((AA, BB), 42, ZERO_ADDRESS, 86_400).channel_id() == first
    assert first == keccak256(FIXED.encode())


# Reading states back


def test_states_survive_the_round_trip_through_their_encoding() -> None:
    random = Random(3_0002)
    for _ in range(500):
        state = random_state(random)
        again = state_from_encoding(state.fixed, state.encode())
        assert again == state
        assert again.state_hash() == keccak256(state.encode())


def test_a_state_is_read_once_and_still_refused_for_another_channel() -> None:
    encoded = PLAIN.encode()
    first = state_from_encoding(PLAIN.fixed, encoded)
    assert first == PLAIN
    assert state_from_encoding(replaced(PLAIN.fixed), bytes(bytearray(encoded))) is first
    with pytest.raises(InvalidEncoding, match="another channel"):
        state_from_encoding(replaced(PLAIN.fixed, channel_nonce=43), encoded)
    with pytest.raises(InvalidEncoding, match="canonical"):
        state_from_encoding(PLAIN.fixed, encoded[:159] + b"\x02" + encoded[160:])


def test_an_encoding_has_its_hash_whether_it_is_remembered_or_not() -> None:
    for state in (PLAIN, replaced(PLAIN, app_data=b"x"), replaced(PLAIN, turn_num=2)):
        for _ in range(2):
            assert hash_of_encoding(state.encode()) == keccak256(state.encode())


def test_a_fixed_part_of_the_same_values_is_the_same_and_of_other_types_is_refused() -> None:
    values = ((AA, BB), 1, ZERO_ADDRESS, 86_400)
    assert fixed_part_of(*values) == FixedPart(*values)
    assert fixed_part_of(*values) is fixed_part_of(*values)
    with pytest.raises(InvalidWidth):
        fixed_part_of((AA, BB), True, ZERO_ADDRESS, 86_400)


def test_the_state_of_another_channel_is_refused() -> None:
    other = replaced(FIXED, channel_nonce=43)
    with pytest.raises(InvalidEncoding, match="another channel"):
        state_from_encoding(other, state_of(*TWO_SHARES).encode())


def test_bytes_that_are_no_state_are_refused() -> None:
    encoded = state_of(*TWO_SHARES).encode()
    for wrong in (b"", encoded[:-1], encoded + bytes(32), encoded[32:]):
        with pytest.raises(ProtocolError):
            state_from_encoding(FIXED, wrong)


# Shapes


@pytest.mark.parametrize(
    "wrong",
    [
        {"participants": ()},
        {"participants": (AA,) * (PARTICIPANT_COUNT_MAX + 1)},
        {"participants": [AA, BB]},
        {"participants": (AA, TO_BB)},
        {"channel_nonce": UINT64_MAX + 1},
        {"channel_nonce": -1},
        {"app_definition": bytes(32)},
        {"challenge_duration": UINT48_MAX + 1},
        {"challenge_duration": 1.5},
    ],
)
def test_a_fixed_part_out_of_shape_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidWidth):
        replaced(FIXED, **wrong)


@pytest.mark.parametrize("count", [1, 10, PARTICIPANT_COUNT_MAX])
def test_a_channel_has_one_to_255_participants(count: int) -> None:
    participants = tuple(i.to_bytes(20, "big") for i in range(count))
    assert len(replaced(FIXED, participants=participants).channel_id()) == 32


@pytest.mark.parametrize(
    "wrong",
    [
        {"app_data": "00"},
        {"outcome": []},
        {"outcome": ((),)},
        {"turn_num": UINT48_MAX + 1},
        {"turn_num": -1},
        {"turn_num": True},
        {"is_final": 1},
    ],
)
def test_a_state_out_of_shape_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidWidth):
        replaced(state_of(*TWO_SHARES), **wrong)


def test_nothing_in_a_state_can_be_changed() -> None:
    state = state_of(*TWO_SHARES)
    with pytest.raises(AttributeError):
        state.turn_num = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        state.fixed.channel_nonce = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "build",
    [
        lambda: fingerprint(bytes(31), bytes(32)),
        lambda: fingerprint(bytes(32), bytes(33)),
        lambda: status_word(UINT48_MAX + 1, 0, bytes(32), bytes(32)),
        lambda: status_word(0, UINT48_MAX + 1, bytes(32), bytes(32)),
        lambda: challenge_message(bytes(31)),
    ],
)
def test_hashes_are_built_from_values_of_the_right_width_only(build: Any) -> None:
    with pytest.raises(InvalidWidth):
        build()


@pytest.mark.parametrize("is_final", [False, True])
def test_an_encoding_tells_whether_it_is_final(is_final: bool) -> None:
    random = Random(3)
    for _ in range(50):
        encoded = msgspec.structs.replace(random_state(random), is_final=is_final).encode()
        assert says_final(encoded) is is_final
        assert not says_final(encoded[:128])
