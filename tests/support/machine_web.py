"""A row of four nodes with ledgers between neighbours and a chain: what a state machine drives.

Any two of the row may open a channel, in either direction, so that a node is payer, hub and payee
at once. Nothing is delivered, mined or answered unless it is told to be.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from protocols import commands, inputs
from protocols.channel import (
    Channel,
    SignedTurn,
    funding_terms,
    observed_chain_status,
    supported_final,
)
from protocols.draft import Decision
from protocols.error import ProtocolError
from protocols.event import Event
from protocols.exit_value import exit_value, material_of
from protocols.funding import is_funded
from protocols.ledger import Ledger
from protocols.outcome import destination_of
from protocols.types import ZERO_ADDRESS, ChannelId
from protocols.virtual_paths import fee_at
from tests.support.builders import CONSENSUS_APP, DURATION_S, PAYMENT_APP
from tests.support.model_chain import ModelChain
from tests.support.network import CoreNode
from tests.support.web import BALANCE, Web, WebNode

FEES = (3, 5)
ENDINGS_COUNT_MAX = 256
"""Ways in which a node's ledgers may end that are tried when it is asked what leaving is worth."""


@dataclass
class Life:
    """A virtual channel that was opened, and who stands on its path."""

    channel_id: ChannelId
    row: list[WebNode]
    amount: int
    fees: tuple[int, ...]

    @property
    def payer(self) -> WebNode:
        return self.row[0]

    @property
    def payee(self) -> WebNode:
        return self.row[-1]


@dataclass
class Watch:
    """What was seen of one node so far, so that a step costs what is new."""

    read_count: int = 0
    signed: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    refused: set[tuple[bytes, int]] = field(default_factory=set)
    agreed: dict[bytes, int] = field(default_factory=dict)
    supported: dict[bytes, int] = field(default_factory=dict)
    ended: dict[bytes, str] = field(default_factory=dict)
    given: Counter[bytes] = field(default_factory=Counter)
    """By ledger: what the node signed over to the other party."""
    taken: Counter[bytes] = field(default_factory=Counter)
    """By ledger: what the other party gave it, agreed."""
    moved: dict[tuple[bytes, int], tuple[int, bool, bool]] = field(default_factory=dict)
    """Moves that are not agreed yet, by ledger and turn: amount, whether away from us, and whether
    we asked for it."""
    undone: list[tuple[bytes, int, bool]] = field(default_factory=list)
    """What we refused and the leader will take back: the inverses that are to come."""
    asked: set[tuple[bytes, str]] = field(default_factory=set)
    """By ledger: the requests under which we asked to give."""
    dropped: list[str] = field(default_factory=list)
    credited: dict[bytes, list[bytes]] = field(default_factory=dict)
    issued: dict[bytes, list[bytes]] = field(default_factory=dict)


