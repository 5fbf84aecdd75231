"""Invariants of the state machine: messages, views and records; and all invariants together.

Each method is one rule. They hold after every step, whatever was said, lost or ordered, and look at
the nodes that the step touched.
"""

from __future__ import annotations

from hypothesis.stateful import invariant

from protocols import events
from protocols.channel import (
    POSTFUND_TURN,
    PREFUND_TURN,
    supported_final,
)
from protocols.objectives.base import ObjectiveStatus
from protocols.objectives.virtual_states import signatures_of
from tests.support.machine_books import BookInvariants
from tests.support.machine_facts import OVER, Facts
from tests.support.machine_ledgers import GuaranteeInvariants, LedgerInvariants
from tests.support.machine_money import MoneyInvariants, PaymentInvariants


class ConversationInvariants(Facts):
    """Messages, views and records."""

    @invariant()
    def an_outbox_is_what_was_sent_and_not_acknowledged(self) -> None:
        for node in self.touched:
            for to, waiting in node.outbox.items():
                peer = node.peer(to)
                expected = list(range(peer.acknowledged + 1, peer.sent + 1))
                assert [sent.sequence for sent in waiting] == expected

    @invariant()
    def nobody_received_what_was_not_sent(self) -> None:
        for node in self.touched:
            for other in self.web.row:
                me, them = node.actor.address, other.actor.address
                assert other.peer(me).acknowledged <= node.peer(them).received
                assert node.peer(them).received <= other.peer(me).sent

    @invariant()
    def no_honest_message_is_refused(self) -> None:
        for node in self.touched:
            dropped = self.watch(node).dropped
            for event in self.fresh[node.actor.address]:
                # Who refused a proposal at once keeps nothing of it: a rejection that crosses its
                # own is of an objective it does not know.
                if isinstance(event, events.MessageDropped) and not event.reason.startswith(
                    "UNKNOWN_OBJECTIVE"
                ):
                    dropped.append(event.reason)
            assert len(dropped) == self.web.forged_count[node.actor.address], dropped

    @invariant()
    def an_end_is_the_end(self) -> None:
        for node in self.touched:
            ended = self.watch(node).ended
            for identity in node.state.objectives:
                now = node.state.objectives[identity].status
                assert ended.get(identity, now) == now
                if now in OVER:
                    ended[identity] = now

    @invariant()
    def the_views_of_what_waits_are_what_waits(self) -> None:
        for node in self.touched:
            state, channels = node.state, self.channels(node)
            assert state.unreceipted == {
                channel.channel_id
                for channel in channels
                if channel.my_index and channel.vouchers.pending
            }
            assert state.unanswered == {
                channel.channel_id
                for channel in channels
                if channel.my_index == 1
                and channel.ledger is not None
                and not any(turn.is_final for turn in channel.turns)
                and channel.ledger.queue
                and not channel.ledger.standing.awaited
            }

    @invariant()
    def the_view_of_what_is_under_way_is_what_is_active(self) -> None:
        for node in self.touched:
            found = [node.state.objectives[identity] for identity in node.state.objectives]
            assert set(node.state.agenda.active) == {o.objective_id for o in found if o.is_active}
            assert set(node.state.unapproved) == {
                o.objective_id for o in found if o.status == ObjectiveStatus.UNAPPROVED
            }

    @invariant()
    def what_is_carried_is_the_sum_of_its_shares(self) -> None:
        for node in self.touched:
            carried = node.state.carried
            by_peer: dict[tuple[bytes, bytes], int] = {}
            for share in carried.shares.values():
                for peer in share.peers:
                    key = (peer, share.asset)
                    by_peer[key] = by_peer.get(key, 0) + share.amount
            assert carried.exposure == by_peer

    @invariant()
    def every_guarantee_is_carried(self) -> None:
        for node in self.touched:
            for _, ledger in self.web.ledgers_of(node):
                for guarantee in ledger.current.guarantees:
                    assert guarantee.target in node.state.carried.shares

    @invariant()
    def nothing_of_a_virtual_channel_reaches_the_chain(self) -> None:
        for node in self.touched:
            for event in self.fresh[node.actor.address]:
                if isinstance(event, events.TransactionRequested):
                    assert event.channel_id in self.web.ledgers

    @invariant()
    def a_supported_postfund_was_signed_by_all(self) -> None:
        for node in self.touched:
            for life, channel in self.lives(node):
                if channel.supported_turn >= POSTFUND_TURN:
                    assert all(signatures_of(channel, PREFUND_TURN))
                    known = life.payer.channel(life.channel_id)
                    assert known.signed_by_me(POSTFUND_TURN) or supported_final(known)


class Invariants(
    MoneyInvariants,
    LedgerInvariants,
    GuaranteeInvariants,
    PaymentInvariants,
    ConversationInvariants,
    BookInvariants,
):
    """All of them."""
