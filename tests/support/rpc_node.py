"""A node for the tests of the owner's door: real rules over a list of records, no disk, no network.

Commands are cranked and folded as the engine does it, in batches, and answered when the batch is
recorded. A test may hold the batches back, and tell receipts by hand.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

from node.answers import (
    Answer,
    BackupAnswer,
    BackupRefused,
    Done,
    LogEntry,
    PaymentAnswer,
    ReceiptAnswer,
    Until,
)
from node.explain.story import Fact
from node.moments import AtRecord, AtTime, Moment, utc_text
from node.payment_answers import PaymentCommand, first_answer
from node.rpc.call import RpcEndpoint
from node.rpc.interface import NodeView, Wanted
from node.rpc.method import (
    APP_CHANNEL_EXAMPLE,
    CHANNEL_EXAMPLE,
    LEDGER_EXAMPLE,
    OBJECTIVE_EXAMPLE,
    PAID_CHANNEL_EXAMPLE,
    SIGNATURE_EXAMPLE,
)
from node.rpc.server import RpcServer
from node.store.batch import INDEXED_FIELDS
from node.whatif.endpoints import Endpoints
from node.whatif.simulation import Simulation
from protocols import commands, event_codec, events, inputs
from protocols.app_channel import LEADER, MESSAGE_LOG
from protocols.app_errors import AppQueryFailed
from protocols.app_events import AppDefinitionRecorded, AppMessageQueued
from protocols.crank import crank
from protocols.draft import Context, Decision
from protocols.errors import ProtocolError
from protocols.exit_events import DisputeKitExported
from protocols.head_events import LogHeadSigned
from protocols.log_head import LogHead, LogOwner
from protocols.log_proof import ConsistencyProof, LogProof
from protocols.messages import ChannelProposal, SignedState
from protocols.moment_errors import MomentAhead, MomentBeforeLog
from protocols.node_state import NodeState, apply
from protocols.nonce import channel_nonce
from protocols.objectives.cranks import waiting_for
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.routes import AppTerms, Hop, require_path
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address, amount_to_bytes, to_hex
from protocols.voucher import sign_voucher
from tests.support.actors import ALICE, BOB, Actor

TOKEN = "a-token-of-the-tests-with-43-characters-ABC"
TIME_MS = 1_704_067_200_000
CHAIN_ID = 31_337
DEPOSIT = 10**18


KNOWN_PAYMENT = PaymentAnswer(
    b"\x0a" * 32,
    b"\x02" * 32,
    0,
    TIME_MS,
    10,
    "tea",
    15,
    b"\x03" * 65,
    is_ours=True,
    receipt=ReceiptAnswer(
        9, 15, 2, b"\x04" * 32, b"\x05" * 65, ((True, b"\x06" * 32), (False, b"\x07" * 32))
    ),
)


class RecordingNode:
    """Implements `node.rpc.interface.NodeApi` for one actor."""

    def __init__(self, actor: Actor = ALICE, queue_count_max: int = 10_000) -> None:
        self.actor = actor
        self.state = NodeState()
        self.entries: list[LogEntry] = []
        self._recorded: list[events.Event] = []
        self.commands: list[inputs.Input] = []
        """Everything that was ever queued, in order."""
        self.chain_time_s: int | None = None
        """The newest block's; None before the first."""
        self.known_payment = KNOWN_PAYMENT
        """What `payment` answers."""
        self.waiting: list[tuple[Done, Answer]] = []
        """Payments whose caller waits for a receipt."""
        self.room_count = 0
        """How often a caller waited for room in the queue."""
        self.prompt_count = 0
        self.wake_count = 0
        self._queue: list[tuple[inputs.Input, Until, Done]] = []
        self.queue_count_max = queue_count_max
        self._chain_hash = bytes(32)
        self._queued = trio.Event()
        self._may_run = trio.Event()
        self._may_run.set()
        app = b"\xa9" * 20
        self.record_event(
            events.NodeCreated(1, CHAIN_ID, b"\xad" * 20, app, b"\xc0" * 20, actor.address)
        )

    # --- what the door asks for ---

    @property
    def seq(self) -> int:
        return len(self.entries) - 1

    def waiting_for(self, objective_id: bytes) -> str:
        return waiting_for(self.state, self.state.objectives[objective_id], self._context())

    def command_then(self, command: inputs.Input, until: Until, done: Done) -> bool:
        if len(self._queue) >= self.queue_count_max:
            return False
        self.commands.append(command)
        self._queue.append((command, until, done))
        self._queued.set()
        return True

    def prompt(self) -> None:
        """Batches are taken by `run` alone."""
        self.prompt_count += 1

    def wake(self) -> None:
        """`run` is woken by every command."""
        self.wake_count += 1

    async def queue_room(self) -> None:
        self.room_count += 1
        await trio.sleep(0.001)

    def seq_of(self, moment: Moment) -> int:
        """All records are of one millisecond, and of no block."""
        match moment:
            case AtRecord(seq) if seq <= self.seq:
                return seq
            case AtTime(time_ms) if time_ms >= TIME_MS:
                return self.seq
            case AtTime():
                raise MomentBeforeLog(str(moment), utc_text(TIME_MS))
        raise MomentAhead(str(moment), self.seq, utc_text(TIME_MS))

    async def at(self, moment: Moment) -> NodeView:
        """Another node, with the records up to then."""
        past = RecordingNode(self.actor)
        for event in self._recorded[1 : self.seq_of(moment) + 1]:
            past.record_event(event)
        return past

    def record(
        self, from_seq: int, limit: int, entity: bytes | None, last_seq: int
    ) -> Sequence[LogEntry]:
        named = None if entity is None else "0x" + entity.hex()
        found = [
            entry
            for entry in self.entries[from_seq : last_seq + 1]
            if named is None or named in entry.payload.values()
        ]
        return found[:limit]

    def matching(
        self, from_seq: int, count: int, entity: bytes | None, wanted: Wanted, last_seq: int
    ) -> tuple[Sequence[LogEntry], int]:
        found = list(self.record(from_seq, count, entity, last_seq))
        next_seq = found[-1].seq + 1 if len(found) == count else last_seq + 1
        fits = [e for e in found if wanted(e.name, partial(self._recorded.__getitem__, e.seq))]
        return fits, max(next_seq, from_seq)

    def facts(
        self, entities: Sequence[bytes], from_seq: int, to_seq: int, limit: int
    ) -> Sequence[Fact]:
        found = [
            Fact(seq, TIME_MS, None, event)
            for seq, event in enumerate(self._recorded[from_seq:to_seq], from_seq)
            if any(getattr(event, field) in entities for field in INDEXED_FIELDS[event.NAME])
        ]
        return found[:limit]

    async def route_quote(
        self,
        path: tuple[Address, ...],
        asset: Address,
        amount: int,
        challenge_duration: int,
        timeout_ms: int,
        app: AppTerms | None = None,
    ) -> tuple[Hop, ...]:
        """Every intermediary takes 10, and everybody is there."""
        self.app_terms = app
        require_path((self.actor.address, *path), self.actor.address, None)
        hops = [Hop(self.actor.address, True, amount_to_bytes(0))]
        hops += [Hop(who, True, amount_to_bytes(10)) for who in path[:-1]]
        return (*hops, Hop(path[-1], True, amount_to_bytes(0)))

    def simulation(self, *, others_answer: bool) -> Simulation:
        return Simulation(self.state, self._context(), others_answer=others_answer)

    def fees_of_request(self, request_id: str) -> tuple[int, ...] | None:
        """Nothing virtual was opened yet."""
        return None

    def hub_status(self) -> dict[str, object]:
        return {"enabled": False, "at": {"seq": self.seq}}

    def time_at(self, seq: int) -> int:
        return self.entries[seq].time_ms

    async def record_counts(
        self, from_seq: int, last_seq: int, entity: bytes | None
    ) -> Counter[str] | None:
        found = self.record(from_seq, len(self.entries), entity, last_seq)
        return Counter(entry.name for entry in found)

    def payment(self, payment_id: bytes, last_seq: int) -> PaymentAnswer | None:
        """One payment is known, from its record on."""
        known = self.known_payment
        return known if payment_id == known.payment_id and known.seq <= last_seq else None

    @property
    def fee_ceiling_wei(self) -> int:
        return 500 * 10**9

    @property
    def endpoints(self) -> Endpoints:
        """Three, of which two must agree."""
        return Endpoints("wss://first.example", 3, 2, 2)

    def blocks_until(self, time_s: int) -> int | None:
        """A block each two seconds, once there is any."""
        return None if self.chain_time_s is None else (time_s - self.chain_time_s) // 2

    async def prove(self, seq: int) -> LogProof:
        """A proof of the right shape that proves nothing."""
        owner = LogOwner(CHAIN_ID, b"\xad" * 20, self.actor.address)
        head = LogHead(len(self.entries), bytes(32), b"\x0c" * 65)
        return LogProof(owner, seq, b"\x96", bytes(32), (), (bytes(32),), head)

    async def prove_grown(self, old: LogHead, new: LogHead) -> ConsistencyProof:
        """Likewise."""
        return ConsistencyProof(LogOwner(CHAIN_ID, b"\xad" * 20, self.actor.address), old, new, ())

    async def backup(self, target: Path) -> BackupAnswer:
        """Only /srv has room."""
        if target.parts[:2] != ("/", "srv"):
            raise BackupRefused("the disk is full")
        return BackupAnswer(str(target), 7, "0x" + "0c" * 32, "0x" + "0a" * 20, TIME_MS, 3, 4_096)

    async def app_query(
        self, channel_id: bytes, sql: str, timeout_s: float
    ) -> tuple[list[str], list[Any]]:
        """Every table holds one row."""
        if "nothing" in sql:
            raise AppQueryFailed("QUERY_FAILED", "no such table: nothing")
        return ["participant", "amount"], [[0, {"hex": "0x07"}]]

    def status(self) -> dict[str, object]:
        return {
            "address": "0x" + self.actor.address.hex(),
            "next_seq": len(self.entries),
            "chain": {"confirmation_count": 2},
        }

    # --- what a test does ---

    def hold(self) -> None:
        """Take no batch until `release`."""
        self._may_run = trio.Event()

    def release(self) -> None:
        self._may_run.set()

    def receipt(self) -> None:
        """The payee signed for everything."""
        waiting = self.waiting.copy()
        self.waiting.clear()
        for done, answer in waiting:
            done(msgspec.structs.replace(answer, receipted=True))

    async def run(self) -> None:
        """Take batches for ever, as the engine does."""
        while True:
            await self._queued.wait()
            await self._may_run.wait()
            self._queued = trio.Event()
            batch, self._queue = self._queue, []
            answers = [self._carry_out(*queued) for queued in batch]
            await trio.lowlevel.checkpoint()
            for answer in answers:
                answer()

    def take(self, item: inputs.Input) -> Sequence[events.Event]:
        """Crank one input and record what follows; raises its refusal."""
        result = crank(self.state, item, self._context())
        for event in result.events:
            self.record_event(event)
        return result.events

    def record_event(self, event: events.Event) -> None:
        apply(self.state, event, TIME_MS)
        payload = event_codec.json_payload(event, event.VERSION, TIME_MS)
        self._chain_hash = hashlib.sha256(
            self._chain_hash + event_codec.encode_payload(event)
        ).digest()
        entry = LogEntry(
            len(self.entries), TIME_MS, None, event.NAME, event.VERSION, payload, self._chain_hash
        )
        self.entries.append(entry)
        self._recorded.append(event)

    def _carry_out(self, command: inputs.Input, until: Until, done: Done) -> Callable[[], None]:
        first_seq = len(self.entries)
        try:
            recorded = self.take(command)
            answer = (
                first_answer(self.state, command, first_seq, recorded)
                if isinstance(command, PaymentCommand)
                else _answer(first_seq, recorded)
            )
        except ProtocolError as error:
            return partial(done, error)
        if until == "receipt":
            return partial(self.waiting.append, (done, answer))
        return partial(done, answer)

    def _context(self) -> Context:
        return Context(
            TIME_MS,
            self.actor.signer,
            self.actor.address,
            3_600,
            lambda proposal: Decision("ask"),
            has_reducer=lambda reducer_id: True,
        )


