"""A world for stories of adversaries: a row of nodes, a chain, and what somebody dishonest does.

Who is honest runs the real core. Who is not says nothing off chain any more, and on chain does
whatever its signed material allows, which is kept from the beginning: every state of a ledger that
was ever agreed, every voucher. Gas is in no figure: it is paid out of another pocket.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from protocols import commands, inputs
from protocols.channel import confirmed_holdings, funding_terms, is_withdrawn
from protocols.error import ProtocolError
from protocols.exit_calls import (
    Finalised,
    challenge_call,
    checkpoint_call,
    conclude_call,
    reclaim_call,
    redemption,
    transfer_call,
)
from protocols.ledger import ledger_state
from protocols.objectives.base import ObjectiveType, newest
from protocols.signed_state import SignedState
from protocols.state import challenge_message
from protocols.types import ZERO_ADDRESS, Address, ChannelId
from tests.support.actors import Actor
from tests.support.builders import ADJUDICATOR, DURATION_S, PAYMENT_APP, tx_hash
from tests.support.exit_rig import exit_value_of, paid_to
from tests.support.exit_web import ExitWeb
from tests.support.model_adjudicator import Kept
from tests.support.model_chain import BLOCK_TIME_S, ModelChain, ModelTransaction
from tests.support.web import WebNode, fund_channel

AMOUNT, DIRECT_AMOUNT = 1_000, 5_000
STEP_COUNT_MAX = 160
"""Far more blocks than any story takes."""
STRANGER = b"\x99" * 20
ROLES = ("payer", "first hub", "second hub", "payee")


class StoryWorld(ExitWeb):
    """See above. `honest` are those who are there; `asleep` of them are down for a while."""

    def __init__(
        self,
        seed: int,
        hop_count: int = 2,
        *,
        right_leads: frozenset[int] | None = None,
        chain_type: type[ModelChain] = ModelChain,
    ) -> None:
        self.random = random.Random(seed)
        leads = frozenset(n for n in range(hop_count + 1) if self.random.random() < 0.5)
        leads = leads if right_leads is None else right_leads
        depth = self.random.choice((1, 2, 4))
        super().__init__(hop_count, depth, right_leads=leads, chain_type=chain_type)
        for node in self.row:
            node.proves_purity = False
        self.direct = fund_channel(
            self.payer, self.payee, b"drct", (DIRECT_AMOUNT, 0), ZERO_ADDRESS, PAYMENT_APP
        )
        self.chain.held[self.direct] = DIRECT_AMOUNT
        self.honest: list[WebNode] = []
        self.asleep: list[WebNode] = []
        self.is_deaf = False
        """True while no endpoint tells anybody anything."""
        self.virtual: ChannelId = b""
        self.history: dict[ChannelId, list[SignedState]] = {known: [] for known in self.ledgers}
        """Every state of a ledger that both signed, oldest first."""
        self.redemptions: dict[ChannelId, list[tuple[SignedState, SignedState]]] = {}
        """By payment channel: each redemption that its payee could have signed, with its proof."""
        self.worths: list[int] = []
        self._name_count = 0
        self._waited: dict[ChannelId, int] = {}
        self._told = 0
        self.keep_history()

    # --- before anybody is dishonest ---

    def prepare(self) -> None:
        """A virtual channel over the row, payments in it, in the direct one and in the ledgers."""
        self.virtual = self.opened(0, AMOUNT)
        self.keep_history()
        for number in range(1, self.random.choice((3, 4))):
            for place, channel_id in enumerate((self.virtual, self.direct)):
                self.pay(channel_id, self.random.randint(1, 200), 10 * number + place)
            self.settle()
            self.keep_history()
        for number, ledger_id in enumerate(self.ledgers):
            self.row[number].feed(commands.PayLedger(ledger_id, 50, f"rent {number}"))
        self.settle()
        self.keep_history()

    def keep_history(self) -> None:
        """Whoever is dishonest later throws nothing away."""
        for place, ledger_id in enumerate(self.ledgers):
            for node in self.row[place : place + 2]:
                ledger = node.ledger(ledger_id)
                fixed = node.channel(ledger_id).fixed
                state = ledger_state(fixed, ledger.asset, ledger.current, ledger.turn_num)
                signed = SignedState(state, ledger.signatures)
                if signed not in self.history[ledger_id] and all(ledger.signatures):
                    self.history[ledger_id].append(signed)
            self.history[ledger_id].sort(key=lambda one: one.state.turn_num)
        for channel_id in filter(None, (self.direct, self.virtual)):
            vouchers = self.payee.channel(channel_id).vouchers
            if vouchers.total:
                kept = self.redemptions.setdefault(channel_id, [])
                kept.append(self.redemption(channel_id, vouchers.total, vouchers.signature))

    def redemption(
        self, channel_id: ChannelId, amount: int, voucher: bytes
    ) -> tuple[SignedState, SignedState]:
        """What a payee challenges with to be paid that voucher, and its proof."""
        proof = self.signed(self.payee, channel_id, 1)
        state = redemption(proof, amount, voucher)
        nobody = (b"",) * (len(state.fixed.participants) - 1)
        signature = self.payee.actor.signer(state.state_hash())
        return SignedState(state, (*nobody, signature)), proof

    def signed(self, node: WebNode, channel_id: ChannelId, turn_num: int) -> SignedState:
        """A state of that turn with its signatures, as the node knows it."""
        channel = node.channel(channel_id)
        turn = channel.turn(turn_num)
        assert turn is not None
        return SignedState(channel.state(turn), turn.signatures)

    def begin(self, *honest: WebNode) -> None:
        """From now on only these are honest; what each is worth now is what it must get."""
        self.honest = list(honest)
        self.worths = [exit_value_of(node) for node in honest]

    def weigh_again(self) -> None:
        """What honest nodes put in or signed since counts."""
        self.worths = [exit_value_of(node) for node in self.honest]

    # --- time ---

    @property
    def up(self) -> list[WebNode]:
        """Who is honest and not down."""
        return [node for node in self.honest if node not in self.asleep]

    def step(self, *present: WebNode) -> None:
        """One block; those who are up speak with each other and with the chain."""
        up = list(present) or self.up
        for node in up:
            self.work_on_chain(node)
        self.chain.mine()
        for node in up:
            while not self.is_deaf and self.hear_of_chain(node):
                self.work_on_chain(node)
            node.feed(inputs.Tick())
            self.work_on_chain(node)
        for node in self.row:
            node.now_ms += 1_000 * BLOCK_TIME_S
            for other in self.row:
                if node not in self.honest or other not in self.honest:
                    node.outbox.pop(other.actor.address, None)
        self.settle(without=frozenset(one.actor.address for one in self.row if one not in up))

    def steps(self, count: int) -> None:
        """So many blocks."""
        for _ in range(count):
            self.step()

    def pass_to(self, time_s: int) -> None:
        """The next block comes one block's time after that, for chain and nodes alike."""
        missing = time_s - self.chain.time_s
        assert missing >= 0, "time goes one way"
        self.chain.pass_time(missing)
        for node in self.row:
            node.now_ms += 1_000 * missing

    def deadline(self, channel_id: ChannelId) -> int:
        """When the channel's challenge ends; there must be one."""
        ends = self.chain.disputes.kept[channel_id].finalizes_at
        assert ends > self.chain.time_s, "no challenge runs"
        return ends

    def pass_to_last_blocks(self, channel_id: ChannelId, count: int) -> None:
        """So many blocks are left before the deadline, the last one second before it."""
        self.pass_to(self.deadline(channel_id) - 1 - count * BLOCK_TIME_S)

    def restart(self, node: WebNode) -> None:
        """The process ends and begins again: what is left is what the events tell."""
        node.state = node.fold()

    # --- what anybody may do on chain ---

    def send(self, data: bytes, value: int = 0, *, first: bool = False) -> None:
        """A transaction of somebody's, in the next block; `first`: before all that waits."""
        self._name_count += 1
        name = tx_hash(10_000 + self._name_count, index=5)
        transaction = ModelTransaction(b"", name, STRANGER, ADJUDICATOR, value, data)
        self.chain.pool.insert(0 if first else len(self.chain.pool), transaction)

    def challenge(self, state: SignedState, by: WebNode | Actor, *proof: SignedState) -> None:
        """Somebody who takes part registers that state."""
        actor = by.actor if isinstance(by, WebNode) else by
        wish = actor.signer(challenge_message(state.state.state_hash()))
        self.send(challenge_call(state, proof, wish))

    def checkpoint(self, state: SignedState, *proof: SignedState, first: bool = False) -> None:
        """Somebody raises the record to that state."""
        self.send(checkpoint_call(state, proof), first=first)

    def conclude(self, state: SignedState) -> None:
        """Somebody ends the channel by a final state."""
        self.send(conclude_call(state))

    def standing(self, channel_id: ChannelId) -> Finalised:
        """What stands on chain for a channel."""
        kept = self.chain.disputes.kept[channel_id]
        return Finalised(channel_id, kept.state_hash, kept.outcome)

    def transfer(self, channel_id: ChannelId, *indices: int) -> None:
        """Somebody has shares of a final channel paid out."""
        self.send(transfer_call(self.standing(channel_id), indices), first=True)

    def reclaim(self, ledger_id: ChannelId, target: ChannelId) -> None:
        """Somebody gives a final channel's guarantee back."""
        kept = self.chain.disputes.kept[target]
        judged = Finalised(target, kept.state_hash, kept.first_outcome or kept.outcome)
        source = self.standing(ledger_id)
        (exit_,) = source.outcome
        places = [n for n, a in enumerate(exit_.allocations) if a.destination == target]
        self.send(reclaim_call(source, places[0], judged), first=True)

    def deposit(self, channel_id: ChannelId, amount: int) -> None:
        """A stranger adds to the holdings, in the next block."""
        self.chain.stranger_deposits(channel_id, amount)

    # --- the end ---

    def run_to_the_end(self) -> None:
        """Whatever runs on chain runs out, answered by nobody's command; then all is left."""
        self.asleep, self.is_deaf = [], False
        quiet_count = 0
        while quiet_count < self.chain.depth + 4:
            self.step()
            quiet_count = 0 if self._pass_deadlines() else quiet_count + 1
        for number in range(STEP_COUNT_MAX):
            if number % 8 == 0:
                self.leave_all()
            if all(self.is_out(node) for node in self.honest):
                return
            self.step()
            self._pass_deadlines()
        raise AssertionError(self._why_not_out())

    def _pass_deadlines(self) -> bool:
        """A challenge that stands for five blocks stands to its end; False if none runs."""
        ends = {known: kept.finalizes_at for known, kept in self.chain.disputes.kept.items()}
        running = {known for known, end in ends.items() if end > self.chain.time_s}
        self._waited = {known: self._waited.get(known, 0) + 1 for known in running}
        if running and min(self._waited.values()) >= 5:
            self.pass_to(self.chain.time_s + DURATION_S)
        return bool(running)

    def leave_all(self) -> None:
        """Every exit that there is to make."""
        for node in self.honest:
            for channel_id in self.own_channels(node):
                try:
                    node.feed(commands.ExitChannel(channel_id))
                except ProtocolError:
                    continue  # It is over, or nothing of it is on chain.

    def own_channels(self, node: WebNode) -> list[ChannelId]:
        """What holds money on chain that the node takes part in."""
        return [
            known
            for known in sorted(node.state.channels)
            if node.channel(known).virtual is None and node.channel(known).turns
        ]

    def is_out(self, node: WebNode) -> bool:
        """Whether nothing is left that the chain could pay to the node."""
        for channel_id in self.own_channels(node):
            channel = node.channel(channel_id)
            held = confirmed_holdings(channel, funding_terms(channel).asset)
            if (held or self.chain.held.get(channel_id)) and not is_withdrawn(channel):
                return False
        return not self.chain.is_busy

    def _why_not_out(self) -> str:
        told = ["somebody is not out"]
        for node in self.honest:
            for identity in node.state.agenda.active:
                objective = node.state.objectives[identity]
                channel = node.channel(objective.channel_id)
                told.append(
                    f"{node.actor.name}: {objective.objective_type} "
                    f"{objective.channel_id.hex()[:8]} {channel.chain_status}"
                )
        return "\n".join(told)

    def received(self) -> list[int]:
        """What the chain paid to each honest node, gas left out."""
        return [paid_to(self, node) for node in self.honest]

    def nobody_lost(self) -> None:
        """Both figures of each honest node: what it was worth, and what it received."""
        for node, worth, got in zip(self.honest, self.worths, self.received(), strict=True):
            assert got >= worth, f"{node.actor.name} was worth {worth} and received {got}"
            assert node.fold().digest() == node.state.digest()

    # --- what tests ask ---

    def kept(self, channel_id: ChannelId) -> Kept:
        """What the adjudicator keeps of a channel."""
        return self.chain.disputes.kept.get(channel_id, Kept())

    def sent_kinds(self, node: WebNode) -> set[str]:
        """The kinds of transactions that the node asked for."""
        requested = node.events_of("transaction-requested")
        return {event.kind.split(" ")[0] for event in requested}

    def neighbours(self, node: WebNode) -> list[tuple[ChannelId, WebNode]]:
        """Its ledgers, each with the other party."""
        place = self.row.index(node)
        found = [(self.ledgers[place - 1], self.row[place - 1])] if place else []
        if place + 1 < len(self.row):
            found.append((self.ledgers[place], self.row[place + 1]))
        return found

    def settled_with(self, node: WebNode) -> Callable[[], bool]:
        """Whether the node's virtual channel is over for it."""
        virtual = node.channel(self.virtual).virtual
        return lambda: virtual is not None and virtual.settled

    def has(self, node: WebNode, kind: ObjectiveType, channel_id: ChannelId) -> bool:
        """Whether the node ever began such an objective."""
        return newest(node.state.objectives, kind, channel_id) is not None

    def address_of(self, node: WebNode) -> Address:
        """The node's own."""
        return node.actor.address