class MachineWeb(Web):
    """`Web` over a chain, with everything in the hands of whoever drives it."""

    def __init__(self, right_leads: frozenset[int]) -> None:
        super().__init__(2, fees=FEES, right_leads=right_leads)
        self.chain = ModelChain([node.actor.address for node in self.row], depth=1)
        self.chain.mine()
        self.deposited = 0
        for ledger_id in self.ledgers:
            self.chain.held[ledger_id] = 2 * BALANCE
            self.deposited += 2 * BALANCE
        self.lives: list[Life] = []
        self.watches = {node.actor.address: Watch() for node in self.row}
        self.forged_count = dict.fromkeys(self.nodes, 0)
        """By node: messages that somebody forged and it has to drop."""
        self.counter = 0
        for node in self.row:
            node.proves_purity = False

    def number(self) -> int:
        """One that was never used."""
        self.counter += 1
        return self.counter

    def order(self, node: CoreNode, command: inputs.Input) -> bool:
        """The owner's command; False if it was refused, and then it left nothing."""
        count = len(node.log)
        try:
            node.feed(command)
        except ProtocolError:
            assert len(node.log) == count
            return False
        return True

    # --- opening ---

    def open_between(self, start: int, end: int, amount: int, fee_short: int) -> Life | None:
        """A channel between two places of the row, its fees short by so much; None if refused."""
        step = 1 if end > start else -1
        row = [self.row[place] for place in range(start, end + step, step)]
        fees = tuple(max(0, hub.fee - fee_short) for hub in row[1:-1])
        entropy = self.number().to_bytes(4, "big")
        path = tuple(node.actor.address for node in row[1:])
        command = commands.OpenVirtual(path, ZERO_ADDRESS, amount, fees, DURATION_S, entropy)
        known = set(row[0].state.channels)
        if not self.order(row[0], command):
            return None
        (channel_id,) = set(row[0].state.channels) - known
        life = Life(channel_id, row, amount, fees)
        self.lives.append(life)
        return life

    def open_ledger(self, place: int, amounts: tuple[int, int], *, leads_right: bool) -> bool:
        """One more ledger between two neighbours, agreed and deposited as owners do it."""
        pair = self.row[place : place + 2]
        leader, follower = pair[::-1] if leads_right else pair
        entropy = self.number().to_bytes(4, "big")
        who = follower.actor.address
        command = commands.OpenLedger(who, ZERO_ADDRESS, *amounts, DURATION_S, entropy)
        known = set(leader.state.channels)
        if not self.order(leader, command):
            return False
        (ledger_id,) = set(leader.state.channels) - known
        self.ledgers.append(ledger_id)
        return True

    # --- the world ---

    def reconnect(self, node: WebNode, other: WebNode) -> None:
        """A new session: each side hears what of its messages the other has on disk."""
        for one, two in ((node, other), (other, node)):
            received = two.peer(one.actor.address).received
            one.feed(inputs.PeerConnected(two.actor.address, received))

    def work_on_chain(self, node: CoreNode) -> bool:
        """The node's orders reach the chain; False if there were none."""
        busy = bool(node.submissions or node.broadcasts)
        orders, node.submissions = node.submissions, []
        for order in orders:
            self.chain.sign(node.actor.address, order)
        sent, node.broadcasts = node.broadcasts, []
        for signed in sent:
            self.chain.broadcast(signed)
        return busy

    def mine(self) -> None:
        """One more block; what is deposited in it counts."""
        self.chain.mine()
        block = self.chain.blocks[-1]
        went = {log.tx_hash for log in block.logs}
        self.deposited += sum(sent.value for sent in block.transactions if sent.tx_hash in went)

    def hear_of_chain(self, node: CoreNode) -> bool:
        """The node takes in the next chain fact; False if there is none."""
        feed = self.chain.feeds[node.actor.address]
        if feed:
            node.feed(feed.pop(0))
        return bool(feed)

    def rest(self) -> None:
        """Everything is delivered, answered, mined and confirmed."""
        busy = True
        while busy:
            self.settle()
            busy = False
            for node in self.row:
                busy |= self.work_on_chain(node)
                while self.hear_of_chain(node):
                    busy = True
            if self.chain.is_busy:
                self.mine()
                busy = True
            busy |= bool(self.links())

    def allow_all(self) -> None:
        """Owners and chain views are as on a good day."""
        for node in self.row:
            node.decision = Decision("allow")
            node.chain_view_age_s = 0
            node.guarantee_count_max = 100

    # --- reading ---

    def ledgers_of(self, node: WebNode) -> list[tuple[Channel, Ledger]]:
        """All open ledgers of a node."""
        found = []
        for ledger_id in self.ledgers:
            channel = node.state.channels.get(ledger_id)
            if channel is not None and channel.ledger is not None:
                found.append((channel, channel.ledger))
        return found

    def pair_of(self, ledger_id: ChannelId) -> list[WebNode]:
        """Leader and follower, as far as they know of the ledger."""
        found = [node for node in self.row if ledger_id in node.state.channels]
        return sorted(found, key=lambda node: node.channel(ledger_id).my_index)

    def news(self, node: WebNode) -> list[Event]:
        """What the node recorded since it was last asked."""
        watch = self.watches[node.actor.address]
        found = [event for _, event in node.log[watch.read_count :]]
        watch.read_count = len(node.log)
        return found

    # --- what leaving is worth ---

    def worth(self, node: WebNode) -> int | None:
        """What the node has if it leaves now, paid out or by what it holds; None: too many ways."""
        materials, ways, paid = [], 1, 0
        me = node.actor.address
        for channel_id in node.state.channels:
            channel = node.channel(channel_id)
            if channel.fixed.app_definition == CONSENSUS_APP:
                if observed_chain_status(channel) != "open":
                    paid += _final_share(channel)
                    continue
                if channel.ledger is not None and channel.my_index == 0:
                    ways *= 1 + len(channel.ledger.queue)
            if channel.turns:
                materials.append(material_of(channel, PAYMENT_APP))
        if ways > ENDINGS_COUNT_MAX:
            return None
        return exit_value(me, materials).get(ZERO_ADDRESS, 0) + paid

    def floor(self, node: WebNode) -> int:
        """M22, from the facts alone: what the node put in and was given, less what it signed away.

        A payer signed away the fees and her vouchers, a payee has what it accepted, a hub its fee
        for every channel that opened.
        """
        watch, found = self.watches[node.actor.address], 0
        for ledger_id in self.ledgers:
            channel = node.state.channels.get(ledger_id)
            if channel is not None and channel.turns and _counts(node, channel):
                found += funding_terms(channel).deposits[channel.my_index]
            found += watch.taken[ledger_id] - watch.given[ledger_id]
        return found + sum(self.share(node, life) for life in self.lives)

    def share(self, node: WebNode, life: Life) -> int:
        """What one virtual channel gives the node, or takes from it, at worst."""
        if node not in life.row or life.channel_id not in node.state.channels:
            return 0
        channel = node.channel(life.channel_id)
        place, final = life.row.index(node), supported_final(channel)
        has_opened = channel.supported_turn >= 1
        paid = channel.vouchers.total if final is None else _paid_by(channel, final)
        if place == 0:
            if self.fund_status(node, life.channel_id) == "rejected" and final is None:
                return 0
            return -fee_at(life.fees, 0) - paid
        if place == len(life.row) - 1:
            return paid
        return life.fees[place - 1] if has_opened else 0


def _paid_by(channel: Channel, final: SignedTurn) -> int:
    """What a final state gives the payee."""
    return channel.state(final).outcome[0].allocations[1].amount


def _counts(node: WebNode, channel: Channel) -> bool:
    """Whether the deposits are there, or were paid out."""
    return is_funded(node.state, channel) or observed_chain_status(channel) != "open"


def _final_share(channel: Channel) -> int:
    """What the final state pays us, on its way or paid out."""
    final = supported_final(channel)
    assert final is not None, "nothing else is concluded here"
    (exit_,) = channel.state(final).outcome
    mine = destination_of(channel.me)
    return sum(share.amount for share in exit_.allocations if share.destination == mine)