def _answer(first_seq: int, recorded: Sequence[events.Event]) -> Answer:
    for event in recorded:
        if isinstance(event, events.ObjectiveCreated):
            return Answer(first_seq, event.objective_id, event.channel_id)
    if isinstance(recorded[-1], events.RequestRecorded):
        request_id = recorded[-1].request_id
        return Answer(first_seq, channel_id=recorded[0].channel_id, request_id=request_id)
    if isinstance(recorded[-1], DisputeKitExported):
        return Answer(first_seq + len(recorded) - 1, channel_id=recorded[-1].channel_id)
    if isinstance(recorded[-1], AppMessageQueued):
        names = recorded[-1].channel_id, recorded[-1].local_id
        return Answer(first_seq, channel_id=names[0], message_id=names[1])
    (event,) = recorded[:1]
    assert isinstance(event, events.ObjectiveApproved | events.ObjectiveRejected)
    return Answer(first_seq, event.objective_id)


def open_payment_channel(node: RecordingNode, deposit: int = DEPOSIT, entropy: int = 1) -> bytes:
    """A channel in which the node pays Bob, funded and open; its id."""
    command = commands.OpenChannel(
        BOB.address, ZERO_ADDRESS, deposit, 0, 86_400, entropy.to_bytes(4, "big")
    )
    created = next(e for e in node.take(command) if isinstance(e, events.ChannelCreated))
    _fund(node, created.channel_id, deposit, entropy)
    return created.channel_id


