"""The two doors of signatures: ours sign one state a turn, theirs are checked first."""

from __future__ import annotations

import pytest

from protocols import messages
from protocols.channel import Channel
from protocols.crypto import keccak256, recover_address
from protocols.draft import Draft
from protocols.errors import EquivocationRefused, InvalidSignature, StateRefused, WrongSigner
from protocols.objectives.states import sign, sign_and_send, take_in
from protocols.state import State
from tests.support.actors import ALICE, BOB, IRENE, Actor
from tests.support.builders import CHANNEL, final, open_command, state
from tests.support.network import CoreNode, opened

OBJECTIVE = b"\x0b" * 32


def draft_of(node: CoreNode) -> Draft:
    return Draft(node.state, node.context())


def event_names(draft: Draft) -> list[str]:
    return [event.NAME for event in draft.events]


def taken(draft: Draft, received: State, by: Actor) -> bool:
    channel: Channel = draft.state.channels[CHANNEL]
    signature = by.signer(received.state_hash())
    return take_in(draft, channel, received, received.encode(), signature)


def test_a_state_is_stored_once_and_then_signed_by_us() -> None:
    draft = draft_of(opened().alice)
    state_hash, signature = sign(draft, CHANNEL, final(7))
    assert state_hash == keccak256(final(7).encode())
    assert recover_address(state_hash, signature) == ALICE.address
    assert event_names(draft) == ["state-stored", "state-signed"]


def test_app_data_is_recorded_by_its_hash() -> None:
    draft = draft_of(opened().alice)
    sign(draft, CHANNEL, final(7, app_data=b"data"))
    recorded = draft.events[-1]
    assert getattr(recorded, "app_data_hash", None) == keccak256(b"data")


def test_a_second_and_different_state_for_a_turn_is_never_signed() -> None:
    draft = draft_of(opened().alice)
    sign(draft, CHANNEL, final(7))
    with pytest.raises(EquivocationRefused) as refusal:
        sign(draft, CHANNEL, final(8))
    assert refusal.value.turn_num == 3
    assert event_names(draft) == ["state-stored", "state-signed"]


def test_a_state_of_a_turn_that_the_peer_filled_otherwise_is_never_signed() -> None:
    draft = draft_of(opened().bob)
    assert taken(draft, final(7), ALICE)
    with pytest.raises(EquivocationRefused):
        sign(draft, CHANNEL, final(8))


def test_signing_again_is_the_same_signature() -> None:
    draft = draft_of(opened().alice)
    assert sign(draft, CHANNEL, final(7)) == sign(draft, CHANNEL, final(7))


def test_what_is_signed_is_sent_to_the_counterparty() -> None:
    draft = draft_of(opened().alice)
    sign_and_send(draft, CHANNEL, final(7), OBJECTIVE)
    (effect,) = draft.effects
    body = messages.decode_body(getattr(effect, "body", b""))
    signature = ALICE.signer(final(7).state_hash())
    assert body == messages.SignedState(CHANNEL, final(7).encode(), signature)
    assert getattr(effect, "peer", None) == BOB.address


def test_both_signatures_support_a_final_state_and_finalize_the_channel() -> None:
    draft = draft_of(opened().alice)
    sign(draft, CHANNEL, final(7))
    assert taken(draft, final(7), BOB)
    expected = ["state-received", "state-supported-updated", "channel-finalized"]
    assert event_names(draft)[2:] == expected
    support = draft.events[-2]
    assert getattr(support, "prev_supported_turn", None) == 1


def test_the_first_support_has_no_previous_turn() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    draft = draft_of(alice)
    taken(draft, state(0), BOB)
    assert getattr(draft.events[-1], "prev_supported_turn", 0) is None


def test_the_next_support_names_the_one_before_also_when_that_is_turn_0() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    draft = draft_of(alice)
    taken(draft, state(0), BOB)
    sign(draft, CHANNEL, state(1))
    taken(draft, state(1), BOB)
    support = draft.events[-1]
    assert (
        getattr(support, "supported_turn", -1),
        getattr(support, "prev_supported_turn", -1),
    ) == (
        1,
        0,
    )


def test_support_is_recorded_once_a_turn() -> None:
    draft = draft_of(opened().alice)
    sign(draft, CHANNEL, final(7))
    taken(draft, final(7), BOB)
    sign(draft, CHANNEL, final(7))
    assert event_names(draft).count("state-supported-updated") == 1


def test_support_never_falls_to_a_lower_turn() -> None:
    draft = draft_of(opened().alice)
    for turn_num in (4, 3):
        sign(draft, CHANNEL, final(7, turn_num))
        taken(draft, final(7, turn_num), BOB)
    assert draft.state.channels[CHANNEL].supported_turn == 4
    assert event_names(draft).count("state-supported-updated") == 1


def test_a_signature_that_is_known_is_not_recorded_again() -> None:
    draft = draft_of(opened().bob)
    assert taken(draft, final(7), ALICE)
    count = len(draft.events)
    assert not taken(draft, final(7), ALICE)
    assert len(draft.events) == count


def test_a_known_state_under_a_wrong_signature_is_refused() -> None:
    draft = draft_of(opened().bob)
    taken(draft, final(7), ALICE)
    with pytest.raises(WrongSigner):
        taken(draft, final(7), IRENE)


def test_another_state_of_a_known_turn_is_refused() -> None:
    draft = draft_of(opened().bob)
    taken(draft, final(7), ALICE)
    with pytest.raises(StateRefused):
        taken(draft, final(8), ALICE)


@pytest.mark.parametrize("by", [IRENE, BOB])
def test_only_the_counterpartys_signature_is_taken(by: Actor) -> None:
    draft = draft_of(opened().bob)
    with pytest.raises(WrongSigner):
        taken(draft, final(7), by)
    assert draft.events == []


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_a_signature_with_a_foreign_v_is_refused(v: int) -> None:
    draft = draft_of(opened().bob)
    received = final(7)
    signature = ALICE.signer(received.state_hash())[:64] + bytes((v,))
    channel = draft.state.channels[CHANNEL]
    with pytest.raises(InvalidSignature):
        take_in(draft, channel, received, received.encode(), signature)
    assert draft.events == []
