"""Invariants of the state machine: money, vouchers and final states."""

from __future__ import annotations

from hypothesis.stateful import invariant

from protocols import events, payment_events
from protocols.channel import (
    REDEMPTION_TURN,
    Channel,
    funding_terms,
    supported_final,
)
from protocols.ledger import (
    balance_total,
)
from protocols.outcome import total
from protocols.voucher import verify_voucher
from tests.support.builders import PAYMENT_APP
from tests.support.machine_facts import ISSUED, Facts


class MoneyInvariants(Facts):
    """Nothing is made, lost or taken."""

    @invariant()
    def the_chain_holds_or_paid_what_was_deposited(self) -> None:
        chain = self.web.chain
        if not chain.is_busy:
            assert sum(chain.held.values()) + sum(chain.paid.values()) == self.web.deposited

    @invariant()
    def what_is_agreed_in_a_ledger_sums_to_its_deposits(self) -> None:
        for node in self.touched:
            for channel, ledger in self.web.ledgers_of(node):
                assert balance_total(ledger.current) == funding_terms(channel).total

    @invariant()
    def what_is_proposed_in_a_ledger_sums_to_its_deposits(self) -> None:
        for node in self.touched:
            for channel, ledger in self.web.ledgers_of(node):
                assert balance_total(ledger.proposed) == funding_terms(channel).total

    @invariant()
    def no_balance_is_below_nothing(self) -> None:
        for node in self.touched:
            for _, ledger in self.web.ledgers_of(node):
                for vars_ in (ledger.current, ledger.proposed):
                    assert min(vars_.leader, vars_.follower) >= 0

    @invariant()
    def every_state_of_a_channel_shares_out_the_same_sum(self) -> None:
        for node in self.touched:
            for _, channel in self.lives(node):
                sums = {total(channel.state(turn).outcome[0]) for turn in channel.turns}
                assert len(sums) <= 1

    @invariant()
    def leaving_now_is_worth_what_was_not_signed_away(self) -> None:
        for node in self.touched:
            worth = self.web.worth(node)
            assert worth is None or worth >= self.web.floor(node), node.actor.name

    @invariant()
    def a_hub_at_rest_has_its_start_its_payments_and_its_fees(self) -> None:
        for node in self.touched:
            others = [life for life, _ in self.lives(node) if node in (life.payer, life.payee)]
            found = self.web.ledgers_of(node)
            is_quiet = not any(ledger.queue or ledger.current.guarantees for _, ledger in found)
            closed = any(turn.is_final for channel, _ in found for turn in channel.turns)
            if others or not is_quiet or closed:
                continue
            watch = self.watch(node)
            start = sum(funding_terms(channel).deposits[channel.my_index] for channel, _ in found)
            moved = sum(watch.taken.values()) - sum(watch.given.values())
            fees = sum(
                life.fees[channel.my_index - 1]
                for life, channel in self.lives(node)
                if supported_final(channel) is not None
            )
            free = sum(
                ledger.current.leader if channel.my_index == 0 else ledger.current.follower
                for channel, ledger in found
            )
            assert free == start + moved + fees

    @invariant()
    def the_view_of_fees_earned_is_the_sum_over_opened_channels(self) -> None:
        for node in self.touched:
            expected = 0
            for life, channel in self.lives(node):
                (fund, *_) = node.state.objectives_of(life.channel_id)
                if fund.success and not channel.is_end:
                    expected += life.fees[channel.my_index - 1]
            assert sum(node.state.carried.fees_earned.values()) == expected


class PaymentInvariants(Facts):
    """Vouchers, receipts and final states."""

    @invariant()
    def nobody_pays_or_takes_more_than_the_deposit(self) -> None:
        for node in self.touched:
            for life, channel in self.lives(node):
                vouchers = channel.vouchers
                assert 0 <= vouchers.receipted_total <= vouchers.total <= life.amount

    @invariant()
    def a_payee_accepted_no_more_than_the_payer_issued(self) -> None:
        for payer, payee in self._both():
            assert payee.vouchers.total <= payer.vouchers.total

    @invariant()
    def a_payer_has_receipts_for_no_more_than_was_accepted(self) -> None:
        for payer, payee in self._both():
            assert payer.vouchers.receipted_total <= payee.vouchers.receipted_total

    def _both(self) -> list[tuple[Channel, Channel]]:
        return [
            (life.payer.channel(life.channel_id), life.payee.channel(life.channel_id))
            for life in self.web.lives
            if life.channel_id in life.payee.state.channels
        ]

    @invariant()
    def each_payment_is_credited_once_and_was_made(self) -> None:
        for node in self.touched:
            watch = self.watch(node)
            for event in self.fresh[node.actor.address]:
                if isinstance(event, events.VoucherReceived | payment_events.PaymentListed):
                    channel = node.channel(event.channel_id)
                    made = watch.credited if channel.my_index else watch.issued
                    made.setdefault(event.channel_id, []).append(event.payment_id)
                elif isinstance(event, ISSUED):
                    watch.issued.setdefault(event.channel_id, []).append(event.payment_id)
        for life in self.web.lives:
            credited = self.watch(life.payee).credited.get(life.channel_id, [])
            assert len(credited) == len(set(credited))
            assert set(credited) <= set(self.watch(life.payer).issued.get(life.channel_id, []))

    @invariant()
    def a_voucher_bears_its_payers_signature(self) -> None:
        for node in self.touched:
            for life, channel in self.lives(node):
                vouchers = channel.vouchers
                if vouchers.signature and channel.fixed.app_definition == PAYMENT_APP:
                    known = life.payer.actor.known
                    assert verify_voucher(
                        life.channel_id, vouchers.total, vouchers.signature, known
                    )

    @invariant()
    def hubs_see_no_voucher(self) -> None:
        for node in self.touched:
            for _, channel in self.lives(node):
                assert channel.is_end or channel.vouchers.payment_count == 0

    @invariant()
    def a_final_state_pays_what_was_accepted_and_no_more_than_was_issued(self) -> None:
        for payer, payee in self._both():
            for channel in (payer, payee):
                final = supported_final(channel)
                if final is not None:
                    paid = channel.state(final).outcome[0].allocations[1].amount
                    assert payee.vouchers.total <= paid <= payer.vouchers.total

    @invariant()
    def all_hold_the_same_final_state(self) -> None:
        for life in self.web.lives:
            known = [node for node in life.row if life.channel_id in node.state.channels]
            finals = [supported_final(node.channel(life.channel_id)) for node in known]
            assert len({final.state_hash for final in finals if final is not None}) <= 1

    @invariant()
    def a_hub_signs_one_final_state(self) -> None:
        for node in self.touched:
            for _, channel in self.lives(node):
                signed = [t for t in channel.turns if t.is_final and t.signatures[channel.my_index]]
                assert channel.is_end or len(signed) <= 1

    @invariant()
    def nobody_signs_the_redemptions_turn(self) -> None:
        for node in self.touched:
            for _, channel in self.lives(node):
                assert channel.turn(REDEMPTION_TURN) is None
