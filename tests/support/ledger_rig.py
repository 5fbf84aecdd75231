"""The ledger that ALICE leads and BOB follows, and what its two parties say, built by hand.

`LEDGER` is funded by 1,000 of ALICE and 500 of BOB. `Verdicts` stands in for the objectives that
judge guarantees, so that ledgers are tested by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, ledgers, messages
from protocols.channel import Channel
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.ledger import (
    ADD,
    MOVE,
    NO_TARGET,
    REMOVE,
    Change,
    Ledger,
    LedgerVars,
    Proposed,
    after,
    ledger_state,
)
from protocols.nonce import channel_nonce
from protocols.objectives import guarantees
from protocols.outcome import destination_of
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS, ChannelId, amount_to_bytes
from tests.support.actors import ALICE, BOB, Actor
from tests.support.builders import ADJUDICATOR, CHAIN_ID, CONSENSUS_APP, DURATION_S
from tests.support.network import CoreNode, Network

LEDGER_ENTROPY = b"ledg"
LEADER_AMOUNT, FOLLOWER_AMOUNT = 1_000, 500
TOTAL = LEADER_AMOUNT + FOLLOWER_AMOUNT


def ledger_fixed(entropy: bytes = LEDGER_ENTROPY) -> FixedPart:
    """The ledger's fixed part; ALICE leads."""
    nonce = channel_nonce(CHAIN_ID, ADJUDICATOR, entropy)
    return FixedPart((ALICE.address, BOB.address), nonce, CONSENSUS_APP, DURATION_S)


LEDGER_FIXED = ledger_fixed()
LEDGER: ChannelId = LEDGER_FIXED.channel_id()
LEADER, FOLLOWER = destination_of(ALICE.address), destination_of(BOB.address)
START = LedgerVars(LEADER_AMOUNT, FOLLOWER_AMOUNT)


def open_ledger_command(**changes: Any) -> commands.OpenLedger:
    """ALICE's owner opens the ledger."""
    command = commands.OpenLedger(
        BOB.address, ZERO_ADDRESS, LEADER_AMOUNT, FOLLOWER_AMOUNT, DURATION_S, LEDGER_ENTROPY
    )
    return replace(command, **changes)


def opened_ledger(**changes: Any) -> Network:
    """A network in which both have deposited into the ledger and it is open."""
    network = Network(depth=0)
    network.alice.feed(open_ledger_command(**changes))
    network.settle()
    return network


def ledger_at(node: CoreNode, channel_id: ChannelId = LEDGER) -> Ledger:
    """What the node knows of the ledger."""
    ledger = node.channel(channel_id).ledger
    assert ledger is not None
    return ledger


# --- changes ---


def target(number: int) -> ChannelId:
    """The made-up id of a virtual channel."""
    return b"\xee" * 28 + number.to_bytes(4, "big")


def add(number: int = 1, amount: int = 100, left_amount: int | None = None, fee: int = 0) -> Change:
    """A guarantee from the leader to the follower, all of it the leader's unless said."""
    left = amount if left_amount is None else left_amount
    return Change(ADD, target(number), amount, LEADER, FOLLOWER, left, fee)


def remove(
    number: int = 1, amount: int = 100, left_amount: int | None = None, fee: int = 0
) -> Change:
    """The end of such a guarantee: the leader gets `left_amount`, the follower the rest."""
    return replace(add(number, amount, left_amount, fee), kind=REMOVE)


def move(amount: int, request_id: str = "") -> Change:
    """The leader pays."""
    return Change(MOVE, NO_TARGET, amount, LEADER, FOLLOWER, request_id=request_id)


def move_back(amount: int, request_id: str = "") -> Change:
    """The follower pays."""
    return Change(MOVE, NO_TARGET, amount, FOLLOWER, LEADER, request_id=request_id)


def result_of(*changes: Change, start: LedgerVars = START) -> LedgerVars:
    """The ledger after these changes."""
    for change in changes:
        start = after(start, change, LEDGER_FIXED)
    return start


# --- messages ---


def proposals(*changes: Change, start: LedgerVars = START, first_turn: int = 2) -> list[Any]:
    """The leader's messages for these changes, one after the other."""
    said = []
    for turn_num, change in enumerate(changes, first_turn):
        start = after(start, change, LEDGER_FIXED)
        said.append(proposal(change, start, turn_num))
    return said


def proposal(
    change: Change, result: LedgerVars, turn_num: int = 2, by: Actor = ALICE
) -> messages.LedgerProposal:
    """The change with the actor's signature on the state it is said to lead to."""
    state = ledger_state(LEDGER_FIXED, ZERO_ADDRESS, result, turn_num)
    return messages.LedgerProposal(
        LEDGER,
        turn_num,
        change.kind,
        change.target,
        amount_to_bytes(change.amount),
        change.left,
        change.right,
        amount_to_bytes(change.left_amount),
        amount_to_bytes(change.fee),
        by.signer(state.state_hash()),
        change.request_id,
    )


def countersignature(
    turn_num: int, result: LedgerVars, by: Actor = BOB
) -> messages.LedgerCountersignature:
    """The actor's signature on the ledger's state of that turn."""
    state = ledger_state(LEDGER_FIXED, ZERO_ADDRESS, result, turn_num)
    return messages.LedgerCountersignature(LEDGER, turn_num, by.signer(state.state_hash()))


def refusal(turn_num: int, name: str = "FEE_TOO_LOW") -> messages.LedgerRefusal:
    """The follower will never sign that turn."""
    return messages.LedgerRefusal(LEDGER, turn_num, name, "not for us")


def payment_request(amount: int, request_id: str = "rent") -> messages.LedgerPaymentRequest:
    """The follower wants to pay the leader."""
    return messages.LedgerPaymentRequest(LEDGER, amount_to_bytes(amount), request_id)


# --- the objectives behind the guarantees ---


@dataclass
class Verdicts:
    """Answers to `guarantees.judge` by target: True, False, or a refusal; and who was refused."""

    by_target: dict[ChannelId, bool | ProtocolError] = field(default_factory=dict)
    default: bool = True
    refused: list[tuple[ChannelId, str]] = field(default_factory=list)
    asked: list[ChannelId] = field(default_factory=list)

    def judge(self, draft: Draft, ledger_channel: Channel, proposal: Proposed) -> bool:
        """What the test said of that target."""
        self.asked.append(proposal.change.target)
        verdict = self.by_target.get(proposal.change.target, self.default)
        if isinstance(verdict, ProtocolError):
            raise verdict
        return verdict

    def hear(
        self, draft: Draft, ledger_channel: Channel, proposal: Proposed, code: str, reason: str
    ) -> None:
        """The follower refused a guarantee of ours."""
        known = (proposal.change.target, code)
        if known not in self.refused:
            self.refused.append(known)


def judged_by(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    """Verdicts that a test may set, in the place of the objectives."""
    verdicts = Verdicts()
    monkeypatch.setattr(guarantees, "judge", verdicts.judge)
    monkeypatch.setattr(guarantees, "refused", verdicts.hear)
    return verdicts


def propose(node: CoreNode, change: Change, channel_id: ChannelId = LEDGER) -> int:
    """The leader's objective proposes a change, outside any input; the turn."""
    draft = Draft(node.state, node.context())
    turn_num = ledgers.propose(draft, node.channel(channel_id), change)
    node.take(draft.result())
    return turn_num
