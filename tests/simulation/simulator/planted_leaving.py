"""Bugs in leaving alone, in defence and in following the chain: see `planted`."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from node.chain.quorum import Votes
from node.chain.window import ConfirmationWindow
from protocols import chain_facts
from protocols.channel import REDEMPTION_TURN, Channel
from protocols.draft import Draft
from protocols.objectives import defend, supports, withdraw
from protocols.voucher import sign_voucher
from tests.simulation.simulator import sender
from tests.simulation.simulator.follower import ForkingRoom
from tests.support.timed_web import PEOPLE

Change = tuple[Any, str, Any]
SIGNERS = {actor.address: actor.signer for actor in PEOPLE}


def not_answered() -> list[Change]:
    """A challenge is seen, and nothing is done."""
    return [(defend, "watch", lambda draft, channel: None)]


def smaller_voucher() -> list[Change]:
    """A payee redeems its first voucher instead of its largest."""
    whole = supports.newest_support

    def less(draft: Draft, channel: Channel) -> Any:
        vouchers = channel.vouchers
        is_due = supports.redeems(draft.state.node, channel)
        if is_due and vouchers.total > 1 and not channel.signed_by_me(REDEMPTION_TURN):
            signer = SIGNERS[channel.fixed.participants[0]]
            signature = sign_voucher(channel.channel_id, 1, signer)
            channel = replace(channel, vouchers=replace(vouchers, total=1, signature=signature))
        return whole(draft, channel)

    return [(supports, "newest_support", less)]


def reclaim_forgotten() -> list[Change]:
    """A ledger that is final is left without what it guaranteed."""
    return [(withdraw, "_guarantees", lambda draft, channel, exit_: ([], False))]


def counted_early() -> list[Change]:
    """What is in a block counts at once."""
    begin = ForkingRoom._begin

    def shallow(room: ForkingRoom) -> ConfirmationWindow:
        window = begin(room)
        window._depth = 0
        return window

    return [(ForkingRoom, "_begin", shallow)]


def liar_believed() -> list[Change]:
    """What one endpoint tells counts, whatever the others say."""
    return [(Votes, "agree", lambda votes, used_label, what, ours, told: True)]


def fork_not_noticed() -> list[Change]:
    """What was seen in blocks that are gone stays."""
    return [(chain_facts, "receive_reorg", lambda draft, reorg: None)]


def bids_never_rise() -> list[Change]:
    """What was bid once is bid for ever."""
    return [(sender, "next_bid", lambda standing, market, moment, ceiling_wei: None)]