def _fund(node: RecordingNode, channel_id: bytes, deposit: int, log_index: int) -> None:
    """Bob agrees, and the chain holds what both put in."""
    _countersign(node, channel_id, 0)
    for confirmed in (False, True):
        node.take(
            inputs.ChainLog(
                "Deposited",
                channel_id,
                7,
                b"\x07" * 32,
                b"\x70" * 32,
                0,
                log_index,
                confirmed,
                ZERO_ADDRESS,
                deposit,
            )
        )
    _countersign(node, channel_id, 1)


def open_ledger(node: RecordingNode, entropy: int = 2) -> bytes:
    """A ledger that the node leads with 1,000; Bob put in 500. Its id."""
    command = commands.OpenLedger(
        BOB.address, ZERO_ADDRESS, 1_000, 500, 86_400, entropy.to_bytes(4, "big")
    )
    created = next(e for e in node.take(command) if isinstance(e, events.ChannelCreated))
    _fund(node, created.channel_id, 1_500, entropy)
    return created.channel_id


def open_app(node: RecordingNode, entropy: int = 3) -> bytes:
    """An application channel with Bob in which both put in 1,000; its id."""
    node.record_event(AppDefinitionRecorded(b"\xa8" * 20, MESSAGE_LOG))
    command = commands.OpenApp(
        *(BOB.address, ZERO_ADDRESS, 1_000, 1_000, 86_400, b"\x5e" * 32, LEADER, b""),
        entropy.to_bytes(4, "big"),
    )
    created = next(e for e in node.take(command) if isinstance(e, events.ChannelCreated))
    _fund(node, created.channel_id, 2_000, entropy)
    return created.channel_id


