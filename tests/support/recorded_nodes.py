"""Two nodes with real logs and a chain of a few lines: the core's own work, as an engine keeps it.

Every input is cranked and written as the engine does it, one synced batch an input. The chain
takes deposits and conclusions and answers with the logs the adjudicator would emit.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from eth_abi import decode

from node.faults import Faults
from node.outbox import Outbox
from node.store.log import EventLog
from node.store.record import FORMAT_VERSION
from protocols import commands, events, inputs
from protocols.channel import supported_final
from protocols.crank import crank
from protocols.crypto import keccak256
from protocols.draft import Context, Decision
from protocols.effects import (
    BroadcastTransaction,
    Effect,
    ReadHoldings,
    SendMessage,
    SubmitTransaction,
)
from protocols.messages import TEXT_LENGTH_MAX, decode_body
from protocols.node_state import NodeState, apply
from protocols.types import ZERO_ADDRESS, Address, ChannelId
from tests.support.actors import ALICE, BOB, Actor

CHAIN_ID = 31337
ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP = b"\xad" * 20, b"\xab" * 20, b"\xac" * 20
START_MS = 1_704_067_200_000


class Doors:
    """Where the outbox lets effects go: into a queue of what is to be done."""

    def __init__(self, wanted: deque[Effect]) -> None:
        self._wanted = wanted

    def send(self, peer: Address, messages: Sequence[tuple[int, bytes]]) -> None:
        self._wanted.extend(SendMessage(peer, number, body) for number, body in messages)

    def acknowledge(self, peer: Address) -> None:
        """Nobody waits for it: `World` says what was received."""

    def request(self, effect: SubmitTransaction) -> None:
        self._wanted.append(effect)

    def broadcast(self, effect: BroadcastTransaction) -> None:
        self._wanted.append(effect)

    def settle(self, intent_id: bytes) -> None:
        """The chain of a few lines mines at once, so nothing is left to stop."""

    def read(self, effect: ReadHoldings) -> None:
        self._wanted.append(effect)


class RecordedNode:
    """A node without sockets: state, log, and what it wants to be done."""

    def __init__(self, actor: Actor, path: Path) -> None:
        self.actor = actor
        self.path = path
        self.log = EventLog.open(path)
        self.state = NodeState()
        self.wanted: deque[Effect] = deque()
        doors = Doors(self.wanted)
        self.outbox = Outbox(doors, doors, Faults())
        self.now_ms = START_MS
        self.broadcasts: dict[bytes, bytes] = {}
        created = events.NodeCreated(
            FORMAT_VERSION, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, actor.address
        )
        self.record(created)

    def context(self) -> Context:
        return Context(
            self.now_ms, self.actor.signer, self.actor.address, 3600, lambda _: Decision("allow")
        )

    def take(self, *items: inputs.Input) -> None:
        """One batch: crank, fold, write."""
        self.now_ms += 5
        batch = self.log.begin(self.now_ms)
        for item in (*items, inputs.EndOfBatch()):
            result = crank(self.state, item, self.context())
            first, origins, origin = batch.next_seq, dict(result.parts), 0
            for place, event in enumerate(result.events):
                origin = origins.get(place, origin)
                self._append(batch, event, None if origin == place else first + origin)
            batch.put_effects(result.effects)
            self.outbox.release(result.effects)
        self.log.commit(batch)

    def record(self, *facts: events.Event) -> None:
        """Record facts as they are, as a faulty node might."""
        batch = self.log.begin(self.now_ms)
        for fact in facts:
            self._append(batch, fact, None)
        self.log.commit(batch)

    def _append(self, batch, event, cause) -> None:  # type: ignore[no-untyped-def]
        batch.append(event, cause)
        if isinstance(event, events.StateSigned):
            batch.sign_turn(event.channel_id, event.turn_num, event.state_hash)
        for key in self.outbox.settled_keys(event):
            batch.clear_effect(key)
        self.outbox.settle(event)
        apply(self.state, event, self.now_ms)

    def digest(self, *, clean_stop: bool = False) -> None:
        """Record the digest of the state in memory."""
        sums, count = self.state.sum_up(), self.log.next_seq
        digested = events.StateDigestRecorded(sums.digest, sums.entity_count, clean_stop, count)
        self.record(digested)

    def stop(self) -> None:
        """A clean stop."""
        self.digest(clean_stop=True)
        self.log.close()


class World:
    """Alice, Bob and the chain between them."""

    def __init__(self, path: Path) -> None:
        self.alice = RecordedNode(ALICE, path / "alice")
        self.bob = RecordedNode(BOB, path / "bob")
        self.nodes = {ALICE.address: self.alice, BOB.address: self.bob}
        self.block_num = 100
        self.held: dict[ChannelId, int] = {}
        self.nonce = 0

    def settle(self) -> None:
        """Carry out what the nodes want until nobody wants anything."""
        while any(node.wanted for node in self.nodes.values()):
            for node in self.nodes.values():
                while node.wanted:
                    self._carry_out(node, node.wanted.popleft())

    def _carry_out(self, node: RecordedNode, effect: Effect) -> None:
        if isinstance(effect, SendMessage):
            receiver = self.nodes[effect.peer]
            body = decode_body(effect.body)
            message = inputs.PeerMessage(
                node.actor.address, effect.sequence, body, len(effect.body)
            )
            receiver.take(message)
            node.take(inputs.PeerAck(effect.peer, effect.sequence))
        elif isinstance(effect, BroadcastTransaction):
            self._mine(node, effect)
        elif isinstance(effect, ReadHoldings):
            held = self.held.get(effect.channel_id, 0)
            place = (held, self.block_num, self._block_hash(), 0)
            node.take(inputs.ChannelRead(effect.channel_id, effect.asset, *place))
        else:
            raw = b"\x02" + effect.data + bytes([self.nonce])
            self.nonce += 1
            node.broadcasts[effect.intent_id] = effect.data
            signed = inputs.TransactionSigned(
                effect.intent_id, keccak256(raw), node.actor.address, self.nonce, raw
            )
            node.take(signed)

    def _mine(self, node: RecordedNode, effect: BroadcastTransaction) -> None:
        self.block_num += 1
        known = node.state.transactions[effect.intent_id]
        if known.kind == "deposit":
            self._deposit(node.broadcasts[effect.intent_id], effect.tx_hash)
        else:
            self._conclude(node, known.channel_id, effect.tx_hash)
        receipt = inputs.TransactionReceipt(
            effect.intent_id, effect.tx_hash, self.block_num, self._block_hash(), 50_000, 7, True
        )
        node.take(receipt)

    def _deposit(self, data: bytes, tx_hash: bytes) -> None:
        _, channel_id, _, amount = decode(["address", "bytes32", "uint256", "uint256"], data[4:])
        self.held[channel_id] = self.held.get(channel_id, 0) + amount
        self.log_to_all("Deposited", channel_id, tx_hash, 0, amount=self.held[channel_id])

    def _conclude(self, node: RecordedNode, channel_id: ChannelId, tx_hash: bytes) -> None:
        final = supported_final(node.state.channels[channel_id])
        assert final is not None
        outcome = node.state.channels[channel_id].state(final).outcome[0]
        amounts = tuple(allocation.amount for allocation in outcome.allocations)
        self.held[channel_id] -= sum(amounts)
        told = {"number": 1_704_067_300, "amounts": amounts}
        self.log_to_all("Concluded", channel_id, tx_hash, 0, **told)
        left = self.held[channel_id]
        self.log_to_all("AllocationUpdated", channel_id, tx_hash, 1, amount=left)
        indices = tuple(range(len(amounts)))
        self.log_to_all("OutcomePaid", channel_id, tx_hash, 2, indices=indices, amounts=amounts)

    def _block_hash(self) -> bytes:
        return keccak256(b"block %d" % self.block_num)

    def log_to_all(  # type: ignore[no-untyped-def]
        self, log_name: str, channel_id: ChannelId, tx_hash: bytes, log_index: int, **fields
    ) -> None:
        """Both nodes see a log, observed and then confirmed."""
        for confirmed in (False, True):
            log = inputs.ChainLog(
                log_name,
                channel_id,
                self.block_num,
                self._block_hash(),
                tx_hash,
                0,
                log_index,
                confirmed,
                asset=ZERO_ADDRESS,
                **fields,
            )
            for node in self.nodes.values():
                node.take(log)

    # --- what owners do ---

    def open_channel(self, amount: int = 10**18) -> ChannelId:
        """Alice opens a channel to Bob, and all is settled: funded, postfund signed."""
        counterparty: Address = BOB.address
        entropy = bytes([7, 7, 7, len(self.alice.state.channels)])
        self.alice.take(
            commands.OpenChannel(counterparty, ZERO_ADDRESS, amount, 0, 86_400, entropy, "open-1")
        )
        self.settle()
        return next(reversed(list(self.alice.state.channels)))

    def pay(self, channel_id: ChannelId, amount: int, number: int) -> None:
        """Alice pays; the receipt comes back."""
        payment = commands.SendPayment(
            channel_id, amount, number.to_bytes(32, "big"), f"payment {number}"
        )
        self.alice.take(payment)
        self.settle()

    def close_channel(self, channel_id: ChannelId) -> None:
        """Alice closes, and all is settled: concluded, paid out."""
        self.alice.take(commands.CloseChannel(channel_id, "close-1"))
        self.settle()

    def stop(self) -> None:
        """Both nodes stop cleanly."""
        for node in self.nodes.values():
            node.stop()


def pay_batches(
    world: World, channel_id: ChannelId, batch_count: int, count: int, *, seed: int
) -> None:
    """Batches of `count` payments of 1, each payment with a memo as long and varied as may be."""
    chance = random.Random(seed)
    for _ in range(batch_count):
        memos = tuple(_long_memo(chance) for _ in range(count))
        batch = commands.SendBatch(channel_id, (1,) * count, memos, chance.randbytes(28))
        world.alice.take(batch)
        world.settle()


def _long_memo(chance: random.Random) -> str:
    # Of four bytes each: the fewer records make five megabytes, the quicker they are read.
    return "".join(map(chr, chance.choices(range(0x20000, 0x2A6DE), k=TEXT_LENGTH_MAX)))


def demo(
    path: Path,
    payment_count: int = 12,
    then: Callable[[World, ChannelId], None] = lambda world, channel_id: None,
) -> World:
    """Open, pay, do what is asked for, close: what `tally demo` does, in two open logs."""
    world = World(path)
    channel_id = world.open_channel()
    for number in range(payment_count):
        world.pay(channel_id, 10 + number, number)
        if number == payment_count // 2:
            world.alice.digest()
            world.bob.digest()
    then(world, channel_id)
    world.close_channel(channel_id)
    return world
