"""Two nodes over wires that lose, repeat and reorder, and a chain that forks: seeded random runs.

After every step: no second signature for a turn, no way back from an end, no unit made or lost, no
payment counted twice. At the end the wires heal, the channel is closed, and the chain pays exactly
what was signed. Every few steps a node restarts from its events alone.
"""

from __future__ import annotations

from random import Random

import pytest

from protocols import inputs
from protocols.channel import Channel, ChannelStatus, confirmed_holdings, funding_terms, status
from protocols.errors import ProtocolError
from protocols.events import StateSigned, VoucherIssued, VoucherReceived
from protocols.objectives.base import ObjectiveStatus
from protocols.outcome import total
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT, DURATION_S, open_command
from tests.support.network import CoreNode, Network

STEP_COUNT = 400


class Run:
    """One random run; every choice comes from its seed."""

    def __init__(self, seed: int, *, proves_purity: bool = False) -> None:
        self.random = Random(seed)
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
            self.network.hear_of_chain: 20,
            self.mine: 8,
            self.fork: 2,
            self.stranger: 1,
            self.end_batch: 8,
            self.tick: 4,
            self.pay: 25,
            self.grow_stale: 3,
            self.restart: 1,
        }
        (action,) = self.random.choices(list(actions), list(actions.values()))
        action(node)
        self.check()

    def deliver(self, node: CoreNode) -> None:
        """Any waiting message arrives, again or out of turn; what is not chosen is late or lost."""
        waiting = self.network.waiting(node)
        if waiting:
            self.network.deliver(node, self.random.randrange(waiting))

    def acknowledge(self, node: CoreNode) -> None:
        self.network.acknowledge(node)

    def mine(self, node: CoreNode) -> None:
        self.network.chain.mine()

    def fork(self, node: CoreNode) -> None:
        self.network.chain.reorg(self.random.randint(1, 3), keeps=self.random.random() < 0.5)

    def stranger(self, node: CoreNode) -> None:
        if self.stranger_count < 2 and not self.network.alice.channel().signed_by_me(1):
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
            self.network.alice.feed(inputs.SendPayment(CHANNEL, amount, identity))
        except ProtocolError:
            pass  # not open yet, closing, or nothing left

    def grow_stale(self, node: CoreNode) -> None:
        node.chain_view_age_s = self.random.choice((0, 0, DURATION_S))

    def restart(self, node: CoreNode) -> None:
        """All memory is gone but the log and the outbox."""
        replayed = node.fold()
        assert replayed.digest() == node.state.digest()
        node.state = replayed

    # --- what holds after every step ---

    def check(self) -> None:
        for node in self.network.nodes.values():
            self.check_ends(node)
            channel = node.state.channels.get(CHANNEL)
            if channel is not None:
                check_conservation(channel)
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
        for _ in range(8):
            for node in self.network.nodes.values():
                node.chain_view_age_s = 0
            self.network.settle()
            self.network.wait(20_000)
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
    """M6: one state a turn, for ever."""
    hashes: dict[int, bytes] = {}
    for _, event in node.log:
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
    closer.feed(inputs.CloseChannel(CHANNEL))
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


@pytest.mark.parametrize("seed", range(30))
def test_a_random_run_ends_with_what_was_signed(seed: int) -> None:
    run = Run(seed)
    for _ in range(STEP_COUNT):
        run.step()
    finish(run)


@pytest.mark.parametrize("seed", range(1_000, 1_004))
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
