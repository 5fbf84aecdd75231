"""Two nodes over wires that lose, repeat and reorder, and a chain that forks: seeded random runs.

After every step: no second signature for a turn, no way back from an end, no unit made or lost, no
payment counted twice. At the end the wires heal, the channel is closed, and the chain pays exactly
what was signed. Every few steps a node restarts from its events alone. In some runs a node loses
its newest answer as well, which had left already (M27): then the channel still ends, and pays
what the payee accepted and remembers, or more.
"""

from __future__ import annotations

from random import Random

import pytest

from protocols import commands, inputs
from protocols.channel import Channel, ChannelStatus, confirmed_holdings, funding_terms, status
from protocols.errors import ProtocolError
from protocols.events import StateSigned, VoucherIssued, VoucherReceived
from protocols.objectives.base import ObjectiveStatus
from protocols.objectives.directdefund import CONCLUDE_FALLBACK_MS
from protocols.outcome import total
from protocols.types import amount_from_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT, DURATION_S, open_command
from tests.support.network import CoreNode, Network
from tests.support.soak import times

STEP_COUNT = 400
QUIET_MS = 20_000


class Run:
    """One random run; every choice comes from its seed."""

    def __init__(self, seed: int, *, proves_purity: bool = False, cuts_tails: bool = False) -> None:
        self.random = Random(seed)
        self.cuts_tails = cuts_tails
        self.network = Network(verdict="allow", depth=self.random.randrange(4))
        self.payment_count = 0
        self.stranger_count = 0
        self.ended: dict[bytes, str] = {}
        for node in self.network.nodes.values():
            node.proves_purity = proves_purity
        self.network.alice.feed(open_command())
        if seed % 2:
            self.network.settle()  # every other run begins with the open channel

    def step(self) -> None:
        """One thing happens, somewhere."""
        node = self.random.choice(list(self.network.nodes.values()))
        actions = {
            self.deliver: 30,
            self.acknowledge: 12,
            self.network.work_on_chain: 8,
            self.hear_of_chain: 20,
            self.mine: 8,
            self.fork: 2,
            self.stranger: 1,
            self.end_batch: 8,
            self.tick: 4,
            self.pay: 25,
            self.grow_stale: 3,
            self.restart: 1,
        }
        if self.cuts_tails:
            actions[self.cut_tail] = 2
        (action,) = self.random.choices(list(actions), list(actions.values()))
        action(node)
        self.check()

    def deliver(self, node: CoreNode) -> None:
        """Any waiting message arrives, again or out of turn; what is not chosen is late or lost."""
        waiting = self.network.waiting(node)
        if not waiting:
            return
        if self.cuts_tails:
            # A cut node takes up the first number it hears, so here a session keeps the order.
            self.network.deliver(node, self.first_missing(node))
        else:
            self.network.deliver(node, self.random.randrange(waiting))

    def first_missing(self, sender: CoreNode) -> int:
        """Where the first message that the other side does not have waits; else the last one."""
        receiver = self.network.other(sender)
        received = receiver.peer(sender.actor.address).received
        waiting = sender.outbox[receiver.actor.address]
        missing = [i for i, sent in enumerate(waiting) if sent.sequence > received]
        return missing[0] if missing else len(waiting) - 1

    def acknowledge(self, node: CoreNode) -> None:
        self.network.acknowledge(node)

    def hear_of_chain(self, node: CoreNode) -> None:
        """Logs of an unknown channel are not kept: who forgot it hears of it before its logs."""
        if CHANNEL in node.state.channels:
            self.network.hear_of_chain(node)

    def mine(self, node: CoreNode) -> None:
        self.network.chain.mine()

    def fork(self, node: CoreNode) -> None:
        self.network.chain.reorg(self.random.randint(1, 3), keeps=self.random.random() < 0.5)

    def stranger(self, node: CoreNode) -> None:
        channel = self.network.alice.state.channels.get(CHANNEL)
        if self.stranger_count < 2 and (channel is None or not channel.signed_by_me(1)):
            self.stranger_count += 1
            self.network.chain.stranger_deposits(CHANNEL, self.random.randint(1, DEPOSIT // 4))

    def end_batch(self, node: CoreNode) -> None:
        node.feed(inputs.EndOfBatch())

    def tick(self, node: CoreNode) -> None:
        node.now_ms += self.random.randint(0, 1_000)
        node.feed(inputs.Tick())

    def pay(self, node: CoreNode) -> None:
        self.payment_count += 1
        amount = self.random.choice((1, 10, 10**15, 10**17))
        identity = self.payment_count.to_bytes(32, "big")
        try:
            self.network.alice.feed(commands.SendPayment(CHANNEL, amount, identity))
        except ProtocolError:
            pass  # not open yet, closing, or nothing left

    def grow_stale(self, node: CoreNode) -> None:
        node.chain_view_age_s = self.random.choice((0, 0, DURATION_S))

    def restart(self, node: CoreNode) -> None:
        """All memory is gone but the log and the outbox."""
        replayed = node.fold()
        assert replayed.digest() == node.state.digest()
        node.state = replayed
        self.network.reconnect()

    def cut_tail(self, node: CoreNode) -> None:
        """The newest answer is gone, and the owner may be faster than the next session."""
        self.network.cut_tail(node)
        if self.random.random() < 0.3:
            self.close(node)
        if self.random.random() < 0.3:
            self.network.work_on_chain(node)
        self.network.reconnect()

    def close(self, node: CoreNode) -> None:
        try:
            node.feed(commands.CloseChannel(CHANNEL))
        except ProtocolError:
            pass  # unknown or not open yet

    # --- what holds after every step ---

    def check(self) -> None:
        for node in self.network.nodes.values():
            check_signatures(node)
            if not self.cuts_tails:
                self.check_ends(node)
            channel = node.state.channels.get(CHANNEL)
            if channel is not None:
                check_conservation(channel)
        if not self.cuts_tails:
            self.check_payments()

    def check_ends(self, node: CoreNode) -> None:
        for key, entity in node.state.entities():
            if not key.startswith(b"objective|"):
                continue
            place = node.actor.address + key
            assert self.ended.get(place, entity.status) == entity.status
            if entity.status in (ObjectiveStatus.REJECTED, ObjectiveStatus.COMPLETED):
                self.ended[place] = entity.status

    def check_payments(self) -> None:
        """What the payee was credited is a prefix of what the payer issued, each once."""
        alice, bob = self.network.alice, self.network.bob
        issued = [e.payment_id for _, e in alice.log if isinstance(e, VoucherIssued)]
        credited = [e.payment_id for _, e in bob.log if isinstance(e, VoucherReceived)]
        assert credited == issued[: len(credited)]
        receipted = alice.state.channels[CHANNEL].vouchers.receipted_count
        assert receipted <= len(credited)

    # --- the end ---

    def heal(self) -> None:
        """The wires work again and time passes until nothing moves any more."""
        self.network.reconnect()
        for _ in range(8):
            for node in self.network.nodes.values():
                node.chain_view_age_s = 0
            self.network.settle()
            self.network.wait(CONCLUDE_FALLBACK_MS if self.cuts_tails else QUIET_MS)
            self.network.tick()
        self.network.settle()


def check_conservation(channel: Channel) -> None:
    terms = funding_terms(channel)
    for turn in channel.turns:
        (exit_,) = channel.state(turn).outcome
        assert total(exit_) == terms.total == DEPOSIT
    assert 0 <= channel.vouchers.receipted_total <= channel.vouchers.total <= DEPOSIT
    if status(channel) == ChannelStatus.OPEN:
        assert confirmed_holdings(channel, terms.asset) >= terms.total


def check_signatures(node: CoreNode) -> None:
    """M6: one state a turn, for ever, whatever was forgotten."""
    hashes: dict[int, bytes] = {}
    for event in (*node.lost, *(event for _, event in node.log)):
        if isinstance(event, StateSigned):
            assert event.signer == node.actor.address
            assert hashes.setdefault(event.turn_num, event.state_hash) == event.state_hash


def finish(run: Run) -> None:
    """Close, and compare the chain with what was signed."""
    network = run.network
    run.heal()
    alice = network.alice.channel()
    assert status(alice) == status(network.bob.channel()) == ChannelStatus.OPEN
    assert alice.vouchers.pending == ()
    assert network.bob.channel().vouchers.total == alice.vouchers.receipted_total
    closer = run.random.choice(list(network.nodes.values()))
    closer.feed(commands.CloseChannel(CHANNEL))
    for _ in range(STEP_COUNT // 3):
        run.step()
    run.heal()
    # Until she knows of a close by BOB, ALICE goes on paying, and what left her counts as spent
    # (M13): a payment that BOB's stale view refused during the close is still paid out.
    paid = network.alice.channel().vouchers.total
    assert network.bob.channel().vouchers.total <= paid
    expected = {ALICE.address: DEPOSIT - paid, BOB.address: paid}
    assert network.chain.paid == {who: amount for who, amount in expected.items() if amount}
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.CLOSED
        check_signatures(node)
        replayed = node.fold()
        assert replayed.digest() == node.state.digest()
        assert (replayed.unreceipted, replayed.refused) == (
            node.state.unreceipted,
            node.state.refused,
        )


def finish_with_cuts(run: Run) -> None:
    """Close, and nobody is left waiting: the chain paid what the payee remembers, or more."""
    network = run.network
    alice, bob = network.alice, network.bob
    if CHANNEL not in alice.state.channels:
        alice.feed(open_command())  # she forgot that she had proposed it
    run.heal()
    run.close(run.random.choice((alice, bob)))
    for _ in range(STEP_COUNT // 3):
        run.step()
    run.heal()
    for node in network.nodes.values():
        run.close(node)  # an owner whose close was forgotten asks once more
    run.heal()
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.CLOSED
        assert not any(o.is_active for o in node.state.objectives_of(CHANNEL))
        assert network.waiting(node) == 0
        assert node.fold().digest() == node.state.digest()
    paid = network.chain.paid.get(BOB.address, 0)
    assert paid + network.chain.paid.get(ALICE.address, 0) == DEPOSIT
    known = max(alice.channel().vouchers.total, bob.channel().vouchers.total)
    recorded = (*alice.lost, *alice.events_of("voucher-issued"))
    totals = [amount_from_bytes(e.total) for e in recorded if isinstance(e, VoucherIssued)]
    assert known <= paid <= max(totals, default=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(times(30)))
def test_a_random_run_with_cut_tails_ends_closed_for_both(seed: int) -> None:
    run = Run(seed, cuts_tails=True)
    for _ in range(STEP_COUNT):
        run.step()
    finish_with_cuts(run)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(times(30)))
def test_a_random_run_ends_with_what_was_signed(seed: int) -> None:
    run = Run(seed)
    for _ in range(STEP_COUNT):
        run.step()
    finish(run)


@pytest.mark.parametrize("seed", range(1_000, 1_000 + times(4)))
def test_in_a_random_run_every_crank_is_pure(seed: int) -> None:
    run = Run(seed, proves_purity=True)
    for _ in range(STEP_COUNT // 3):
        run.step()
    finish(run)


def test_a_run_is_told_by_its_seed_alone() -> None:
    logs = []
    for _ in range(2):
        run = Run(7)
        for _ in range(STEP_COUNT):
            run.step()
        logs.append([node.log for node in run.network.nodes.values()])
    assert logs[0] == logs[1]
    assert len(logs[0][0]) > 20
