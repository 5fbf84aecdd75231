"""Bugs, planted into a node for the time of a run: what the checkers are there to catch.

Each replaces something of the node or of its core with a version that is wrong in one way, and
names the checker in whose domain that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from msgspec.structs import replace

from node.engine import Engine
from node.outbox import Outbox
from node.requests import Requests
from node.step import Queued, Step
from node.store import log_reading, snapshot_loading
from node.store.batch import Batch, turn_key
from node.store.kv import OUTBOX, SIGNED_TURNS
from node.store.log import EventLog
from node.store.record import CHAIN_SIZE_BYTES, Record, decode_record
from node.store.snapshots import is_manifest_key
from protocols import (
    digest,
    events,
    ledger,
    ledger_queue,
    ledgers,
    payments,
    receipts,
    virtual_paths,
)
from protocols import draft as draft_room
from protocols.channel import Channel, SignedTurn
from protocols.draft import Draft
from protocols.effects import SendMessage, outbox_key
from protocols.messages import Payment
from protocols.node_state import NodeState
from protocols.objectives import guarantees, virtualfund
from protocols.objectives.base import Objective, WaitingFor
from protocols.state import FixedPart
from tests.simulation.simulator import planted_apps, planted_leaving
from tests.simulation.simulator.disk import FaultyKeyValue
from tests.simulation.simulator.node import SimulatedNode
from tests.simulation.simulator.process import Process

AGREED = "both ends agree on an application"
WORTH = "nobody loses by leaving"
FACTS = "only what is buried counts"
Change = tuple[Any, str, Any]
"""Whose attribute, its name, and what it is for the time being."""


class PlantedBug:
    """One bug."""

    def __init__(self, caught_by: str, changes: Callable[[], list[Change]]) -> None:
        self.caught_by = caught_by
        """The checker that has to see it."""
        self._changes = changes

    @contextmanager
    def plant(self) -> Iterator[None]:
        """The node has it until the end of the block."""
        with ExitStack() as stack:
            for owner, name, value in self._changes():
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, value)
            yield


def _acknowledged_before_sync() -> list[Change]:
    """The write is done behind the step's back, one step later."""
    commit = EventLog.commit
    late: list[Any] = []

    def later(log: EventLog, batch: Any) -> None:
        if log.next_seq == 0:
            commit(log, batch)
            return
        store = log._store
        write = store.write

        def keep(native: Any) -> None:
            late.append(native)
            while len(late) > 1:
                write(late.pop(0))

        store.write = keep  # type: ignore[method-assign]
        try:
            commit(log, batch)
        finally:
            del store.write

    return [(EventLog, "commit", later)]


def _effect_before_event() -> list[Change]:
    """What is to leave leaves before it is written."""
    write = Engine._write

    def early(engine: Engine, step: Step) -> None:
        step._desk.outbox.release(step._effects)
        step._effects = []
        write(engine, step)

    return [(Engine, "_write", early)]


def _acknowledged_early() -> list[Change]:
    """A peer is told that we have its message when we have seen it."""
    take_all = Step.take_all

    def early(step: Step, taken: list[Queued]) -> None:
        take_all(step, taken)
        for peer in step._heard:
            step._desk.acknowledge(peer)

    return [(Step, "take_all", early)]


def _lost_write_believed() -> list[Change]:
    """The disk said that it wrote, lost it with the power, and nobody noticed."""
    kill = SimulatedNode.kill

    def kill_and_lose(node: SimulatedNode) -> None:
        was_up = node.process is not None
        kill(node)
        if was_up:
            node.disk.forget_newest(is_reported=False)

    return [(SimulatedNode, "kill", kill_and_lose)]


def _torn_tail_not_reported() -> list[Change]:
    """A start takes what is left of the log for all of it."""
    begin = Process._begin_log

    def silent(process: Process) -> None:
        process.log.tail_cut = process.node.disk.cut = None
        begin(process)

    return [(Process, "_begin_log", silent)]


def _damage_not_noticed() -> list[Change]:
    """Records are read without their chain of hashes."""

    def unlinked(entries: Any, seq: int, chain: bytes) -> list[Record]:
        return [decode_record(value[CHAIN_SIZE_BYTES:]) for _, value in entries]

    return [(log_reading, "linked_records", unlinked)]


def _outbox_cleared_on_send() -> list[Change]:
    """What was handed to a wire is taken for delivered."""
    release = Step.release

    def cleared(step: Step) -> None:
        store = step._desk.log._store
        release(step)
        batch = store.new_batch()
        for effect in step._effects:
            if isinstance(effect, SendMessage):
                batch.delete(outbox_key(effect), store.handle(OUTBOX))
        store.write(batch)

    return [(Step, "release", cleared)]


