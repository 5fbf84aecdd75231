"""The reducer: the fold of all events is all that this node believes.

`apply` replaces the entities that one event touches and nothing else; it never signs, sends, asks
the time or fails on an event that was recorded. Replay is `apply` alone, or `apply_all`, which
equals it. Here are the lives of the node, its channels and its objectives; what is said to peers
and what the chain says are folded in rooms of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from protocols import events, exit_events, virtual_events
from protocols.app_definitions import DEFINITION_REDUCERS
from protocols.chain_reducers import CHAIN_REDUCERS
from protocols.channel import POSTFUND_TURN, Channel
from protocols.channel_reducers import CHANNEL_REDUCERS, restricted, settled
from protocols.channel_reducers import created as channel_created
from protocols.channel_reducers import relearnt as channel_relearnt
from protocols.conversation_reducers import CONVERSATION_REDUCERS, RUN_REDUCERS
from protocols.entities import NODE_KEY, Node, Reducer
from protocols.entities import EntityMap as EntityMap
from protocols.entities import NodeState as NodeState
from protocols.head_reducers import HEAD_REDUCERS
from protocols.ledger import find_guarantee
from protocols.ledger_reducers import with_ledger
from protocols.loss_reducers import LOSS_REDUCERS
from protocols.objectives.base import (
    OBJECTIVE_REDUCERS,
    Objective,
    ObjectiveType,
    cranked,
    objective_id,
)
from protocols.objectives.base import created as objective_created
from protocols.observation_reducers import OF_CHAIN, left


def _on_channel(state: NodeState, event: Any, time_ms: int) -> None:
    channel = state.channels[event.channel_id]
    state.channels[event.channel_id] = CHANNEL_REDUCERS[type(event)](channel, event)


def _chain_said(state: NodeState, event: Any, time_ms: int) -> None:
    _on_channel(state, event, time_ms)
    if isinstance(event, events.ChallengeCleared):
        channel = state.channels[event.channel_id]
        state.channels[event.channel_id] = replace(channel, cleared_ms=time_ms)
    state.unconfirmed.look_at(state.channels[event.channel_id])


def _supported(state: NodeState, event: events.StateSupportedUpdated, time_ms: int) -> None:
    _on_channel(state, event, time_ms)
    channel = state.channels[event.channel_id]
    if channel.fixed.app_definition != state.node.consensus_app:
        return
    peer = channel.counterparty
    others = (known for known in state.ledgers.get(peer) or () if known != event.channel_id)
    if event.supported_turn == POSTFUND_TURN:
        state.channels[event.channel_id] = with_ledger(channel)
        state.ledgers[peer] = (*others, event.channel_id)
    elif event.supported_turn > POSTFUND_TURN:
        state.ledgers[peer] = tuple(others)
        state.unanswered.discard(event.channel_id)


def _on_objective(state: NodeState, event: Any, time_ms: int) -> None:
    objective = OBJECTIVE_REDUCERS[type(event)](state.objectives[event.objective_id], event)
    state.objectives[event.objective_id] = objective
    state.agenda.update(objective, state.node.address)


def _objective_cranked(state: NodeState, event: events.ObjectiveCranked, time_ms: int) -> None:
    """Its status stays, so the agenda does."""
    objective = state.objectives[event.objective_id]
    state.objectives[event.objective_id] = cranked(objective, event, time_ms)


def _node_created(state: NodeState, event: events.NodeCreated, time_ms: int) -> None:
    state.nodes[NODE_KEY] = Node(
        event.chain_id,
        event.adjudicator,
        event.virtual_payment_app,
        event.consensus_app,
        event.node_address,
    )


def _channel_created(state: NodeState, event: events.ChannelCreated, time_ms: int) -> None:
    channel = channel_created(event, state.node.address)
    state.channels[channel.channel_id] = (
        channel_relearnt(channel) if state.node.tail_cut_count else channel
    )


def _objective_created(state: NodeState, event: events.ObjectiveCreated, time_ms: int) -> None:
    state.objectives[event.objective_id] = objective_created(event, time_ms)
    state.unapproved[event.objective_id] = time_ms
    if event.objective_type == ObjectiveType.VIRTUAL_DEFUND:
        state.rejected.keep(objective_id(ObjectiveType.VIRTUAL_FUND, event.channel_id))


def _objective_approved(state: NodeState, event: events.ObjectiveApproved, time_ms: int) -> None:
    _on_objective(state, event, time_ms)
    state.unapproved.pop(event.objective_id, None)
    _carry(state, state.objectives[event.objective_id])


def _virtual_recorded(
    state: NodeState, event: virtual_events.VirtualChannelRecorded, time_ms: int
) -> None:
    _on_channel(state, event, time_ms)
    if state.node.tail_cut_count and _is_guaranteed(state, event):
        # It is told again: what we signed of it before is forgotten (M27).
        state.channels[event.channel_id] = restricted(state.channels[event.channel_id])
    identity = objective_id(ObjectiveType.VIRTUAL_FUND, event.channel_id)
    objective = state.objectives.get(identity)
    if objective is not None and objective.is_active:
        _carry(state, objective)


def _is_guaranteed(state: NodeState, event: virtual_events.VirtualChannelRecorded) -> bool:
    """Whether a ledger of ours carries a channel that is new to us."""
    if state.channels[event.channel_id].close_only:
        return False
    carriers = map(state.channels.get, (event.left_ledger, event.right_ledger))
    return any(
        find_guarantee(carrier.ledger.current, event.channel_id) is not None
        for carrier in carriers
        if carrier is not None and carrier.ledger is not None
    )


def _virtual_pruned(
    state: NodeState, event: virtual_events.VirtualChannelPruned, time_ms: int
) -> None:
    identity = objective_id(ObjectiveType.VIRTUAL_FUND, event.channel_id)
    del state.channels[event.channel_id]
    del state.objectives[identity]
    state.rejected.prune(identity)


def _carry(state: NodeState, objective: Objective) -> None:
    if objective.objective_type == ObjectiveType.VIRTUAL_FUND:
        state.carried.take(state.channels[objective.channel_id])


def _objective_rejected(state: NodeState, event: events.ObjectiveRejected, time_ms: int) -> None:
    _on_objective(state, event, time_ms)
    state.unapproved.pop(event.objective_id, None)
    objective = state.objectives[event.objective_id]
    if objective.objective_type in (ObjectiveType.DIRECT_FUND, ObjectiveType.VIRTUAL_FUND):
        channel = state.channels[objective.channel_id]
        channel = replace(channel, rejected=True)
        state.channels[objective.channel_id] = channel
        state.carried.release(objective.channel_id)
        state.rejected.add(objective, channel, state.node.address)


def _objective_completed(state: NodeState, event: events.ObjectiveCompleted, time_ms: int) -> None:
    _on_objective(state, event, time_ms)
    state.unapproved.pop(event.objective_id, None)
    objective = state.objectives[event.objective_id]
    if objective.objective_type == ObjectiveType.VIRTUAL_FUND and event.success:
        state.carried.opened(state.channels[objective.channel_id])
    elif objective.objective_type in (ObjectiveType.VIRTUAL_FUND, ObjectiveType.VIRTUAL_DEFUND):
        state.carried.release(objective.channel_id)
    if objective.objective_type == ObjectiveType.VIRTUAL_DEFUND:
        _end(state, settled(state.channels[objective.channel_id]))
    elif objective.objective_type == ObjectiveType.WITHDRAW:
        _end(state, left(state.channels[objective.channel_id]))


def _end(state: NodeState, channel: Channel) -> None:
    state.channels[channel.channel_id] = channel
    state.unconfirmed.look_at(channel)


def _nothing(state: NodeState, event: events.Event, time_ms: int) -> None:
    """Recorded for the reader of the log; no entity changes."""


_REDUCERS: dict[type[events.Event], Reducer] = {
    **dict.fromkeys(CHANNEL_REDUCERS, _on_channel),
    **dict.fromkeys(OF_CHAIN, _chain_said),
    events.StateSupportedUpdated: _supported,
    **dict.fromkeys(OBJECTIVE_REDUCERS, _on_objective),
    events.NodeCreated: _node_created,
    events.StateDigestRecorded: _nothing,
    events.RequestRecorded: _nothing,
    exit_events.DisputeKitExported: _nothing,
    events.ChannelCreated: _channel_created,
    events.ObjectiveCreated: _objective_created,
    events.ObjectiveCranked: _objective_cranked,
    events.ObjectiveApproved: _objective_approved,
    events.ObjectiveRejected: _objective_rejected,
    events.ObjectiveCompleted: _objective_completed,
    virtual_events.VirtualChannelRecorded: _virtual_recorded,
    virtual_events.VirtualChannelPruned: _virtual_pruned,
    **CONVERSATION_REDUCERS,
    **CHAIN_REDUCERS,
    **HEAD_REDUCERS,
    **LOSS_REDUCERS,
    **DEFINITION_REDUCERS,
}


def apply(state: NodeState, event: events.Event, time_ms: int) -> None:
    """Fold one event, recorded at `time_ms`, into the state."""
    _REDUCERS[type(event)](state, event, time_ms)


RUNS = frozenset(RUN_REDUCERS)
"""What `apply_run` takes."""


def apply_run(state: NodeState, run: Sequence[Any]) -> None:
    """Fold events of one kind of `RUNS`, of one channel; one at least."""
    RUN_REDUCERS[type(run[0])](state, run)


def apply_all(state: NodeState, recorded: Iterable[tuple[Any, int]]) -> None:
    """Fold events with their times, in order: what `apply` makes of one after the other, faster."""
    run: list[Any] = []
    run_kind = run_channel = None
    for event, time_ms in recorded:
        kind = type(event)
        if kind is run_kind and event.channel_id == run_channel:
            run.append(event)
            continue
        if run:
            apply_run(state, run)
            run, run_kind = [], None
        if kind in RUNS:
            run, run_kind, run_channel = [event], kind, event.channel_id
        else:
            apply(state, event, time_ms)
    if run:
        apply_run(state, run)
