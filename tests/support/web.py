"""Any number of nodes in a row over the pure core, with a funded ledger between neighbours.

`Web` delivers everything in order; `step` delivers, loses, repeats and reorders as one seed says.
The ledgers are recorded, not negotiated: how one opens is told elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from protocols import commands, events, inputs, messages
from protocols.channel import Channel
from protocols.crypto import Signer
from protocols.draft import Context
from protocols.ledger import Change, Ledger, LedgerVars, after, balance_total, ledger_state
from protocols.ledger_events import LedgerUpdateProposed, LedgerUpdateSigned
from protocols.nonce import channel_nonce
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address, ChannelId, amount_to_bytes, to_hex
from tests.support.actors import ALICE, BOB, IRENE, IVAN, Actor
from tests.support.builders import ADJUDICATOR, CHAIN_ID, CONSENSUS_APP, DURATION_S
from tests.support.network import CoreNode, Said

BALANCE = 10_000
"""What each party of a ledger begins with."""

SETTLE_ROUND_COUNT_MAX = 400
"""No conversation here takes as many rounds: one that does is stuck in a circle."""


def _more(number: int) -> Actor:
    secret = bytes(31) + bytes((number,))
    signer = Signer(secret)
    return Actor(f"hub {number}", secret, signer.address, signer)


HUBS = (IVAN, IRENE, _more(3), _more(4))
"""Intermediaries, in the order of a path."""


class WebNode(CoreNode):
    """A node that carries virtual channels of others, for the fee a test sets."""

    def __init__(self, actor: Actor) -> None:
        super().__init__(actor)
        self.fee = 0
        self.is_hub = True
        self.guarantee_count_max = 100
        self.exposure_max: int | None = None

    def context(self) -> Context:
        """What a crank is told now."""
        return replace(
            super().context(),
            is_hub=self.is_hub,
            fee_for=lambda asset, amount: self.fee,
            guarantee_count_max=self.guarantee_count_max,
            exposure_max=lambda asset: self.exposure_max,
        )

    def ledger(self, channel_id: ChannelId) -> Ledger:
        """What the node knows of that ledger."""
        ledger = self.channel(channel_id).ledger
        assert ledger is not None
        return ledger


class Web:
    """Nodes in a row from a payer to a payee; node k leads the ledger to its right unless told."""

    make_node: type[WebNode] = WebNode

    def __init__(
        self,
        hop_count: int,
        *,
        fees: Sequence[int] | None = None,
        right_leads: frozenset[int] = frozenset(),
        balance: int = BALANCE,
        asset: Address = ZERO_ADDRESS,
    ) -> None:
        actors = (ALICE, *HUBS[:hop_count], BOB)
        self.row = [self.make_node(actor) for actor in actors]
        self.nodes = {node.actor.address: node for node in self.row}
        self.fees = tuple(range(1, hop_count + 1)) if fees is None else tuple(fees)
        for node, fee in zip(self.row[1:-1], self.fees, strict=True):
            node.fee = fee
        self.asset = asset
        for node in self.row:
            node.assets = frozenset({asset})
        self.ledgers = [
            self.add_ledger(place, b"l%03d" % place, leads_right=place in right_leads, each=balance)
            for place in range(hop_count + 1)
        ]

    @property
    def payer(self) -> WebNode:
        return self.row[0]

    @property
    def payee(self) -> WebNode:
        return self.row[-1]

    def add_ledger(
        self,
        place: int,
        entropy: bytes,
        *,
        leads_right: bool = False,
        each: int = BALANCE,
        asset: Address | None = None,
    ) -> ChannelId:
        """Record a funded ledger between two neighbours on both sides."""
        pair = self.row[place : place + 2]
        leader, follower = reversed(pair) if leads_right else pair
        held = self.asset if asset is None else asset
        return fund_ledger(leader, follower, entropy, (each, each), held)

    # --- delivery ---

    def deliver(self, sender: CoreNode, to: Address, index: int = 0) -> None:
        """One waiting message reaches its receiver; it stays in the outbox until acknowledged."""
        sent = sender.outbox[to][index]
        body = messages.decode_body(sent.body)
        who = sender.actor.address
        self.nodes[to].feed(inputs.PeerMessage(who, sent.sequence, body, len(sent.body)))

    def acknowledge(self, receiver: CoreNode, sender: Address) -> None:
        """The receiver tells the sender what it has on disk."""
        received = receiver.peer(sender).received
        self.nodes[sender].feed(inputs.PeerAck(receiver.actor.address, received))

    def links(self) -> list[tuple[WebNode, Address]]:
        """Who has messages waiting for whom."""
        return [(node, to) for node in self.row for to, sent in node.outbox.items() if sent]

    def hand_over(self, sender: WebNode, to: Address) -> None:
        """Everything that waits for that receiver reaches it and is acknowledged."""
        for index in range(len(sender.outbox.get(to, []))):
            self.deliver(sender, to, index)
        self.acknowledge(self.nodes[to], sender.actor.address)

    def end_batches(self) -> bool:
        """Every node answers what waited for the end of a batch; False if nothing did."""
        answers = [node.feed(inputs.EndOfBatch()) for node in self.row]
        return any(answer.events for answer in answers)

    def settle(self, *, without: frozenset[Address] = frozenset()) -> None:
        """Everything is delivered in order until nothing is left to say; some may be away."""
        for _ in range(SETTLE_ROUND_COUNT_MAX):
            links = [
                (node, to)
                for node, to in self.links()
                if node.actor.address not in without and to not in without
            ]
            for node, to in links:
                self.hand_over(node, to)
            if not self.end_batches() and not links:
                return
        raise AssertionError("the conversation is stuck in a circle")

    def step(self, rng: random.Random, loss: float = 0.3) -> None:
        """One wire delivers, out of order, twice or never; the acknowledgement may be lost too."""
        links = self.links()
        if not links or rng.random() < 0.2:
            rng.choice(self.row).feed(inputs.EndOfBatch())
            return
        sender, to = rng.choice(links)
        received = self.nodes[to].peer(sender.actor.address).received
        waiting = sender.outbox[to]
        missing = [i for i, sent in enumerate(waiting) if sent.sequence > received]
        index = missing[0] if missing and rng.random() < 0.7 else rng.randrange(len(waiting))
        if rng.random() >= loss:
            self.deliver(sender, to, index)
        if rng.random() < 0.2 and sender.outbox.get(to):
            self.deliver(sender, to, rng.randrange(len(sender.outbox[to])))
        if rng.random() >= loss:
            self.acknowledge(self.nodes[to], sender.actor.address)

    def storm(self, rng: random.Random, step_count_max: int = 6_000) -> None:
        """Steps until nothing waits and nobody has anything to answer."""
        for _ in range(step_count_max):
            if not self.links() and not self.end_batches():
                return
            self.step(rng)
        raise AssertionError("the wires never fell silent")

    def wait(self, duration_ms: int) -> None:
        """Time passes for all, and all look at it."""
        for node in self.row:
            node.now_ms += duration_ms
            node.feed(inputs.Tick())

    def cut_tail(self, node: WebNode, answer_count: int = 1) -> None:
        """The node loses its newest answers, which had left, and all sessions begin anew."""
        node.cut_tail(answer_count)
        for one in self.row:
            for other in self.row:
                if one is not other:
                    received = other.peer(one.actor.address).received
                    one.feed(inputs.PeerConnected(other.actor.address, received))

    # --- a virtual channel ---

    def open_command(self, amount: int = 1_000, entropy: bytes = b"virt") -> commands.OpenVirtual:
        """The payer's owner opens a channel over the whole row."""
        path = tuple(node.actor.address for node in self.row[1:])
        return commands.OpenVirtual(path, self.asset, amount, self.fees, DURATION_S, entropy)

    def open(self, amount: int = 1_000, entropy: bytes = b"virt") -> ChannelId:
        """The payer opens a channel; nothing is delivered yet."""
        known = set(self.payer.state.channels)
        self.payer.feed(self.open_command(amount, entropy))
        (channel_id,) = set(self.payer.state.channels) - known
        return channel_id

    def opened(self, amount: int = 1_000, entropy: bytes = b"virt") -> ChannelId:
        """The channel is open for all."""
        channel_id = self.open(amount, entropy)
        self.settle()
        for node in self.row:
            assert self.fund_status(node, channel_id) == ObjectiveStatus.COMPLETED
        return channel_id

    def pay(self, channel_id: ChannelId, amount: int, number: int = 1) -> None:
        """The payer pays; nothing is delivered yet."""
        self.payer.feed(commands.SendPayment(channel_id, amount, number.to_bytes(32, "big")))

    @staticmethod
    def fund_status(node: WebNode, channel_id: ChannelId) -> str:
        """Where the opening is for that node; empty if it never heard of it."""
        found = node.state.objectives.get(objective_id(ObjectiveType.VIRTUAL_FUND, channel_id))
        return "" if found is None else found.status

    @staticmethod
    def fund_reason(node: WebNode, channel_id: ChannelId) -> str:
        """Why the opening came to nothing for that node."""
        return node.state.objectives[objective_id(ObjectiveType.VIRTUAL_FUND, channel_id)].reason

    @staticmethod
    def defund_status(node: WebNode, channel_id: ChannelId) -> str:
        """Where the closing is for that node; empty if it never began."""
        found = node.state.objectives.get(objective_id(ObjectiveType.VIRTUAL_DEFUND, channel_id))
        return "" if found is None else found.status

    # --- what a neighbour may say ---

    def proposal_of(
        self, receiver: WebNode, ledger_id: ChannelId, change: Change
    ) -> messages.LedgerProposal:
        """The change of that ledger as its leader would propose it next to the receiver."""
        channel, ledger = receiver.channel(ledger_id), receiver.ledger(ledger_id)
        turn_num = ledger.proposed_turn + 1
        vars_ = after(ledger.proposed, change, channel.fixed)
        state = ledger_state(channel.fixed, ledger.asset, vars_, turn_num)
        leader = self.nodes[channel.fixed.participants[0]].actor
        return messages.LedgerProposal(
            ledger_id,
            turn_num,
            change.kind,
            change.target,
            amount_to_bytes(change.amount),
            change.left,
            change.right,
            amount_to_bytes(change.left_amount),
            amount_to_bytes(change.fee),
            leader.signer(state.state_hash()),
        )

    def refusals(self, receiver: WebNode, ledger_id: ChannelId, change: Change) -> list[str]:
        """By what names the follower refuses that change at the end of the batch."""
        leader = self.nodes[receiver.channel(ledger_id).fixed.participants[0]]
        told = receiver.feed(Said(leader.actor, self.proposal_of(receiver, ledger_id, change)))
        events = [*told.events, *receiver.feed(inputs.EndOfBatch()).events]
        dropped = [
            event.reason.split(":")[0] for event in events if event.NAME == "message-dropped"
        ]
        refused = [e.error_code for e in events if e.NAME == "ledger-update-refused"]
        return dropped + refused

    def hears(self, receiver: WebNode, sender: WebNode, body: messages.Body) -> str:
        """The name by which the receiver drops what the sender says; empty if it takes it."""
        result = receiver.feed(Said(sender.actor, body))
        dropped = [event for event in result.events if event.NAME == "message-dropped"]
        return dropped[0].reason.split(":")[0] if dropped else ""

    def until(self, condition: Callable[[], bool]) -> None:
        """Deliver in order, link by link and batch by batch, until the condition holds."""
        while not condition():
            links = self.links()
            for node, to in links:
                for _ in range(len(node.outbox[to])):
                    self.deliver(node, to)
                    self.acknowledge(self.nodes[to], node.actor.address)
                    if condition():
                        return
            for node in self.row:
                answered = node.feed(inputs.EndOfBatch()).events
                if condition():
                    return
                links += [(node, b"")] if answered else []
            assert links, "it never comes to that"

    # --- money ---

    def vars_of(self, place: int) -> LedgerVars:
        """What both parties of a ledger agree on."""
        left, right = (node.ledger(self.ledgers[place]) for node in self.row[place : place + 2])
        assert left.current == right.current, "the two sides of a ledger differ"
        return left.current

    def balances(self) -> list[int]:
        """What each node has free in all its ledgers, as agreed on its own side."""
        return [sum(_own(channel) for channel in node.state.channels.values()) for node in self.row]

    def changes(self, each: int = BALANCE) -> list[int]:
        """What each node won or lost against the beginning, with no guarantee left."""
        count = [1] + [2] * (len(self.row) - 2) + [1]
        return [now - each * n for now, n in zip(self.balances(), count, strict=True)]

    def no_guarantee_is_left(self) -> None:
        """All ledgers agree on both sides and carry nothing."""
        for place in range(len(self.ledgers)):
            assert self.vars_of(place).guarantees == ()
        for node in self.row:
            for ledger_id in self.ledgers:
                channel = node.state.channels.get(ledger_id)
                assert channel is None or (channel.ledger and channel.ledger.queue == ())

    def sums_are_constant(self, each: int = BALANCE) -> None:
        """No ledger's money changes, agreed or proposed, on either side."""
        for node in self.row:
            for channel_id in self.ledgers:
                channel = node.state.channels.get(channel_id)
                if channel is not None and channel.ledger is not None:
                    assert balance_total(channel.ledger.current) == 2 * each
                    assert balance_total(channel.ledger.proposed) == 2 * each

    def nobody_signed_twice(self) -> None:
        """M6: one state a turn, whoever signed, forgotten or not."""
        for node in self.row:
            signed: dict[tuple[bytes, int], bytes] = {}
            for event in [*node.lost, *(event for _, event in node.log)]:
                if isinstance(
                    event, events.StateSigned | LedgerUpdateProposed | LedgerUpdateSigned
                ):
                    key = (event.channel_id, event.turn_num)
                    assert signed.setdefault(key, event.state_hash) == event.state_hash

    def nothing_was_dropped(self) -> None:
        """No honest node says what another one refuses."""
        for node in self.row:
            faults = [fact.reason for fact in node.events_of("message-dropped")]
            assert faults == [], (node.actor.name, faults)