def open_channel_from_bob(node: RecordingNode, deposit: int = 1_000) -> bytes:
    """A channel in which Bob pays the node, funded and open; its id."""
    recorded = node.take(proposal_from_bob(node, deposit, entropy=0xB1))
    created = next(e for e in recorded if isinstance(e, events.ObjectiveCreated))
    node.take(commands.ApproveObjective(created.objective_id))
    _fund(node, created.channel_id, deposit, 0xB1)
    return created.channel_id


def proposal_from_bob(
    node: RecordingNode, deposit: int = 5, entropy: int = 0xB0
) -> inputs.PeerMessage:
    """Bob wants to open a channel in which he pays the node."""
    known = node.state.node
    nonce = channel_nonce(known.chain_id, known.adjudicator, entropy.to_bytes(4, "big"))
    participants = (BOB.address, node.actor.address)
    fixed = FixedPart(participants, nonce, known.virtual_payment_app, 86_400)
    allocations = (
        Allocation(destination_of(BOB.address), deposit),
        Allocation(destination_of(node.actor.address), 0),
    )
    state = State(fixed, b"", (SingleAssetExit(ZERO_ADDRESS, allocations),), 0, False)
    body = ChannelProposal(
        participants,
        nonce,
        known.virtual_payment_app,
        86_400,
        state.encode(),
        BOB.signer(state.state_hash()),
    )
    sequence = node.state.peer(BOB.address).received + 1
    return inputs.PeerMessage(BOB.address, sequence, body, 600)