def _outbox_forgotten() -> list[Change]:
    """A start does not take up what was not settled."""
    return [(Outbox, "load", lambda outbox, effects: None)]


def _never_sent_again() -> list[Change]:
    """A message is sent once."""
    return [(Outbox, "resume_messages", lambda outbox, peer, received: None)]


def _fold_differs() -> list[Change]:
    """Memory holds a time that the log does not."""
    record = Step.record

    def other_time(step: Step, event: events.Event, cause_seq: int | None) -> None:
        step.now_ms += isinstance(event, events.ObjectiveCreated)
        record(step, event, cause_seq)

    return [(Step, "record", other_time)]


def _snapshot_without_a_field() -> list[Change]:
    """Values are stored, and summed, without one of their fields."""
    whole = digest.canonical

    def without(value: Any) -> bytes:
        return whole(replace(value, crank_count=0) if isinstance(value, Objective) else value)

    return [(digest, "canonical", without)]


def _snapshot_without_a_view() -> list[Change]:
    """What is under way is not stored, and not missed."""
    views = NodeState._views

    def fewer(state: NodeState) -> Iterator[Any]:
        return (named for named in views(state) if named[0] != b"proven|")

    return [(NodeState, "_views", fewer)]


def _unlogged_believed() -> list[Change]:
    """A manifest outlives versions it speaks of, and nobody sums up what is there."""
    write_unlogged = FaultyKeyValue.write_unlogged

    def ahead(disk: FaultyKeyValue, batch: Any) -> None:
        count = len(disk._unflushed)
        write_unlogged(disk, batch)
        if any(is_manifest_key(key) and value for _, key, value, _ in batch.changes):
            # Durable by itself, whatever becomes of what was written before.
            disk._unflushed[count:] = []

    return [
        (FaultyKeyValue, "write_unlogged", ahead),
        (snapshot_loading._Loading, "_require_sums", lambda loading: None),
    ]


def _retry_paid_twice() -> list[Change]:
    """A request id that was used is not found again."""
    return [(Requests, "find", lambda requests, command: None)]


def _double_deposit() -> list[Change]:
    """A deposit is ordered again while the one before is on its way."""
    return [(draft_room, "may_follow", lambda *arguments, **named: True)]


def _equivocation() -> list[Change]:
    """A leader signs its next proposal at the turn of the one that waits."""
    signed_update = ledgers.signed_update

    def again(channel: Channel, found: ledger.Ledger, *rest: Any) -> Any:
        return signed_update(channel, replace(found, queue=found.queue[:-1]), *rest)

    def unguarded(batch: Batch, channel_id: bytes, turn_num: int, state_hash: bytes) -> None:
        batch._put(turn_key(channel_id, turn_num), state_hash, batch._store.handle(SIGNED_TURNS))

    return [
        (Batch, "sign_turn", unguarded),
        (ledgers, "signed_update", again),
    ]


def _unsupported() -> list[Change]:
    """One missing signature is overlooked."""

    def is_almost(turn: SignedTurn) -> bool:
        return sum(map(bool, turn.signatures)) >= len(turn.signatures) - 1

    return [(SignedTurn, "is_signed_by_all", is_almost)]


def _wrong_guarantee() -> list[Change]:
    """Every guarantee is one short."""
    addition = virtual_paths.addition

    def short(channel: Channel, place: int) -> ledger.Change:
        right = addition(channel, place)
        return replace(right, amount=right.amount - 1, left_amount=right.left_amount - 1)

    return [(where, "addition", short) for where in (virtual_paths, guarantees, virtualfund)]


def _fee_lost() -> list[Change]:
    """Left pays a fee and right does not get it."""
    deltas = ledger.deltas

    def without_fee(change: ledger.Change, fixed: FixedPart) -> tuple[int, int]:
        to_leader, to_follower = deltas(change, fixed)
        if change.kind != ledger.ADD:
            return to_leader, to_follower
        left_is_leader = change.left == ledger.parties(fixed)[0]
        if left_is_leader:
            return to_leader, to_follower - change.fee
        return to_leader - change.fee, to_follower

    return [(where, "deltas", without_fee) for where in (ledger, ledger_queue, ledgers)]


