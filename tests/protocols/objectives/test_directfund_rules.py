"""Which channels are acceptable: every rule of DirectFund, broken by proposal and by command."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest

from protocols import commands, messages
from protocols.crypto import Signer
from protocols.draft import CHALLENGE_DURATION_S_MAX, Decision
from protocols.errors import (
    AssetNotSupported,
    ChallengeDurationTooLong,
    ChallengeDurationTooShort,
    ChannelAlreadySeen,
    InvalidWidth,
    OutcomeNotSupported,
    ParticipantsRefused,
    PayeeMustOpenWithZero,
    ProtocolError,
)
from protocols.events import MessageDropped
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.objectives.directfund import (
    STRANGERS_UNFUNDED_COUNT_MAX,
    UNFUNDED_COUNT_MAX,
)
from protocols.outcome import GUARANTEE, Allocation, SingleAssetExit, destination_of
from protocols.rejections import PROPOSAL_WINDOW_MS, REJECTED_COUNT_MAX
from protocols.types import UINT48_MAX, ZERO_ADDRESS
from tests.support.actors import ALICE, BOB, IRENE, IVAN, Actor
from tests.support.builders import (
    CHANNEL,
    DEPOSIT,
    fixed_part,
    open_command,
    proposal,
    split,
    state,
)
from tests.support.network import CoreNode, Said, opened
from tests.support.playbook import names

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)
REPEATED = ["message-received", "message-sent", "message-repeated", "send SignedState"]


def payee_with_prefund() -> CoreNode:
    """BOB after he signed the prefund: he waits for the funding."""
    bob = CoreNode(BOB)
    bob.feed(Said(ALICE, proposal()))
    return bob


def reason_of(node: CoreNode) -> str:
    """Why the last message was dropped."""
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


def share(who: bytes, amount: int, kind: int = 0, metadata: bytes = b"") -> Allocation:
    return Allocation(destination_of(who), amount, kind, metadata)


def one_asset(*allocations: Allocation, **changes: Any) -> tuple[SingleAssetExit, ...]:
    return (SingleAssetExit(ZERO_ADDRESS, allocations, **changes),)


A, B = share(ALICE.address, DEPOSIT), share(BOB.address, 0)
TOKEN = b"\x70" * 20

REFUSED_STATES: dict[str, tuple[dict[str, Any], str]] = {
    "three participants": (
        {"fixed": fixed_part(participants=(ALICE.address, IVAN.address, BOB.address))},
        "PARTICIPANTS_REFUSED",
    ),
    "the proposer is not participant 0": (
        {"fixed": fixed_part(participants=(IVAN.address, BOB.address))},
        "PARTICIPANTS_REFUSED",
    ),
    "we are not the last participant": (
        {"fixed": fixed_part(participants=(ALICE.address, IVAN.address))},
        "PARTICIPANTS_REFUSED",
    ),
    "one participant": (
        {"fixed": fixed_part(participants=(ALICE.address,))},
        "PARTICIPANTS_REFUSED",
    ),
    "a nonce without our prefix": (
        {"fixed": fixed_part(channel_nonce=7)},
        "NONCE_PREFIX_MISMATCH",
    ),
    "another app": ({"fixed": fixed_part(app_definition=TOKEN)}, "APP_NOT_SUPPORTED"),
    "no app": ({"fixed": fixed_part(app_definition=ZERO_ADDRESS)}, "APP_NOT_SUPPORTED"),
    "a short challenge": (
        {"fixed": fixed_part(challenge_duration=3_599)},
        "CHALLENGE_DURATION_TOO_SHORT",
    ),
    "a challenge that hardly ends": (
        {"fixed": fixed_part(challenge_duration=CHALLENGE_DURATION_S_MAX + 1)},
        "CHALLENGE_DURATION_TOO_LONG",
    ),
    "a challenge that never ends": (
        {"fixed": fixed_part(challenge_duration=UINT48_MAX)},
        "CHALLENGE_DURATION_TOO_LONG",
    ),
    "turn 1": ({"turn_num": 1}, "STATE_REFUSED"),
    "a final prefund": ({"is_final": True}, "STATE_REFUSED"),
    "app data": ({"app_data": b"x"}, "STATE_REFUSED"),
    "no asset": ({"outcome": ()}, "OUTCOME_NOT_SUPPORTED"),
    "two assets": ({"outcome": split() + split()}, "OUTCOME_NOT_SUPPORTED"),
    "a token": ({"outcome": (SingleAssetExit(TOKEN, (A, B)),)}, "ASSET_NOT_SUPPORTED"),
    "an asset type": ({"outcome": one_asset(A, B, asset_type=1)}, "OUTCOME_NOT_SUPPORTED"),
    "asset metadata": (
        {"outcome": one_asset(A, B, asset_metadata=b"x")},
        "OUTCOME_NOT_SUPPORTED",
    ),
    "one allocation": ({"outcome": one_asset(A)}, "OUTCOME_NOT_SUPPORTED"),
    "three allocations": ({"outcome": one_asset(A, B, B)}, "OUTCOME_NOT_SUPPORTED"),
    "a guarantee": (
        {"outcome": one_asset(A, share(BOB.address, 0, GUARANTEE))},
        "OUTCOME_NOT_SUPPORTED",
    ),
    "allocation metadata": (
        {"outcome": one_asset(share(ALICE.address, 1, metadata=b"x"), B)},
        "OUTCOME_NOT_SUPPORTED",
    ),
    "a stranger's destination": (
        {"outcome": one_asset(share(IVAN.address, 1), B)},
        "OUTCOME_NOT_SUPPORTED",
    ),
    "destinations in the wrong order": ({"outcome": one_asset(B, A)}, "OUTCOME_NOT_SUPPORTED"),
    "a payer who deposits nothing": (
        {"outcome": one_asset(share(ALICE.address, 0), B)},
        "OUTCOME_NOT_SUPPORTED",
    ),
    "a payee who opens with something": (
        {"outcome": one_asset(A, share(BOB.address, 1))},
        "PAYEE_MUST_OPEN_WITH_ZERO",
    ),
}


@pytest.mark.parametrize("case", REFUSED_STATES)
def test_a_proposal_that_breaks_a_rule_is_dropped_by_its_name(case: str) -> None:
    changes, error = REFUSED_STATES[case]
    bob = CoreNode(BOB)
    assert names(bob.feed(Said(ALICE, proposal(state(0, **changes))))) == ["message-dropped"]
    assert error in reason_of(bob)
    assert not bob.state.channels
    assert not bob.state.objectives
    assert not bob.proposals


def test_a_proposal_signed_by_somebody_else_is_dropped() -> None:
    bob = CoreNode(BOB)
    bob.feed(Said(ALICE, proposal(by=IRENE)))
    assert "WRONG_SIGNER" in reason_of(bob)
    assert bob.events_of("message-dropped")[0].error_code == "signature_invalid"


def test_a_proposal_sent_by_somebody_else_is_dropped() -> None:
    bob = CoreNode(BOB)
    bob.feed(Said(IRENE, proposal()))
    assert "PARTICIPANTS_REFUSED" in reason_of(bob)


def test_a_channel_id_is_used_once() -> None:
    bob = payee_with_prefund()
    bob.feed(Said(ALICE, proposal(state(0, outcome=split(total=5)))))
    assert "CHANNEL_ALREADY_SEEN" in reason_of(bob)
    assert bob.events_of("message-dropped")[0].error_code == "replay_attack"


def test_a_rejected_channel_id_is_not_used_again() -> None:
    bob = CoreNode(BOB, verdict="deny")
    bob.feed(Said(ALICE, proposal()))
    bob.feed(Said(ALICE, proposal()))
    assert len(bob.state.objectives) == 1
    assert bob.objective(ObjectiveType.DIRECT_FUND).status == "rejected"
    assert not bob.channel().signed_by_me(0)
    bob.feed(Said(ALICE, proposal(state(0, outcome=split(total=5)))))
    assert "CHANNEL_ALREADY_SEEN" in reason_of(bob)


def test_a_proposal_said_again_is_answered_with_the_signature_given() -> None:
    bob = payee_with_prefund()
    (first,) = bob.outbox[ALICE.address]
    result = bob.feed(Said(ALICE, proposal()))
    assert names(result)[:4] == REPEATED
    assert [sent.body for sent in bob.outbox[ALICE.address]] == [first.body, first.body]
    assert bob.peer(ALICE.address).fault_count == 0
    assert len(bob.proposals) == len(payee_with_prefund().proposals)


def test_a_proposal_said_again_before_the_owner_decided_signs_nothing() -> None:
    bob = CoreNode(BOB, verdict="ask")
    bob.feed(Said(ALICE, proposal()))
    assert names(bob.feed(Said(ALICE, proposal()))) == REPEATED[::2]
    assert not bob.channel().signed_by_me(0)


def proposal_number(number: int) -> messages.ChannelProposal:
    """One of many proposals of ALICE's: each another channel."""
    nonce = fixed_part().channel_nonce + number
    return proposal(state(0, fixed=fixed_part(channel_nonce=nonce)))


