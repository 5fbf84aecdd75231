"""Callers that wait until a payment of theirs in a ledger is agreed, or refused for good.

A leader's payment that was refused is no more than promised to come to nothing: the follower could
sign it in secret and challenge with it, until it countersigned what undoes it. Only then is the
caller told that nothing was paid, and may pay by other means.

As with other waiting (`waiters`), who can hear nothing any more is answered as the command alone
would be, and a caller that goes away leaves nothing but its place.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from node.answers import Answer, Done
from protocols.channel import Channel
from protocols.error import ProtocolError
from protocols.ledger import MOVE, Ledger, Proposed, parties
from protocols.ledger_errors import LedgerPaymentNotMade, LedgerUpdateForgotten
from protocols.ledger_events import (
    LedgerCountersignatureSeen,
    LedgerPaymentRefusalReceived,
    LedgerRestored,
    LedgerUpdateConfirmed,
    LedgerUpdateRefused,
    LedgerUpdateSigned,
)
from protocols.ledger_queue import is_own_change, is_settled
from protocols.node_state import NodeState
from protocols.resumption_events import LedgerResumed
from protocols.types import ChannelId

Deciding = (
    LedgerUpdateConfirmed
    | LedgerUpdateSigned
    | LedgerCountersignatureSeen
    | LedgerUpdateRefused
    | LedgerPaymentRefusalReceived
    | LedgerRestored
    | LedgerResumed
)
"""Events that decide on payments in ledgers."""

Told = Iterator[tuple[Done, Answer | ProtocolError]]


class Agreements:
    """Who waits for which payment, by its ledger and its name."""

    def __init__(self, state: NodeState) -> None:
        self._state = state
        self._waiting: dict[ChannelId, dict[str, list[tuple[Done, Answer]]]] = {}
        self.count = 0
        """Callers that wait."""

    def settle(self, answer: Answer, done: Done, *, room: bool) -> Answer | ProtocolError | None:
        """What to answer now to a payment that was ordered; None if `done` waits, if there is room.

        A payment that no longer waits is not said to be agreed: the ledger tells what it holds.
        """
        channel = self._state.channels.get(answer.channel_id)
        ledger = None if channel is None else channel.ledger
        if channel is None or ledger is None:
            return answer
        by_leader = channel.my_index == 0
        may_count = any(_may_count(channel, known, answer.request_id) for known in ledger.queue)
        for refused in () if may_count else ledger.refused_payments:
            if refused.request_id == answer.request_id and refused.by_leader == by_leader:
                return LedgerPaymentNotMade(refused.request_id, refused.error_code)
        wished = any(asked.request_id == answer.request_id for asked in ledger.asked)
        proposed = may_count or any(
            _is_ours(channel, ledger, proposal) and proposal.change.request_id == answer.request_id
            for proposal in ledger.queue
        )
        if not room or not (proposed if by_leader else wished):
            return answer
        waiting = self._waiting.setdefault(answer.channel_id, {})
        waiting.setdefault(answer.request_id, []).append((done, answer))
        self.count += 1
        return None

    def on_event(self, event: Deciding) -> Told:
        """Whom the event answers; to be called before it is folded."""
        waiting = self._waiting.get(event.channel_id)
        if not waiting:
            return
        channel = self._state.channels[event.channel_id]
        ledger = channel.ledger
        assert ledger is not None, "only a ledger has ledger events"
        match event:
            case LedgerUpdateConfirmed() | LedgerUpdateSigned() | LedgerCountersignatureSeen():
                is_undone = is_settled(ledger, event.turn_num)
                for proposal in ledger.queue[: event.turn_num - ledger.turn_num]:
                    name = proposal.change.request_id
                    if name in waiting and _is_ours(channel, ledger, proposal):
                        for done, answer in self._no_longer_waiting(event.channel_id, name):
                            yield done, replace(answer, agreed=True)
                    elif _may_count(channel, proposal, name):
                        # Signed in secret and not undone, it may have been made: the ledger tells.
                        told = self._refused if is_undone else self._unanswered
                        yield from told(event.channel_id, name, proposal.refusal)
            case LedgerUpdateRefused():
                refused = ledger.queue[event.turn_num - ledger.turn_num - 1]
                if _is_ours(channel, ledger, refused) and not _is_met(channel, ledger, refused):
                    name = refused.change.request_id
                    yield from self._refused(event.channel_id, name, event.error_code)
            case LedgerPaymentRefusalReceived():
                yield from self._refused(event.channel_id, event.request_id, event.error_code)
            case LedgerResumed():
                code = LedgerUpdateForgotten.name()
                for name in list(waiting):
                    yield from self._refused(event.channel_id, name, code)
            case LedgerRestored():
                yield from self.give_up(event.channel_id)

    def _refused(self, channel_id: ChannelId, name: str, error_code: str) -> Told:
        for done, _ in self._no_longer_waiting(channel_id, name):
            yield done, LedgerPaymentNotMade(name, error_code)

    def _unanswered(self, channel_id: ChannelId, name: str, _: str) -> Told:
        yield from self._no_longer_waiting(channel_id, name)

    def give_up(self, channel_id: ChannelId) -> Told:
        """The ledger decides on nothing any more: they are answered without an agreement."""
        for name in list(self._waiting.get(channel_id, ())):
            yield from self._no_longer_waiting(channel_id, name)

    def _no_longer_waiting(self, channel_id: ChannelId, name: str) -> list[tuple[Done, Answer]]:
        waiting = self._waiting.get(channel_id, {})
        waited = waiting.pop(name, [])
        if not waiting:
            self._waiting.pop(channel_id, None)
        self.count -= len(waited)
        return waited


def _is_ours(channel: Channel, ledger: Ledger, proposal: Proposed) -> bool:
    """Whether a proposal in the queue is a payment of ours that nobody refused."""
    change = proposal.change
    if change.kind != MOVE or change.left != parties(channel.fixed)[channel.my_index]:
        return False
    return is_own_change(ledger, proposal)


def _may_count(channel: Channel, proposal: Proposed, name: str) -> bool:
    """Whether a proposal in the queue is a payment of that name that we lead and that the follower
    refused: we signed it, and nothing that both signed undoes it yet."""
    leader, _ = parties(channel.fixed)
    change = proposal.change
    is_payment = change.kind == MOVE and change.left == leader and change.request_id == name
    return channel.my_index == 0 and bool(proposal.refusal) and is_payment


def _is_met(channel: Channel, ledger: Ledger, refused: Proposed) -> bool:
    """Whether the same payment waits in another proposal."""
    return any(
        proposal is not refused
        and proposal.change == refused.change
        and _is_ours(channel, ledger, proposal)
        for proposal in ledger.queue
    )
