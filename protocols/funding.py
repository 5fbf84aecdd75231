"""Whether a payment channel carries payments now: its money is there, and nothing threatens it.

A direct channel's money is the deposit that the chain holds; a virtual channel's is the guarantee
that the ledger on our side of the path holds for it. `money-rules` M11.
"""

from __future__ import annotations

from protocols.channel import (
    POSTFUND_TURN,
    REDEMPTION_TURN,
    ChainStatus,
    Channel,
    funding_terms,
    observed_chain_status,
    signed_final,
    status,
    supported_final,
)
from protocols.channel import is_funded as holds_deposit
from protocols.draft import Draft
from protocols.ledger import find_guarantee
from protocols.node_state import NodeState
from protocols.payment_errors import (
    ChainNotSeenYet,
    ChainViewStale,
    ChannelCloseOnly,
    ChannelClosing,
    ChannelDisputed,
    ChannelHalted,
    ChannelNotOpen,
)

CHAIN_VIEW_SHARE = 3
"""M11: a view of the chain older than a third of the challenge duration is too old to act on."""


def carrying_ledger(state: NodeState, channel: Channel) -> Channel | None:
    """The ledger with our own guarantee for an end of a virtual channel; None for other channels.

    The payer's is the one to its right, the payee's the one to its left.
    """
    if channel.virtual is None:
        return None
    virtual = channel.virtual
    return state.channels.get(
        virtual.right_ledger if channel.my_index == 0 else virtual.left_ledger
    )


def sees_chain(draft: Draft, channel: Channel) -> bool:
    """Whether our view of the chain is young enough to act on in the channel: what was done to it
    there before, we know of, and what is done from now on, we have time to answer."""
    age_s = draft.context.chain_view_age_s
    return age_s is not None and age_s <= chain_view_age_s_max(channel)


def chain_view_age_s_max(channel: Channel) -> int:
    """The oldest view of the chain that is safe to act on in the channel, seconds."""
    return channel.fixed.challenge_duration // CHAIN_VIEW_SHARE


def is_funded(state: NodeState, channel: Channel) -> bool:
    """Whether everything the channel may pay out is there: deposited, or guaranteed to us."""
    if channel.virtual is None:
        return holds_deposit(channel)
    carrier = carrying_ledger(state, channel)
    if carrier is None or carrier.ledger is None:
        return False
    guarantee = find_guarantee(carrier.ledger.current, channel.channel_id)
    return guarantee is not None and guarantee.amount == funding_terms(channel).total


def require_safe(draft: Draft, channel: Channel) -> None:
    """M11, for both ends as far as each can see: a voucher is safe in this channel now.

    Raises the PaymentRefused that says what is in the way.
    """
    if channel.close_only:
        raise ChannelCloseOnly(channel.channel_id)
    # A channel that was paid out holds nothing either, and opens no more: that is said first.
    # Redeemed by the payee, or shown on chain by it: a larger voucher is worth nothing any more.
    is_app = channel.app is not None
    is_redeemed = channel.turn(REDEMPTION_TURN) is not None and not is_app
    has_ended = channel.supported_turn > POSTFUND_TURN and not is_app
    is_final = has_ended or signed_final(channel, channel.my_index) or supported_final(channel)
    if is_redeemed or is_final:
        raise ChannelClosing(channel.channel_id)
    if channel.supported_turn < POSTFUND_TURN or not is_funded(draft.state, channel):
        raise ChannelNotOpen(channel.channel_id, status(channel))
    _require_undisputed(draft, channel)
    if channel.virtual is not None:
        if channel.virtual.unwinding:
            # M16 (b): who renounced takes no voucher any more.
            raise ChannelClosing(channel.channel_id)
        carrier = carrying_ledger(draft.state, channel)
        assert carrier is not None, "the channel is funded"
        if carrier.close_only:
            raise ChannelCloseOnly(carrier.channel_id)
        _require_undisputed(draft, carrier)


def _require_undisputed(draft: Draft, channel: Channel) -> None:
    if channel.halt is not None:
        raise ChannelHalted(channel.channel_id, channel.halt.fork_block_num)
    on_chain = observed_chain_status(channel)
    if on_chain != ChainStatus.OPEN:
        raise ChannelDisputed(channel.channel_id, on_chain)
    if sees_chain(draft, channel):
        return
    age_s = draft.context.chain_view_age_s
    if age_s is None:
        raise ChainNotSeenYet(channel.channel_id)
    raise ChainViewStale(age_s, chain_view_age_s_max(channel))