def test_a_peer_has_only_so_many_unfunded_channels_with_us() -> None:
    bob = CoreNode(BOB, verdict="ask")
    bob.proves_purity = False
    for number in range(UNFUNDED_COUNT_MAX + 1):
        bob.feed(Said(ALICE, proposal_number(number)))
    assert len(bob.state.channels) == UNFUNDED_COUNT_MAX
    assert "TOO_MANY_PROPOSALS" in reason_of(bob)
    bob.feed(commands.RejectObjective(FUND))
    bob.feed(Said(ALICE, proposal_number(UNFUNDED_COUNT_MAX + 1)))
    assert len(bob.state.channels) == UNFUNDED_COUNT_MAX + 1


@lru_cache
def stranger(number: int) -> Actor:
    """Somebody with a fresh key."""
    secret = (1_000 + number).to_bytes(32, "big")
    signer = Signer(secret)
    return Actor("stranger", secret, signer.address, signer)


def of_stranger(number: int, nonce: int = 0) -> messages.ChannelProposal:
    """A proposal of a peer with a key of its own."""
    who = stranger(number)
    fixed = fixed_part(
        participants=(who.address, BOB.address), channel_nonce=fixed_part().channel_nonce + nonce
    )
    outcome = one_asset(share(who.address, 1), share(BOB.address, 0))
    return proposal(state(0, fixed=fixed, outcome=outcome), who)


