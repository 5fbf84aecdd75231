"""What the chain shows of an application: states of a challenge or a checkpoint that are new to us.

    a signature under the newest state that we signed -> it is supported
    the other end's next move, where a contract judges it -> our reducer takes it in, then we move
    a newer state of both ends that we forgot -> ours (M27)      to a hub -> kept, to register it

Nothing is believed for being on chain: signatures are checked here, and a move by our reducer. A
signature counts whatever becomes of the block that showed it.
"""

from __future__ import annotations

from msgspec import Struct

from protocols import app_events
from protocols.app_channel import JUDGED, MESSAGE_LOG, App, mover, outcome_of, state_at
from protocols.app_data import AppData, decode_app_data
from protocols.app_definitions import rule_of
from protocols.channel import POSTFUND_TURN, Channel, SignedTurn, is_supported
from protocols.checkpoints import by_participant, take_in_signatures
from protocols.crypto import keccak256
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.inputs import ChainLog
from protocols.objectives.app_supports import app_turn, opening_of
from protocols.objectives.virtual_states import take_in
from protocols.state import State, hash_of_encoding, state_from_encoding
from protocols.types import ChannelId, Signature

SHOWING_LOGS = frozenset(("ChallengeRegistered", "CheckpointProved"))


class _Shown(Struct, frozen=True, gc=False):
    state: State
    data: AppData
    encoded: bytes
    signatures: tuple[Signature, ...]
    """By participant."""


def receive(draft: Draft, log: ChainLog) -> list[ChannelId]:
    """Record what the log shows of a running state and we did not know; the channels concerned."""
    channel = draft.state.channels.get(log.channel_id)
    if channel is None or log.log_name not in SHOWING_LOGS or not log.proof or not log.candidate:
        return []
    rule = rule_of(draft.state.node, channel.fixed.app_definition)
    if rule is None:
        return []
    encoded, given = log.proof[0]
    is_new = take_in_signatures(draft, channel, POSTFUND_TURN, keccak256(encoded), given)
    channel = draft.state.channels[log.channel_id]
    if not is_supported(channel, POSTFUND_TURN) or log.turn_num <= app_turn(
        draft.state.node, channel
    ):
        return [log.channel_id] if is_new else []
    shown = [*log.proof[1:], (log.candidate, log.signatures)]
    for encoded, given in shown if rule == JUDGED else shown[-1:]:
        found = _read(channel, encoded, given)
        if found is not None:
            _take_in(draft, channel, rule, found)
    see(draft, draft.state.channels[log.channel_id])
    return [log.channel_id]


def _read(channel: Channel, encoded: bytes, given: tuple[Signature, ...]) -> _Shown | None:
    """A running state of the channel; None for anything else."""
    try:
        state = state_from_encoding(channel.fixed, encoded)
        data = decode_app_data(state.app_data)
        opened = decode_app_data(channel.state(channel.turns[POSTFUND_TURN]).app_data)
    except ProtocolError:
        return None
    opening = opening_of(channel)
    amounts = tuple(share.amount for exit_ in state.outcome for share in exit_.allocations)
    if state.is_final or not data.count or state.turn_num != data.count + 1:
        return None
    if data.reducer_id != opened.reducer_id or len(amounts) != len(opening.allocations):
        return None
    if sum(amounts) != sum(share.amount for share in opening.allocations):
        return None
    if state.outcome != outcome_of(opening, amounts):
        return None
    signatures = by_participant(channel, hash_of_encoding(encoded), given)
    return _Shown(state, data, encoded, signatures)


def _take_in(draft: Draft, channel: Channel, rule: str, found: _Shown) -> None:
    first, *hubs, last = found.signatures
    needed = (first and last) if rule == MESSAGE_LOG else (first if found.data.count % 2 else last)
    if not needed:
        return
    app = channel.app if channel.is_end else None
    if app is not None and rule == MESSAGE_LOG and found.data.count > app.tip.count:
        draft.emit(app_events.AppStandingTaken(channel.channel_id, found.encoded, (first, last)))
        return
    ends = (first, *(b"" for _ in hubs), last)
    try:
        take_in(
            draft,
            channel.channel_id,
            found.state,
            found.encoded,
            ends,
            channel.counterparty,
            # Who runs a dispute kit knows no talk: what both signed may be newer than the kit.
            with_ours=app is None,
        )
    except ProtocolError:
        # Another state of that turn was shown before: the chain takes the first as well.
        return


def see(draft: Draft, channel: Channel) -> None:
    """Go on with what was shown: it is our newest state's support, or the move that follows it."""
    app = channel.app
    if app is None or not channel.is_end:
        return
    theirs = -1 if channel.my_index == 0 else 0
    newest = _turn(channel, app.tip.turn_num, theirs)
    if newest is not None and not app.tip.is_supported and _is_tip(channel, app, newest):
        shown = (channel.channel_id, newest.turn_num, newest.signatures[theirs])
        draft.emit(app_events.AppSignatureShown(*shown))
        app = draft.state.channels[channel.channel_id].app
        assert app is not None
    # Of a move that we know by its offer alone, the chain may show another in its place.
    standing = app.tip if app.is_settled else app.supported
    turn = _turn(channel, standing.turn_num + 1, theirs)
    is_theirs = mover(app, standing.count) == (1 if channel.my_index == 0 else 0)
    if turn is None or not app.is_judged or not is_theirs:
        return
    # What is offered meanwhile is judged after it: an offer binds nobody.
    if not app.shown:
        data = decode_app_data(channel.state(turn).app_data)
        draft.emit(app_events.AppMoveShown(channel.channel_id, data.count, data.message))


def _turn(channel: Channel, turn_num: int, theirs: int) -> SignedTurn | None:
    """A running state of that turn that the other end signed, as the chain showed it."""
    turn = channel.turn(turn_num) if turn_num > POSTFUND_TURN else None
    is_running = turn is not None and not turn.is_final and turn.signatures[theirs]
    return turn if is_running else None


def _is_tip(channel: Channel, app: App, turn: SignedTurn) -> bool:
    tip = state_at(app, channel.fixed, opening_of(channel), app.tip)
    return turn.state_hash == hash_of_encoding(tip.encode())
