"""Leaving alone: what it brings, that stale challenges are answered, and what counts is buried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from protocols import events
from protocols.app_definitions import rule_of
from protocols.channel import REDEMPTION_TURN, Channel, supported_final
from protocols.exit_events import ChallengeUnanswerable, OutcomePaid, OutcomeReclaimed
from protocols.exit_value import exit_value, material_of
from protocols.objectives.supports import newest_turn, redeems
from protocols.transaction_events import TransactionHeldBack
from protocols.types import Address, Bytes32, ChannelId, amount_from_bytes
from tests.simulation.simulator.checkers.base import Checker, Step
from tests.simulation.simulator.follower import ForkingRoom
from tests.simulation.simulator.forking import ForkingChain
from tests.simulation.simulator.sender import CEILING_WEI
from tests.support.builders import PAYMENT_APP
from tests.support.model_adjudicator import Kept

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode
    from tests.simulation.simulator.world import World

ANSWER_BLOCK_COUNT = 12
"""Blocks that a node has to see, after which a stale challenge must have been answered."""
FAILURE_COUNT_MAX = 8
"""Attempts at one call that may fail one after the other."""
OUTBID_BLOCK_COUNT_MAX = 6
"""Blocks that a node may see before it answers to a price above its bid."""


class Worth(Checker):
    """Who is honest gets at least what was signed for, whatever the others did (M22)."""

    name = "nobody loses by leaving"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._alarmed: set[Address] = set()

    def stepped(self, step: Step) -> None:
        for _, event in step.news:
            if isinstance(event, ChallengeUnanswerable):
                self._alarmed.add(step.node.address)
                self.world.note("challenge unanswerable")

    def ended(self) -> None:
        chain = self.world.chain
        if not isinstance(chain, ForkingChain):
            return
        for node in self.world.nodes:
            is_left = node.is_honest and not node.is_gone and not node.cut_count
            if is_left:
                self._got_its_due(node, chain)

    def _got_its_due(self, node: SimulatedNode, chain: ForkingChain) -> None:
        materials = []
        for channel_id in sorted(node.state.channels):
            channel = node.state.channels[channel_id]
            if channel.turns:
                held = chain.held.get(channel_id, 0) + chain.paid_from.get(channel_id, 0)
                rule = rule_of(node.state.node, channel.fixed.app_definition)
                material = material_of(channel, PAYMENT_APP, rule)
                is_direct = channel.virtual is None
                # What a payee may redeem is its largest voucher, whatever it signed.
                kept = [s for s in material.states if s.state.turn_num != REDEMPTION_TURN]
                if material.voucher is not None:
                    material = replace(material, states=tuple(kept))
                materials.append(replace(material, held=held if is_direct else 0))
        worth = sum(exit_value(node.address, materials).values())
        paid = chain.paid.get(node.address, 0)
        if paid < worth and node.address in self.world.late:
            self.world.note("came back too late for a challenge")
            is_told = node.address in self._alarmed or not self.world.late[node.address]
            self.require(is_told, f"{node.actor.name} lost something and raised no alarm")
            return
        self.require(paid >= worth, f"{node.actor.name} got and was owed", paid, worth)


class Defence(Checker):
    """Who is up and sees the chain answers a stale challenge before it ends (M19, M20)."""

    name = "defence in time"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._seen: dict[tuple[Address, ChannelId, int], int] = {}
        """By node, channel and end of the challenge: blocks that it had to answer."""
        self._judged: set[tuple[Address, ChannelId, int]] = set()
        self._failures: dict[tuple[Address, str, ChannelId], int] = {}

    def mined(self) -> None:
        chain = self.world.chain
        assert isinstance(chain, ForkingChain)
        for channel_id, kept in chain.disputes.kept.items():
            for node in self.world.nodes if kept.finalizes_at else ():
                if node.is_honest and not node.is_gone and not node.cut_count:
                    self._look(node, chain, channel_id, kept)

    def _look(
        self, node: SimulatedNode, chain: ForkingChain, channel_id: ChannelId, kept: Kept
    ) -> None:
        channel, key = node.state.channels.get(channel_id), (node.address, channel_id)
        where = (*key, kept.finalizes_at)
        if channel is None or not kept.state_hash.strip(b"\0") or not is_stale(node, channel, kept):
            self._seen.pop(where, None)
        elif kept.finalizes_at > chain.time_s:
            self._seen[where] = self._seen.get(where, 0) + 1 if may_act(node, chain) else 0
        else:
            count = self._seen.pop(where, 0)
            if where in self._judged:
                return
            self._judged.add(where)
            if count < ANSWER_BLOCK_COUNT:
                # A final state that came when the time was nearly over is a chance missed, no loss.
                is_loss = supported_final(channel) is None
                self.world.late[node.address] = self.world.late.get(node.address, False) or is_loss
            self.require(
                count < ANSWER_BLOCK_COUNT,
                f"{node.actor.name} did not answer a stale challenge in so many blocks",
                count,
                channel_id,
            )

    def stepped(self, step: Step) -> None:
        for _, event in step.news:
            if isinstance(event, TransactionHeldBack):
                self.world.note("transaction held back")
            if isinstance(event, events.TransactionMined | events.TransactionFailed):
                self._count_failures(step.node, event)

    def _count_failures(
        self, node: SimulatedNode, event: events.TransactionMined | events.TransactionFailed
    ) -> None:
        known = node.shadow.state.transactions.get(event.intent_id)
        if known is None or self.world.departures is None:
            return
        key = (node.address, known.kind, known.channel_id)
        if isinstance(event, events.TransactionMined) and event.succeeded:
            self._failures.pop(key, None)
            return
        count = self._failures[key] = self._failures.get(key, 0) + 1
        self.world.note("call failed")
        few = count <= FAILURE_COUNT_MAX
        self.require(few, f"{node.actor.name} tries again and again to", known.kind, count)


def may_act(node: SimulatedNode, chain: ForkingChain) -> bool:
    """Whether the node is up, sees the chain, and may pay what it asks."""
    process = node.process
    if process is None or process.room.is_down or chain.base_fee_wei > CEILING_WEI:
        return False
    return getattr(process.room, "seen_num", 0) >= len(chain.blocks) - 2


class Bids(Checker):
    """Who has to be mined before a deadline, and is outbid, bids more (the owner's limit aside)."""

    name = "bids rise in time"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._outbid: dict[tuple[Address, Bytes32, int], int] = {}
        """By node, intent and bid: blocks that the node saw since."""

    def mined(self) -> None:
        chain = self.world.chain
        assert isinstance(chain, ForkingChain)
        before, self._outbid = self._outbid, {}
        for node in self.world.nodes:
            if not node.is_honest or not may_act(node, chain):
                continue
            assert node.process is not None
            assert isinstance(node.process.room, ForkingRoom)
            for intent_id, bid_wei in node.process.room.sender.outbid():
                if bid_wei * 9 // 8 >= CEILING_WEI:
                    continue
                key = (node.address, intent_id, bid_wei)
                count = self._outbid[key] = before.get(key, 0) + 1
                self.world.note("outbid")
                few = count <= OUTBID_BLOCK_COUNT_MAX
                self.require(few, f"{node.actor.name} is outbid and bids no more", bid_wei, count)


def is_stale(node: SimulatedNode, channel: Channel, kept: Kept) -> bool:
    """Whether the node holds what it has to answer with."""
    if supported_final(channel) is not None:
        return True
    if channel.ledger is not None:
        return kept.turn_num < channel.ledger.turn_num
    if rule_of(node.state.node, channel.fixed.app_definition) is not None:
        return kept.turn_num < newest_turn(node.state.node, channel)
    return redeems(node.state.node, channel) and kept.turn_num < REDEMPTION_TURN


COUNTING = (
    events.DepositDetected,
    events.ChallengeRegistered,
    events.ChallengeCleared,
    events.ChannelConcluded,
    OutcomePaid,
    OutcomeReclaimed,
)


class Facts(Checker):
    """What counts for money is on the chain, and buried (M19): no endpoint can make it up."""

    name = "only what is buried counts"

    def stepped(self, step: Step) -> None:
        chain = self.world.chain
        if not isinstance(chain, ForkingChain) or not step.node.is_honest:
            return
        for _, event in step.news:
            if isinstance(event, COUNTING):
                key = (event.channel_id, event.block_num, event.tx_hash)
                self.require(
                    key in chain.buried,
                    f"{step.node.actor.name} counts what is not buried",
                    event.NAME,
                    event.block_num,
                )
                if isinstance(event, events.DepositDetected):
                    held = amount_from_bytes(event.now_held)
                    self.require(held in chain.buried[key], "another deposit", held)
