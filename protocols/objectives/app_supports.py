"""The newest running state of an application channel that the chain takes, and what proves it.

    message log: both ends signed it          proof: the postfund (M23)
    judged: its mover signed it               proof: the postfund, and the state before (M25)

States come from the talk of the ends, from what somebody showed on chain, and from a dispute kit:
here they are one. What a hub was shown on chain it may register as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from protocols.app_channel import JUDGED, AppPoint, mover, state_at
from protocols.app_data import AppData, decode_app_data, next_root
from protocols.app_definitions import rule_of
from protocols.app_events import AppMoveClaimed
from protocols.channel import POSTFUND_TURN, Channel, is_supported
from protocols.draft import Draft
from protocols.entities import Node
from protocols.errors import InvalidEncoding
from protocols.outcome import SingleAssetExit
from protocols.state import State, hash_of_encoding
from protocols.types import Signature, StateHash

FIRST_RUNNING_TURN = POSTFUND_TURN + 1
CLAIM_PATIENCE_MS = 60_000
"""How long a move of ours may keep an older state from being registered: a reducer runs at the end
of the same batch, and one that fails is tried again every five seconds. A challenge takes hours."""


class Running(Struct, frozen=True, gc=False):
    """A running state and the signatures that we have of it, by participant."""

    state: State
    state_hash: StateHash
    data: AppData
    signatures: tuple[Signature, ...]


class AppSupport(Struct, frozen=True, gc=False):
    """A running state that the chain takes on the postfund."""

    newest: Running
    before: Running | None
    """That of the turn before, where a contract judges the moves; None at the first."""


def app_support(node: Node, channel: Channel) -> AppSupport | None:
    """The newest that can be registered; None if that is the postfund, or no application's."""
    rule = rule_of(node, channel.fixed.app_definition)
    if rule is None or not is_supported(channel, POSTFUND_TURN):
        return None
    known = sorted(running_states(channel), key=lambda running: running.data.count, reverse=True)
    for running in known:
        if rule != JUDGED:
            if running.signatures[0] and running.signatures[-1]:
                return AppSupport(running, None)
        elif _is_moved(running):
            if running.data.count == 1:
                return AppSupport(running, None)
            for before in known:
                if _is_moved(before) and _leads_to(before, running):
                    return AppSupport(running, before)
    return None


def claims_move(draft: Draft, channel: Channel, begun_ms: int) -> bool:
    """Whether to wait until a move of ours is signed for the chain; it is asked for here (M25).

    The other end need not answer what the chain judges, so a move that waits for its answer is made
    without it before anything older is registered. `begun_ms` is when whoever asks began to: a
    reducer that cannot run keeps nobody from leaving with what was signed.
    """
    app = channel.app
    if app is None or not app.is_judged or app.answer is not None:
        return False
    is_ours = mover(app, app.tip.count) == (0 if channel.my_index == 0 else 1)
    is_due = bool(app.queue) and is_ours and app.is_settled
    if not is_due or not draft.context.has_reducer(app.reducer_id):
        return False
    if not app.claimed:
        draft.emit(AppMoveClaimed(channel.channel_id, app.tip.count + 1))
    return draft.context.now_ms - begun_ms < CLAIM_PATIENCE_MS


def app_turn(node: Node, channel: Channel) -> int:
    """Its turn; -1 if there is none."""
    found = app_support(node, channel)
    return -1 if found is None else found.newest.state.turn_num


def opening_of(channel: Channel) -> SingleAssetExit:
    """How the money was split when the channel was opened."""
    return channel.state(channel.turns[0]).outcome[0]


def _leads_to(before: Running, later: Running) -> bool:
    is_next = before.data.count + 1 == later.data.count
    return is_next and next_root(before.data.root, later.data.message) == later.data.root


def _is_moved(running: Running) -> bool:
    """Whether who was to move signed: the first participant begins, the two ends alternate."""
    return bool(running.signatures[0 if running.data.count % 2 else -1])


def running_states(channel: Channel) -> list[Running]:
    """Every running state, with all signatures that we have of it."""
    found: dict[StateHash, Running] = {}
    for state, state_hash, signatures in _shown(channel):
        try:
            data = decode_app_data(state.app_data)
        except InvalidEncoding:
            continue  # A turn that is no application's.
        known = found.get(state_hash)
        if known is not None:
            pairs = zip(known.signatures, signatures, strict=True)
            signatures = tuple(one or other for one, other in pairs)
        found[state_hash] = Running(state, state_hash, data, signatures)
    return list(found.values())


def _shown(channel: Channel) -> Iterator[tuple[State, StateHash, tuple[Signature, ...]]]:
    # A hub plays in none, it keeps what it was shown.
    app = channel.app if channel.is_end else None
    # A move that was shown counts for a player once its own reducer took it in.
    is_player = app is not None and app.is_judged and not channel.close_only
    for turn in () if is_player else channel.turns:
        if turn.turn_num >= FIRST_RUNNING_TURN and not turn.is_final:
            yield channel.state(turn), turn.state_hash, turn.signatures
    if app is None:
        return
    points = {point.count: point for point in (app.before, app.supported, app.tip) if point}
    for point in points.values():
        if point.count and any(point.signatures):
            state = state_at(app, channel.fixed, opening_of(channel), point)
            yield state, hash_of_encoding(state.encode()), _by_participant(channel, point)


def _by_participant(channel: Channel, point: AppPoint) -> tuple[Signature, ...]:
    """Hubs sign no running state."""
    first, last = point.signatures
    return (first, *(b"",) * (len(channel.fixed.participants) - 2), last)
