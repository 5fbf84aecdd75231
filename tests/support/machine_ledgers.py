"""Invariants of the state machine: ledgers and the guarantees in them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis.stateful import invariant

from protocols import events, ledger_events
from protocols.channel import (
    POSTFUND_TURN,
    PREFUND_TURN,
    ChannelStatus,
    is_supported,
    known_signer,
    status,
    supported_final,
)
from protocols.ledger import (
    GUARANTEE_COUNT_MAX,
    QUEUE_COUNT_MAX,
    after,
    find_guarantee,
    ledger_state,
)
from protocols.objectives.virtual_states import is_complete
from protocols.types import ChannelId
from protocols.virtual_paths import addition, is_agreed, stands, virtual_of
from tests.support.machine_facts import AGREED, OVER, SIGNED, Facts
from tests.support.web import WebNode


class LedgerInvariants(Facts):
    """Two parties of a ledger never disagree, and never go back."""

    @invariant()
    def an_agreed_turn_is_one_state_on_both_sides(self) -> None:
        for ledger_id in self.web.ledgers:
            ledgers = [node.channel(ledger_id).ledger for node in self.web.pair_of(ledger_id)]
            one, two = (*ledgers, None)[:2]
            if one is not None and two is not None and one.turn_num == two.turn_num:
                assert (one.state_hash, one.current) == (two.state_hash, two.current)

    @invariant()
    def a_follower_agrees_first(self) -> None:
        for ledger_id in self.web.ledgers:
            pair = self.web.pair_of(ledger_id)
            if len(pair) == 2:
                leader, follower = (node.channel(ledger_id).ledger for node in pair)
                if leader is not None and follower is not None:
                    assert leader.turn_num <= follower.turn_num <= leader.proposed_turn

    @invariant()
    def an_agreed_turn_never_falls(self) -> None:
        for node in self.touched:
            agreed = self.watch(node).agreed
            for channel, ledger in self.web.ledgers_of(node):
                assert agreed.get(channel.channel_id, 0) <= ledger.turn_num
                agreed[channel.channel_id] = ledger.turn_num

    @invariant()
    def a_supported_turn_never_falls(self) -> None:
        for node in self.touched:
            supported = self.watch(node).supported
            for channel in self.channels(node):
                assert supported.get(channel.channel_id, -1) <= channel.supported_turn
                supported[channel.channel_id] = channel.supported_turn

    @invariant()
    def nobody_signs_two_states_of_one_turn(self) -> None:
        for node in self.touched:
            signed = self.watch(node).signed
            for event in self.fresh[node.actor.address]:
                if isinstance(event, SIGNED):
                    key = (event.channel_id, event.turn_num)
                    assert signed.setdefault(key, event.state_hash) == event.state_hash

    @invariant()
    def what_was_refused_is_never_countersigned_by_itself(self) -> None:
        for node in self.touched:
            refused = self.watch(node).refused
            for event in self.fresh[node.actor.address]:
                if isinstance(event, ledger_events.LedgerUpdateRefused):
                    refused.add((event.channel_id, event.turn_num))
                if isinstance(event, ledger_events.LedgerUpdateSigned):
                    assert (event.channel_id, event.turn_num) not in refused

    @invariant()
    def what_is_agreed_is_signed_by_both(self) -> None:
        for node in self.touched:
            agreed = {e.channel_id for e in self.fresh[node.actor.address] if isinstance(e, AGREED)}
            for channel, ledger in self.web.ledgers_of(node):
                if channel.channel_id not in agreed:
                    continue
                state = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
                assert state.state_hash() == ledger.state_hash
                for index, signature in enumerate(ledger.signatures):
                    signer = known_signer(channel, index)
                    assert signer is not None
                    assert signer.verify(ledger.state_hash, signature)

    @invariant()
    def a_queue_is_dense_and_bounded(self) -> None:
        for node in self.touched:
            for _, ledger in self.web.ledgers_of(node):
                turns = [proposal.turn_num for proposal in ledger.queue]
                first = ledger.turn_num + 1
                assert turns == list(range(first, first + len(turns)))
                assert len(turns) <= 2 * QUEUE_COUNT_MAX

    @invariant()
    def what_is_proposed_is_what_the_queue_makes_of_the_agreed(self) -> None:
        for node in self.touched:
            for channel, ledger in self.web.ledgers_of(node):
                vars_ = ledger.current
                for proposal in ledger.queue:
                    vars_ = after(vars_, proposal.change, channel.fixed)
                assert vars_ == ledger.proposed

    @invariant()
    def guarantees_ascend_and_are_bounded(self) -> None:
        for node in self.touched:
            for _, ledger in self.web.ledgers_of(node):
                targets = [guarantee.target for guarantee in ledger.current.guarantees]
                assert all(one < two for one, two in pairwise(targets))
                assert len(targets) <= GUARANTEE_COUNT_MAX

    @invariant()
    def wishes_are_told_apart(self) -> None:
        for node in self.touched:
            for _, ledger in self.web.ledgers_of(node):
                ids = [asked.request_id for asked in ledger.asked]
                assert len(ids) == len(set(ids))


class GuaranteeInvariants(Facts):
    """Who guarantees what, and what was signed before."""

    @invariant()
    def a_channel_is_guaranteed_in_one_ledger_of_a_pair(self) -> None:
        for node in self.touched:
            found = [
                (channel.counterparty, guarantee.target)
                for channel, ledger in self.web.ledgers_of(node)
                for guarantee in ledger.current.guarantees
            ]
            assert len(found) == len(set(found))

    @invariant()
    def nothing_is_guaranteed_before_the_whole_prefund(self) -> None:
        for node in self.touched:
            for _, ledger in self.web.ledgers_of(node):
                for guarantee in ledger.current.guarantees:
                    assert is_complete(node.channel(guarantee.target))

    @invariant()
    def a_leader_proposes_no_guarantee_before_the_whole_prefund(self) -> None:
        for node in self.touched:
            for channel, ledger in self.web.ledgers_of(node):
                if channel.my_index == 0:
                    for guarantee in ledger.proposed.guarantees:
                        assert is_complete(node.channel(guarantee.target))

    @invariant()
    def a_guarantee_is_the_agreed_one(self) -> None:
        for node in self.touched:
            for ledger_channel, ledger in self.web.ledgers_of(node):
                for guarantee in ledger.current.guarantees:
                    channel = node.channel(guarantee.target)
                    is_left = ledger_channel.channel_id == virtual_of(channel).left_ledger
                    added = addition(channel, channel.my_index - is_left)
                    assert (guarantee.amount, guarantee.left) == (added.amount, added.left)

    @invariant()
    def a_right_guarantee_leans_on_the_left_or_on_a_final_state(self) -> None:
        for node in self.touched:
            for life, channel in self.lives(node):
                virtual = channel.virtual
                if virtual is None or channel.is_end:
                    continue
                if stands(node.state, virtual.right_ledger, life.channel_id):
                    has_left = is_agreed(node.state, virtual.left_ledger, life.channel_id)
                    assert has_left or supported_final(channel) is not None

    @invariant()
    def nobody_signs_a_postfund_before_its_guarantees(self) -> None:
        for node in self.touched:
            for event in self.fresh[node.actor.address]:
                if not isinstance(event, events.StateSigned) or event.turn_num != POSTFUND_TURN:
                    continue
                channel = node.channel(event.channel_id)
                virtual = channel.virtual
                if virtual is None:
                    continue
                for ledger_id in filter(None, (virtual.left_ledger, virtual.right_ledger)):
                    assert was_agreed(node, ledger_id, channel.channel_id)

    @invariant()
    def the_payer_signs_the_postfund_last(self) -> None:
        for node in self.touched:
            for life, channel in self.lives(node):
                if node is life.payer and channel.signed_by_me(POSTFUND_TURN):
                    assert is_supported(channel, POSTFUND_TURN)

    @invariant()
    def a_hub_that_renounced_signs_no_postfund(self) -> None:
        for node in self.touched:
            for _, channel in self.lives(node):
                virtual = channel.virtual
                if virtual is not None and not channel.is_end and channel.me in virtual.renounced:
                    assert not channel.signed_by_me(POSTFUND_TURN)

    @invariant()
    def an_open_channel_is_guaranteed_until_its_final_state(self) -> None:
        for node in self.touched:
            for life, channel in self.lives(node):
                virtual = channel.virtual
                is_open = channel.signed_by_me(POSTFUND_TURN) and not supported_final(channel)
                if virtual is None or not is_open or channel.rejected or virtual.renounced:
                    continue
                for ledger_id in filter(None, (virtual.left_ledger, virtual.right_ledger)):
                    assert is_agreed(node.state, ledger_id, life.channel_id)

    @invariant()
    def nothing_is_guaranteed_for_what_is_over(self) -> None:
        for node in self.touched:
            for life, channel in self.lives(node):
                ended = [o.status in OVER for o in node.state.objectives_of(life.channel_id)]
                has_final = supported_final(channel) is not None
                if channel.virtual is None or not all(ended) or (has_final and len(ended) < 2):
                    continue
                if status(channel) in (ChannelStatus.CLOSED, ChannelStatus.REJECTED):
                    for ledger_id in (channel.virtual.left_ledger, channel.virtual.right_ledger):
                        assert not stands(node.state, ledger_id, life.channel_id)

    @invariant()
    def nothing_is_signed_before_its_owner_approves(self) -> None:
        for node in self.touched:
            for identity in node.state.unapproved:
                channel = node.channel(node.state.objectives[identity].channel_id)
                assert not channel.signed_by_me(PREFUND_TURN)


def was_agreed(node: WebNode, ledger_id: ChannelId, target: ChannelId) -> bool:
    """Agreed now; or gone already, if a whole conversation passed since."""
    ledger = node.channel(ledger_id).ledger
    if ledger is not None and find_guarantee(ledger.current, target) is not None:
        return True
    channel = node.channel(target)
    return channel.rejected or supported_final(channel) is not None
