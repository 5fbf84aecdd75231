"""Ledgers, virtual channels and payments as one state machine: any order of anything.

Hypothesis picks what happens next: an owner orders something, one message is delivered, out of
order, twice or not yet, a node starts again from its log, time passes, the chain goes on, somebody
lies. After every step the invariants of `tests.support.machine_invariants` hold, and in the end
everything is closed and everybody has what was signed.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    INVARIANT_MARKER,
    RULE_MARKER,
    initialize,
    rule,
    run_state_machine_as_test,
)

from protocols import commands, inputs, messages
from protocols.channel import ChannelStatus, status
from protocols.draft import Decision, Draft
from protocols.ledger import MOVE, NO_TARGET, Change, parties
from protocols.ledgers import sign_and_send
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from protocols.types import amount_to_bytes
from tests.support.builders import DURATION_S, payment
from tests.support.deviations import MALLORY
from tests.support.machine_facts import OVER
from tests.support.machine_invariants import Invariants
from tests.support.machine_web import Life, MachineWeb
from tests.support.network import Said
from tests.support.soak import times
from tests.support.view_folds import follow
from tests.support.web import BALANCE, WebNode

pytestmark = pytest.mark.slow

PLACES = st.integers(0, 3)
PICKS = st.integers(0, 2**16)
AMOUNTS = st.integers(1, 60)
EXAMPLE_COUNT = 50
STEP_COUNT = 60
CLOSING_ROUND_COUNT_MAX = 30
DAY_MS = 86_400_000
VIEW_CHANCE = 0.1
"""How often the views of a life are compared with its state: behind every tenth record."""

LUCK = st.sampled_from([False, False, False, True])
"""Whether what rarely happens does."""


class Machine(Invariants):
    """Four nodes in a row, and everything that can happen to them."""

    @initialize(
        right_leads=st.frozensets(st.integers(0, 2)),
        start=PLACES,
        amount=AMOUNTS,
        is_open=st.booleans(),
    )
    def begin(self, right_leads: frozenset[int], start: int, amount: int, *, is_open: bool) -> None:
        """Ledgers between neighbours, and one channel that is open or on its way."""
        self.web = MachineWeb(right_leads)
        self.has_begun = True
        self.web.open_between(start, (start + 2) % 4, 1_000 + amount, 0)
        if is_open:
            self.web.settle()

    def node(self, place: int) -> WebNode:
        return self.web.row[place]

    def life(self, pick: int) -> Life | None:
        return self.web.lives[pick % len(self.web.lives)] if self.web.lives else None

    def running(self, pick: int) -> Life | None:
        """One that its payer may pay in, if there is any."""
        found = [life for life in self.web.lives if self.is_running(life)]
        return found[pick % len(found)] if found else self.life(pick)

    def opening(self, pick: int) -> Life | None:
        """One that is on its way, if there is any."""
        found = [
            life
            for life in self.web.lives
            if self.web.fund_status(life.payer, life.channel_id) == ObjectiveStatus.APPROVED
        ]
        return found[pick % len(found)] if found else self.life(pick)

    @staticmethod
    def is_running(life: Life) -> bool:
        return status(life.payer.channel(life.channel_id)) == ChannelStatus.OPEN

    # --- owners open ---

    @rule(start=PLACES, end=PLACES, amount=st.integers(1, 4_000), short=st.sampled_from([0, 0, 1]))
    def open_virtual(self, start: int, end: int, amount: int, short: int) -> None:
        if start != end and len(self.web.lives) < 8:
            self.web.open_between(start, end, amount, short)

    @rule(place=st.integers(0, 2), amount=st.integers(0, 500), leads_right=st.booleans())
    def open_ledger(self, place: int, amount: int, *, leads_right: bool) -> None:
        if len(self.web.ledgers) < 6:
            self.web.open_ledger(place, (500, amount), leads_right=leads_right)

    @rule(pick=PICKS, luck=LUCK)
    def reject(self, pick: int, *, luck: bool) -> None:
        if not luck:
            return
        life = self.opening(pick)
        if life is not None:
            node = life.row[pick % len(life.row)]
            identity = objective_id(ObjectiveType.VIRTUAL_FUND, life.channel_id)
            self.web.order(node, commands.RejectObjective(identity))

    @rule(pick=PICKS, luck=LUCK)
    def give_up(self, pick: int, *, luck: bool) -> None:
        if not luck:
            return
        life = self.opening(pick)
        if life is not None and life.payer.channel(life.channel_id).supported_turn < 1:
            self.web.order(life.payer, commands.CloseChannel(life.channel_id))

    @rule(place=PLACES, pick=PICKS)
    def approve(self, place: int, pick: int) -> None:
        waiting = list(self.node(place).state.unapproved)
        if waiting:
            identity = waiting[pick % len(waiting)]
            self.web.order(self.node(place), commands.ApproveObjective(identity))

    @rule(place=PLACES, verdict=st.sampled_from(["allow", "allow", "ask", "deny"]), luck=LUCK)
    def change_policy(self, place: int, verdict: str, *, luck: bool) -> None:
        if not luck:
            return
        reason = "house rules" if verdict == "deny" else ""
        self.node(place).decision = Decision(verdict, reason)

    @rule(place=PLACES, limit=st.sampled_from([0, 1, 2, 100]), luck=LUCK)
    def limit_guarantees(self, place: int, limit: int, *, luck: bool) -> None:
        """What is under way may be refused by it, and is undone."""
        if not luck:
            return
        self.node(place).guarantee_count_max = limit

    @rule(place=PLACES, fee=st.integers(0, 9))
    def change_fee(self, place: int, fee: int) -> None:
        self.node(place).fee = fee

    # --- owners pay ---

    @rule(pick=PICKS, amount=AMOUNTS)
    def pay_once(self, pick: int, amount: int) -> None:
        life = self.running(pick)
        if life is not None:
            identity = self.web.number().to_bytes(32, "big")
            self.web.order(life.payer, commands.SendPayment(life.channel_id, amount, identity))

    @rule(pick=PICKS, amounts=st.lists(AMOUNTS, min_size=2, max_size=4))
    def pay_a_list_under_one_voucher(self, pick: int, amounts: list[int]) -> None:
        self.pay_list(pick, amounts, is_shared=True)

    @rule(pick=PICKS, amounts=st.lists(AMOUNTS, min_size=2, max_size=4))
    def pay_a_list_with_a_voucher_each(self, pick: int, amounts: list[int]) -> None:
        self.pay_list(pick, amounts, is_shared=False)

    def pay_list(self, pick: int, amounts: list[int], *, is_shared: bool) -> None:
        life = self.running(pick)
        if life is not None:
            prefix = self.web.number().to_bytes(28, "big")
            memos = ("",) * len(amounts)
            command = commands.SendBatch(life.channel_id, tuple(amounts), memos, prefix, is_shared)
            self.web.order(life.payer, command)

    @rule(pick=PICKS, amount=AMOUNTS, is_taken=st.booleans())
    def hand_a_voucher_over(self, pick: int, amount: int, *, is_taken: bool) -> None:
        life = self.running(pick)
        if life is not None:
            identity = self.web.number().to_bytes(32, "big")
            command = commands.CreateVoucher(life.channel_id, amount, identity)
            if self.web.order(life.payer, command) and is_taken:
                self.take(life)

    @rule(pick=PICKS)
    def take_the_largest_voucher(self, pick: int) -> None:
        life = self.life(pick)
        if life is not None and life.payer.channel(life.channel_id).vouchers.signature:
            self.take(life)

    def take(self, life: Life) -> None:
        vouchers = life.payer.channel(life.channel_id).vouchers
        command = commands.TakeVoucher(life.channel_id, vouchers.total, vouchers.signature)
        self.web.order(life.payee, command)

    @rule(pick=PICKS, place=st.integers(0, 1), amount=AMOUNTS)
    def pay_in_a_ledger(self, pick: int, place: int, amount: int) -> None:
        ledger_id = self.web.ledgers[pick % len(self.web.ledgers)]
        pair = self.web.pair_of(ledger_id)
        request_id = str(self.web.number())
        self.web.order(pair[place % len(pair)], commands.PayLedger(ledger_id, amount, request_id))

    # --- owners close ---

    @rule(pick=PICKS, luck=LUCK)
    def close_by_the_payer(self, pick: int, *, luck: bool) -> None:
        if not luck:
            return
        life = self.life(pick)
        if life is not None:
            self.web.order(life.payer, commands.CloseChannel(life.channel_id))

    @rule(pick=PICKS, luck=LUCK)
    def close_by_the_payee(self, pick: int, *, luck: bool) -> None:
        if not luck:
            return
        life = self.life(pick)
        if life is not None:
            self.web.order(life.payee, commands.CloseChannel(life.channel_id))

    @rule(pick=PICKS)
    def close_by_a_hub(self, pick: int) -> None:
        """It leaves that to the ends, unless they began."""
        life = self.life(pick)
        if life is not None:
            for hub in life.row[1:-1]:
                began = len(hub.state.objectives_of(life.channel_id)) > 1
                ordered = self.web.order(hub, commands.CloseChannel(life.channel_id))
                assert began or not ordered

    @rule(pick=PICKS, place=st.integers(0, 1))
    def close_a_ledger(self, pick: int, place: int) -> None:
        """One that was opened on the way: the others carry what follows."""
        added = self.web.ledgers[3:]
        if added:
            ledger_id = added[pick % len(added)]
            pair = self.web.pair_of(ledger_id)
            self.web.order(pair[place % len(pair)], commands.CloseChannel(ledger_id))

    # --- the wires ---

    def link(self, pick: int) -> tuple[WebNode, bytes] | None:
        links = self.web.links()
        return links[pick % len(links)] if links else None

    @rule(pick=PICKS)
    def deliver_the_next(self, pick: int) -> None:
        link = self.link(pick)
        if link is not None:
            sender, to = link
            received = self.web.nodes[to].peer(sender.actor.address).received
            sequences = [sent.sequence for sent in sender.outbox[to]]
            if received + 1 in sequences:
                self.web.deliver(sender, to, sequences.index(received + 1))

    @rule(pick=PICKS, index=PICKS)
    def deliver_any(self, pick: int, index: int) -> None:
        """Out of order, or once more."""
        link = self.link(pick)
        if link is not None:
            sender, to = link
            self.web.deliver(sender, to, index % len(sender.outbox[to]))

    @rule(pick=PICKS)
    def deliver_all_of_a_link_twice(self, pick: int) -> None:
        link = self.link(pick)
        if link is not None:
            sender, to = link
            for index in (*range(len(sender.outbox[to])), *range(len(sender.outbox[to]))):
                self.web.deliver(sender, to, index)

    @rule(pick=PICKS)
    def hand_over_a_link(self, pick: int) -> None:
        link = self.link(pick)
        if link is not None:
            self.web.hand_over(*link)

    @rule(pick=PICKS)
    def acknowledge(self, pick: int) -> None:
        link = self.link(pick)
        if link is not None:
            sender, to = link
            self.web.acknowledge(self.web.nodes[to], sender.actor.address)

    @rule(place=PLACES, other=PLACES)
    def reconnect(self, place: int, other: int) -> None:
        if place != other:
            self.web.reconnect(self.node(place), self.node(other))

    @rule(place=PLACES)
    def end_a_batch(self, place: int) -> None:
        self.node(place).feed(inputs.EndOfBatch())

    @rule(count=st.integers(1, 12), pick=PICKS)
    def let_them_talk_for_a_while(self, count: int, pick: int) -> None:
        """One link after the other, each with its batch."""
        for number in range(count):
            link = self.link(pick + number)
            if link is not None:
                self.web.hand_over(*link)
                self.web.nodes[link[1]].feed(inputs.EndOfBatch())

    @rule()
    def let_everybody_talk(self) -> None:
        self.web.settle()

    # --- time, memory, the chain ---

    @rule(place=PLACES, duration_ms=st.sampled_from([0, 1_000, 60_000]))
    def tick(self, place: int, duration_ms: int) -> None:
        self.node(place).now_ms += duration_ms
        self.node(place).feed(inputs.Tick())

    @rule(duration_ms=st.sampled_from([700_000, 1_300_000, DAY_MS + 1]), luck=LUCK)
    def wait_until_things_expire(self, duration_ms: int, *, luck: bool) -> None:
        if not luck:
            return
        self.web.wait(duration_ms)

    @rule(place=PLACES, luck=LUCK)
    def restart(self, place: int, *, luck: bool) -> None:
        """All memory is gone but the log and the outbox."""
        if not luck:
            return
        node = self.node(place)
        replayed = node.fold()
        assert replayed.digest() == node.state.digest()
        views = [
            (state.ledgers, state.unanswered, state.unreceipted, state.refused, state.carried.count)
            for state in (replayed, node.state)
        ]
        assert views[0] == views[1]
        node.state = replayed

    @rule(place=PLACES, age_s=st.sampled_from([0, 0, DURATION_S]), luck=LUCK)
    def look_away_from_the_chain(self, place: int, age_s: int, *, luck: bool) -> None:
        if not luck:
            return
        self.node(place).chain_view_age_s = age_s

    @rule()
    def let_the_chain_go_on(self) -> None:
        for node in self.web.row:
            self.web.work_on_chain(node)
        self.web.mine()

    @rule(place=PLACES, count=st.integers(1, 20))
    def hear_of_the_chain(self, place: int, count: int) -> None:
        for _ in range(count):
            if not self.web.hear_of_chain(self.node(place)):
                break

    # --- liars ---

    @rule(pick=PICKS, amount=AMOUNTS, luck=LUCK)
    def forge_a_voucher(self, pick: int, amount: int, *, luck: bool) -> None:
        """A hub speaks with the payer's number but without her key."""
        if not luck:
            return
        life = self.life(pick)
        if life is not None and life.channel_id in life.payee.state.channels:
            held = life.payee.channel(life.channel_id).vouchers.total
            body = payment(held + amount, amount, by=MALLORY, channel_id=life.channel_id)
            self.utter(life.payer, life.payee, body, is_dropped=False)

    @rule(pick=PICKS, place=st.integers(0, 1), turn=st.integers(1, 9))
    def forge_a_countersignature(self, pick: int, place: int, turn: int) -> None:
        ledger_id = self.web.ledgers[pick % 3]
        pair = self.web.pair_of(ledger_id)
        speaker, listener = pair if place else pair[::-1]
        ledger = listener.channel(ledger_id).ledger
        if ledger is not None:
            body = messages.LedgerCountersignature(ledger_id, ledger.turn_num + turn, bytes(65))
            self.utter(speaker, listener, body, is_dropped=True)

    @rule(pick=PICKS, amount=AMOUNTS)
    def wish_for_more_than_there_is(self, pick: int, amount: int) -> None:
        ledger_id = self.web.ledgers[pick % 3]
        leader, follower = self.web.pair_of(ledger_id)
        wanted = amount_to_bytes(4 * BALANCE + amount)
        body = messages.LedgerPaymentRequest(ledger_id, wanted, str(self.web.number()))
        self.utter(follower, leader, body, is_dropped=True)

    @rule(pick=PICKS, amount=AMOUNTS)
    def propose_to_take_the_followers_money(self, pick: int, amount: int) -> None:
        """The leader's own rules forbid it; the follower refuses and it is undone."""
        ledger_id = self.web.ledgers[pick % 3]
        leader, _ = self.web.pair_of(ledger_id)
        channel = leader.channel(ledger_id)
        ledger = channel.ledger
        if ledger is not None and ledger.proposed.follower >= amount and len(ledger.queue) < 9:
            ours, theirs = parties(channel.fixed)
            draft = Draft(leader.state, leader.context())
            sign_and_send(draft, channel, ledger, Change(MOVE, NO_TARGET, amount, theirs, ours))
            leader.take(draft.result())

    def utter(
        self, speaker: WebNode, listener: WebNode, body: messages.Body, *, is_dropped: bool
    ) -> None:
        """The listener hears it next, under the speaker's number; its own node knows nothing."""
        to = listener.actor.address
        received = listener.peer(speaker.actor.address).received
        if speaker.peer(to).sent != received:
            return  # Something honest waits: a lie in its place would be the speaker's loss.
        draft = Draft(speaker.state, speaker.context())
        draft.send(to, body, bytes(32))
        speaker.take(draft.result())
        self.web.forged_count[to] += is_dropped
        listener.feed(Said(speaker.actor, body))

    # --- the end ---

    def teardown(self) -> None:
        """Everything is closed: nothing is left waiting, and everybody has what was signed."""
        if not self.has_begun:
            return
        web = self.web
        web.allow_all()
        for _ in range(CLOSING_ROUND_COUNT_MAX):
            web.rest()
            if self.is_over():
                break
            for life in web.lives:
                web.order(life.payer, commands.CloseChannel(life.channel_id))
            web.wait(400_000)
        assert self.is_over()
        self.look()
        for name in marked(INVARIANT_MARKER):
            getattr(self, name)()
        for node in web.row:
            for _, ledger in web.ledgers_of(node):
                assert (ledger.current.guarantees, ledger.queue) == ((), ())
            assert node.state.carried.shares == {}
            assert node.fold().digest() == node.state.digest()
            follow(node.log, VIEW_CHANCE, len(node.log))
            worth = web.worth(node)
            assert worth == web.floor(node), (node.actor.name, worth, web.floor(node))
        assert sum(web.worth(node) or 0 for node in web.row) == web.deposited

    def is_over(self) -> bool:
        """Every virtual channel has ended, and nothing is under way."""
        for node in self.web.row:
            for life in self.web.lives:
                found = node.state.objectives_of(life.channel_id)
                if not all(objective.status in OVER for objective in found):
                    return False
                if life.payer is node and len(found) == 1 and found[0].success:
                    return False
        return True


def marked(marker: str) -> list[str]:
    """The machine's methods that Hypothesis marked so."""
    return [name for name in dir(Machine) if hasattr(getattr(Machine, name), marker)]


def test_the_machine_has_as_many_rules_and_invariants_as_it_claims() -> None:
    rules, invariants = marked(RULE_MARKER), marked(INVARIANT_MARKER)
    assert len(rules) >= 35
    assert len(invariants) >= 50


def test_any_order_of_anything_ends_with_what_was_signed() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            derandomize=True,
            max_examples=times(EXAMPLE_COUNT),
            stateful_step_count=STEP_COUNT,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
        ),
    )
