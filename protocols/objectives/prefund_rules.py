"""What the prefund of every new channel must be like, whoever proposes it and whatever funds it.

One asset, two simple allocations that pay the ends, a nonce of this deployment, an app that can
enforce it and a challenge that can be answered (M1, M5, M10, M14, M19). How many participants there
are and who puts in what is for the objectives.
"""

from __future__ import annotations

from protocols.app_data import decode_app_data, opening_data
from protocols.app_definitions import JUDGED, rule_of
from protocols.app_errors import AppOpeningRefused, ReducerNotInstalled
from protocols.app_rules import require_turn_rule
from protocols.channel import PREFUND_TURN
from protocols.draft import Draft
from protocols.errors import (
    AppNotSupported,
    AssetNotSupported,
    ChallengeDurationTooLong,
    ChallengeDurationTooShort,
    ChannelAlreadySeen,
    NoncePrefixMismatch,
    OutcomeNotSupported,
    PayeeMustOpenWithZero,
    StateRefused,
)
from protocols.nonce import has_prefix, nonce_prefix
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.outcome import SIMPLE, destination_of
from protocols.state import State
from protocols.types import ZERO_ADDRESS, Address, ChannelId


def require_prefund(draft: Draft, state: State, apps: tuple[Address, ...]) -> None:
    """The plain prefund of a new channel on one of the apps. Raises a ChannelRefused."""
    node, fixed = draft.state.node, state.fixed
    if not has_prefix(fixed.channel_nonce, node.chain_id, node.adjudicator):
        expected = nonce_prefix(node.chain_id, node.adjudicator)
        raise NoncePrefixMismatch(fixed.channel_nonce, expected)
    if fixed.app_definition not in apps:
        raise AppNotSupported(fixed.app_definition)
    _require_duration(draft, fixed.challenge_duration)
    if draft.state.channels.get(state.channel_id) is not None or is_pruned(draft, state.channel_id):
        raise ChannelAlreadySeen(state.channel_id)
    is_plain = rule_of(node, fixed.app_definition) is not None or not state.app_data
    if state.turn_num != PREFUND_TURN or state.is_final or not is_plain:
        raise StateRefused(state.turn_num, "a proposal is the plain prefund state")
    _require_outcome(state)


def is_pruned(draft: Draft, channel_id: ChannelId) -> bool:
    """Whether the channel was a virtual one that came to nothing and left the state."""
    return objective_id(ObjectiveType.VIRTUAL_FUND, channel_id) in draft.base.rejected.pruned


def _require_duration(draft: Draft, duration_s: int) -> None:
    minimum_s = draft.context.challenge_duration_s_min
    if duration_s < minimum_s:
        raise ChallengeDurationTooShort(duration_s, minimum_s)
    maximum_s = draft.context.challenge_duration_s_max
    if duration_s > maximum_s:
        raise ChallengeDurationTooLong(duration_s, maximum_s)


def _require_outcome(state: State) -> None:
    if len(state.outcome) != 1:
        raise OutcomeNotSupported("exactly one asset is supported")
    (exit_,) = state.outcome
    if exit_.asset_type or exit_.asset_metadata:
        raise OutcomeNotSupported("asset metadata must be empty")
    if len(exit_.allocations) != 2:
        raise OutcomeNotSupported("exactly two allocations are supported")
    ends = (state.fixed.participants[0], state.fixed.participants[-1])
    for who, allocation in zip(ends, exit_.allocations, strict=True):
        if allocation.allocation_type != SIMPLE or allocation.metadata:
            raise OutcomeNotSupported("allocations must be simple, without metadata")
        if allocation.destination != destination_of(who):
            raise OutcomeNotSupported("destinations must be the first and the last participant")


def require_payment(state: State, *, payee_may_deposit: bool = False) -> None:
    """A one-way payment channel: the payer puts in all of it. Raises a ChannelRefused."""
    payer, payee = state.outcome[0].allocations
    if payer.amount == 0:
        raise OutcomeNotSupported("the payer puts nothing in")
    if payee.amount != 0 and not payee_may_deposit:
        raise PayeeMustOpenWithZero(payee.amount)


def require_app(draft: Draft, state: State, turn_rule: str, *, runs_reducer: bool = True) -> None:
    """An application channel: its reducer is here if we run it, nothing is said yet (M23)."""
    data = decode_app_data(state.app_data)
    if state.app_data != opening_data(data.reducer_id):
        raise StateRefused(state.turn_num, "an application's channel begins without messages")
    rule = rule_of(draft.state.node, state.fixed.app_definition)
    require_turn_rule(turn_rule, is_judged=rule == JUDGED)
    if runs_reducer and not draft.context.has_reducer(data.reducer_id):
        raise ReducerNotInstalled(data.reducer_id)


def require_opening(draft: Draft, state: State) -> None:
    """The reducer begins an application's channel with these deposits. Raises AppOpeningRefused.

    Asked last, as policy is: of all that is asked it costs most.
    """
    if rule_of(draft.state.node, state.fixed.app_definition) is None:
        return
    reducer_id = decode_app_data(state.app_data).reducer_id
    first, last = (allocation.amount for allocation in state.outcome[0].allocations)
    reason = draft.context.why_not_opened(reducer_id, state.channel_id, (first, last))
    if reason:
        raise AppOpeningRefused(reducer_id, reason)


def require_asset(draft: Draft, asset: Address) -> None:
    """Raise AssetNotSupported unless this node's channels may hold the asset."""
    if asset != ZERO_ADDRESS and asset not in draft.context.assets:
        raise AssetNotSupported(asset)