def _uncovered_hub() -> list[Change]:
    """A hub goes on to its right before its left is guaranteed."""
    guarantee, handed_on = virtualfund._guarantee, set[tuple[bytes, bytes]]()

    def right_first(draft: Draft, channel: Channel) -> WaitingFor | None:
        key = (channel.me, channel.channel_id)
        if not channel.is_end and key not in handed_on:
            handed_on.add(key)
            virtualfund.hand_on_prefund(draft, channel)
        return guarantee(draft, channel)

    return [
        (guarantees, "is_agreed", lambda state, ledger_id, target: True),
        (virtualfund, "_guarantee", right_first),
    ]


def _counted_twice() -> list[Change]:
    """A payee credits a payment twice."""
    receive = payments.receive_payment

    def twice(draft: Draft, peer: bytes, body: Payment) -> None:
        count = len(draft.events)
        receive(draft, peer, body)
        for event in draft.events[count:]:
            if isinstance(event, events.VoucherReceived):
                draft.emit(event)

    return [(payments, "receive_payment", twice)]


def _receipt_for_more() -> list[Change]:
    """A payee signs for one more than it took."""
    issue = receipts.issue_receipt

    def more(draft: Draft, channel: Channel) -> None:
        vouchers = replace(channel.vouchers, total=channel.vouchers.total + 1)
        issue(draft, replace(channel, vouchers=vouchers))

    return [(receipts, "issue_receipt", more)]


PLANTED = {
    "acknowledged before sync": PlantedBug("acknowledged means durable", _acknowledged_before_sync),
    "effect before event": PlantedBug("acknowledged means durable", _effect_before_event),
    "message acknowledged early": PlantedBug("acknowledged means durable", _acknowledged_early),
    "lost write believed": PlantedBug("acknowledged means durable", _lost_write_believed),
    "torn tail not reported": PlantedBug("starts", _torn_tail_not_reported),
    "damage not noticed": PlantedBug("starts", _damage_not_noticed),
    "outbox cleared on send": PlantedBug("outbox", _outbox_cleared_on_send),
    "outbox forgotten at a start": PlantedBug("outbox", _outbox_forgotten),
    "never sent again": PlantedBug("everything ends", _never_sent_again),
    "fold differs from memory": PlantedBug("fold equals memory", _fold_differs),
    "snapshot without a field": PlantedBug("fold equals memory", _snapshot_without_a_field),
    "snapshot without a view": PlantedBug("fold equals memory", _snapshot_without_a_view),
    "unlogged write believed durable": PlantedBug("fold equals memory", _unlogged_believed),
    "retry paid twice": PlantedBug("orders carried out once", _retry_paid_twice),
    "double deposit": PlantedBug("one deposit", _double_deposit),
    "equivocation": PlantedBug("no equivocation", _equivocation),
    "signature overlooked": PlantedBug("supported states agree", _unsupported),
    "wrong guarantee": PlantedBug("ledgers and guarantees", _wrong_guarantee),
    "fee lost": PlantedBug("conservation", _fee_lost),
    "hub without cover": PlantedBug("hub never loses", _uncovered_hub),
    "voucher counted twice": PlantedBug("vouchers", _counted_twice),
    "receipt for what was not taken": PlantedBug("vouchers", _receipt_for_more),
    "digests not compared": PlantedBug(AGREED, planted_apps.digests_not_compared),
    "halt not heard": PlantedBug(AGREED, planted_apps.halt_not_heard),
    "final state below a signed turn": PlantedBug(
        "no equivocation", planted_apps.final_below_a_signed_turn
    ),
    "claimed move signed twice": PlantedBug(
        "no equivocation", planted_apps.claimed_move_signed_twice
    ),
    "payouts do not sum": PlantedBug(
        "payouts sum to the deposits", planted_apps.payouts_not_summing
    ),
    "refused and not undone": PlantedBug(
        "who was refused leaves no trace", planted_apps.refused_and_not_undone
    ),
    "talk after a loss": PlantedBug("lost talk is not resumed", planted_apps.talk_after_a_loss),
    "opening left with": PlantedBug(WORTH, planted_apps.oldest_run_left_with),
    "challenge not answered": PlantedBug("defence in time", planted_leaving.not_answered),
    "bids never rise": PlantedBug("bids rise in time", planted_leaving.bids_never_rise),
    "smaller voucher redeemed": PlantedBug(WORTH, planted_leaving.smaller_voucher),
    "reclaim forgotten": PlantedBug(WORTH, planted_leaving.reclaim_forgotten),
    "counted before it is buried": PlantedBug(FACTS, planted_leaving.counted_early),
    "liar believed": PlantedBug(FACTS, planted_leaving.liar_believed),
    "fork not noticed": PlantedBug(WORTH, planted_leaving.fork_not_noticed),
}
"""By name."""
