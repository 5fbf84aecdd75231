"""The newest state of an application channel, as one end shows it to the other before the end.

Nobody ends a channel by less than what both signed: who lost records is shown what it signed, and
an end by an older state is refused (M7, M27).
"""

from __future__ import annotations

from msgspec.structs import replace

from protocols import app_events, messages
from protocols.app_channel import JUDGED, App, AppPoint, mover, outcome_of
from protocols.app_data import decode_app_data
from protocols.app_reducers import app_of, my_end
from protocols.app_rules import require_app
from protocols.app_talk import state_of
from protocols.channel import Channel, funding_terms, known_signer
from protocols.draft import Draft
from protocols.errors import StateRefused, WrongSigner
from protocols.signed_state import SignedState
from protocols.state import State, hash_of_encoding, state_from_encoding
from protocols.types import ObjectiveId, StateHash


def supported_amounts(channel: Channel) -> tuple[int, ...]:
    """What each end gets by the newest state that both signed."""
    return app_of(channel).supported.amounts


def agrees_to_end(channel: Channel) -> bool:
    """Whether the end may be signed without our owner's word for it.

    Where the contract judges the moves, the newest state pays whoever moved last until the other
    has moved: whoever is to move would give the game away (M25).
    """
    app = channel.app
    if app is None or not app.is_judged or app.wished_count == app.supported.count:
        return True
    mine, amounts, terms = my_end(channel), app.supported.amounts, funding_terms(channel)
    is_ours = mover(app, app.supported.count) == mine
    return not is_ours or amounts[mine] == terms.total or amounts == terms.deposits


def show(draft: Draft, channel: Channel, identity: ObjectiveId) -> None:
    """Tell the other end the newest state that both signed, if that is a running one."""
    supported = app_of(channel).supported
    # A move that its mover signed alone, for the chain, is shown there.
    if supported.count and supported.is_supported:
        encoded = state_of(channel).encode()
        body = messages.AppStanding(channel.channel_id, encoded, supported.signatures)
        draft.send(channel.counterparty, body, identity)


def receive(draft: Draft, channel: Channel, body: messages.AppStanding) -> None:
    """Take the state for ours if it is newer than what we know. Raises for one that is none."""
    app = require_app(channel)
    state = state_from_encoding(channel.fixed, body.encoded_state)
    _require_form(channel, app, state)
    state_hash = hash_of_encoding(body.encoded_state)
    ends = (0, channel.payee_index)
    for index, signature in zip(ends, body.signatures, strict=True):
        signer = known_signer(channel, index)
        if signer is None or not signer.verify(state_hash, signature):
            raise WrongSigner(channel.fixed.participants[index])
    if state.turn_num > app.supported.turn_num:
        if not channel.close_only and state_hash != _hash_of_tip(channel):
            raise StateRefused(state.turn_num, "we forgot nothing that we signed")
        draft.emit(
            app_events.AppStandingTaken(channel.channel_id, body.encoded_state, body.signatures)
        )


def _hash_of_tip(channel: Channel) -> StateHash | None:
    is_running = app_of(channel).tip.count > 0
    return state_of(channel, is_tip=True).state_hash() if is_running else None


def _require_form(channel: Channel, app: App, state: State) -> None:
    """M23: a running state's turn, reducer and outcome fit the postfund."""
    data = decode_app_data(state.app_data)
    funding = channel.state(channel.turns[0]).outcome[0]
    amounts = tuple(share.amount for share in state.outcome[0].allocations) if state.outcome else ()
    if state.is_final or not data.count or state.turn_num != data.count + 1:
        raise StateRefused(state.turn_num, "it is no running state")
    if data.reducer_id != app.reducer_id:
        raise StateRefused(state.turn_num, "it is of another reducer")
    is_split = len(amounts) == len(funding.allocations)
    if not is_split or sum(amounts) != funding_terms(channel).total:
        raise StateRefused(state.turn_num, "its outcome is no split of the deposit")
    if state.outcome != outcome_of(funding, amounts):
        raise StateRefused(state.turn_num, "its outcome pays others")


# --- what the chain is shown ---


def running_support(channel: Channel) -> tuple[SignedState, tuple[SignedState, ...]] | None:
    """The newest running state that the chain takes, and the proof it wants (M23, M25).

    The proof is what comes after the postfund: the state of the turn before, where a contract
    judges the moves. None where the postfund itself is the newest.
    """
    app = channel.app
    if app is None or not app.supported.count:
        return None
    newest = _signed(channel, app, app.supported)
    if app.definition_rule != JUDGED or app.supported.count == 1:
        return newest, ()
    if app.before is None:
        return None
    return newest, (_signed(channel, app, app.before),)


def _signed(channel: Channel, app: App, point: AppPoint) -> SignedState:
    """A point's state with both ends' signatures; hubs sign no running state."""
    state = state_of(replace(channel, app=replace(app, supported=point)))
    first, last = point.signatures
    hubs = (b"",) * (len(channel.fixed.participants) - 2)
    return SignedState(state, (first, *hubs, last))