def _countersign(node: RecordingNode, channel_id: bytes, turn_num: int) -> None:
    """Bob signs what the node signed."""
    turn = node.state.channels[channel_id].turn(turn_num)
    assert turn is not None, "the node signs first"
    signature = BOB.signer(turn.state_hash)
    body = SignedState(channel_id, turn.encoded_state, signature)
    sequence = node.state.peer(BOB.address).received + 1
    node.take(inputs.PeerMessage(BOB.address, sequence, body, 600))


def ready_node() -> RecordingNode:
    """A node with a head, an open channel, a ledger, a channel of Bob's and a proposal of his."""
    node = RecordingNode()
    node.record_event(LogHeadSigned(1, bytes(32), b"\x0c" * 65))
    open_payment_channel(node)
    open_ledger(node)
    open_channel_from_bob(node)
    node.take(proposal_from_bob(node))
    return node


def ready_for(example: str) -> RecordingNode:
    """The same for a method's example; only a ledger that is being left can be resumed."""
    node = ready_node()
    if "app_" in example:
        open_app(node)
    if "channel_resume" in example:
        node.take(commands.ExitChannel(list(node.state.channels)[1]))
    return node


def example_values(node: RecordingNode) -> dict[str, str]:
    """What stands in the examples of the methods, and what it is at a `ready_node`."""
    state = node.state
    channel, ledger, paid = list(state.channels)[:3]
    (objective_id,) = (
        key for key in state.objectives if state.objectives[key].status == "unapproved"
    )
    return {
        SIGNATURE_EXAMPLE: to_hex(sign_voucher(paid, 1_000, BOB.signer)),
        CHANNEL_EXAMPLE: to_hex(channel),
        OBJECTIVE_EXAMPLE: to_hex(objective_id),
        LEDGER_EXAMPLE: to_hex(ledger),
        PAID_CHANNEL_EXAMPLE: to_hex(paid),
        APP_CHANNEL_EXAMPLE: to_hex(list(state.channels)[-1]),
    }


async def serve(
    nursery: trio.Nursery, node: RecordingNode, origins: Sequence[str] = ()
) -> RpcEndpoint:
    """The node behind a real port of this machine, until the nursery is cancelled."""
    nursery.start_soon(node.run)
    port = await nursery.start(RpcServer(node, TOKEN, ("127.0.0.1", 0), origins).run)
    return RpcEndpoint("127.0.0.1", port, TOKEN)