def _own(channel: Channel) -> int:
    if channel.ledger is None:
        return 0
    vars_ = channel.ledger.current
    return vars_.leader if channel.my_index == 0 else vars_.follower


def fund_ledger(
    leader: CoreNode,
    follower: CoreNode,
    entropy: bytes,
    amounts: tuple[int, int],
    asset: Address = ZERO_ADDRESS,
) -> ChannelId:
    """Record on both sides that a ledger was agreed, deposited into and opened."""
    return fund_channel(leader, follower, entropy, amounts, asset, CONSENSUS_APP)


def fund_channel(
    leader: CoreNode,
    follower: CoreNode,
    entropy: bytes,
    amounts: tuple[int, int],
    asset: Address,
    app_definition: Address,
) -> ChannelId:
    """The same of a channel on any app."""
    participants = (leader.actor.address, follower.actor.address)
    fixed = FixedPart(
        participants, channel_nonce(CHAIN_ID, ADJUDICATOR, entropy), app_definition, DURATION_S
    )
    allocations = tuple(
        Allocation(destination_of(who), amount)
        for who, amount in zip(participants, amounts, strict=True)
    )
    channel_id = fixed.channel_id()
    kind = ObjectiveType.DIRECT_FUND
    identity = objective_id(kind, channel_id)
    for node in (leader, follower):
        node.record(events.ObjectiveCreated(identity, kind, channel_id, participants))
        node.record(events.ObjectiveParamsRecorded(identity, participants[0], "", None))
        node.record(events.ObjectiveApproved(identity))
        node.record(
            events.ChannelCreated(
                channel_id, participants, fixed.channel_nonce, app_definition, DURATION_S
            )
        )
        for turn_num in (0, 1):
            state = State(fixed, b"", (SingleAssetExit(asset, allocations),), turn_num, False)
            _record_signed(node, state, (leader.actor, follower.actor))
        held = amount_to_bytes(sum(amounts))
        node.record(events.DepositDetected(channel_id, 1, 0, asset, held, held, bytes(32)))
        postfund = node.channel(channel_id).turns[1].state_hash
        node.record(events.ObjectiveCompleted(identity, True, postfund))
    return channel_id


def _record_signed(node: CoreNode, state: State, signers: tuple[Actor, Actor]) -> None:
    channel_id, state_hash, turn_num = state.channel_id, state.state_hash(), state.turn_num
    node.record(events.StateStored(channel_id, state_hash, state.encode()))
    for signer in signers:
        parts = (channel_id, turn_num, state_hash, signer.address, signer.signer(state_hash), False)
        if signer is node.actor:
            node.record(events.StateSigned(*parts))
        else:
            node.record(events.StateReceived(*parts, to_hex(signer.address)))
    previous = turn_num - 1 if turn_num else None
    node.record(events.StateSupportedUpdated(channel_id, turn_num, state_hash, 2, previous))