@pytest.mark.slow
def test_strangers_have_a_bound_together_and_whoever_funded_a_channel_is_none() -> None:
    bob = opened().bob
    bob.proves_purity = False
    bob.decision = Decision("ask")
    for number in range(STRANGERS_UNFUNDED_COUNT_MAX):
        bob.feed(Said(stranger(number % 32), of_stranger(number % 32, number)))
    assert bob.peer(stranger(0).address).fault_count == 0
    bob.feed(Said(stranger(99), of_stranger(99)))
    assert "TOO_MANY_STRANGERS" in reason_of(bob)
    bob.feed(Said(ALICE, proposal_number(1)))
    assert len(bob.state.channels) == STRANGERS_UNFUNDED_COUNT_MAX + 2
    bob.now_ms += PROPOSAL_WINDOW_MS + 1
    bob.feed(Said(stranger(99), of_stranger(99)))
    assert len(bob.state.channels) == STRANGERS_UNFUNDED_COUNT_MAX + 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verdict", "limit"), [("ask", UNFUNDED_COUNT_MAX), ("deny", REJECTED_COUNT_MAX)]
)
def test_a_proposal_that_came_to_nothing_counts_for_a_day(verdict: str, limit: int) -> None:
    bob = CoreNode(BOB, verdict=verdict)
    bob.proves_purity = False
    for number in range(limit):
        bob.feed(Said(ALICE, proposal_number(number)))
    bob.now_ms += PROPOSAL_WINDOW_MS
    bob.feed(Said(ALICE, proposal_number(limit)))
    assert "TOO_MANY_PROPOSALS" in reason_of(bob)
    bob.now_ms += 1
    bob.feed(Said(ALICE, proposal_number(limit)))
    assert len(bob.state.channels) == limit + 1


@pytest.mark.slow
def test_a_peer_is_not_heard_for_ever_after_its_proposals_were_rejected() -> None:
    bob = CoreNode(BOB, verdict="deny")
    bob.proves_purity = False
    for number in range(REJECTED_COUNT_MAX + 1):
        bob.feed(Said(ALICE, proposal_number(number)))
    assert len(bob.state.channels) == REJECTED_COUNT_MAX
    assert bob.events_of("message-dropped")[-1].reason.startswith("TOO_MANY_PROPOSALS")


REFUSED_COMMANDS: list[tuple[dict[str, Any], type[ProtocolError]]] = [
    ({"counterparty": ALICE.address}, ParticipantsRefused),
    ({"counterparty": ZERO_ADDRESS}, ParticipantsRefused),
    ({"counterparty": b"short"}, InvalidWidth),
    ({"asset": TOKEN}, AssetNotSupported),
    ({"amount": 0}, OutcomeNotSupported),
    ({"amount": -1}, InvalidWidth),
    ({"amount": 2**256}, InvalidWidth),
    ({"counterparty_amount": 1}, PayeeMustOpenWithZero),
    ({"counterparty_amount": -1}, InvalidWidth),
    ({"challenge_duration": 3_599}, ChallengeDurationTooShort),
    ({"challenge_duration": CHALLENGE_DURATION_S_MAX + 1}, ChallengeDurationTooLong),
    ({"challenge_duration": UINT48_MAX}, ChallengeDurationTooLong),
    ({"challenge_duration": 2**48}, InvalidWidth),
    ({"nonce_entropy": b"abc"}, InvalidWidth),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED_COMMANDS)
def test_an_open_command_that_breaks_a_rule_is_refused_and_leaves_nothing(
    changes: dict[str, Any], error: type[ProtocolError]
) -> None:
    alice = CoreNode(ALICE)
    with pytest.raises(error):
        alice.feed(open_command(**changes))
    assert len(alice.log) == 1


def test_opening_with_the_same_entropy_again_is_refused() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    with pytest.raises(ChannelAlreadySeen):
        alice.feed(open_command())


@pytest.mark.parametrize("duration_s", [3_600, CHALLENGE_DURATION_S_MAX])
def test_the_shortest_and_the_longest_challenge_are_accepted(duration_s: int) -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command(challenge_duration=duration_s))
    assert len(alice.state.channels) == 1
