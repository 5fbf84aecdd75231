"""Where each channel is on its way back after a loss of records."""

from __future__ import annotations

from msgspec import Struct

from node.rpc.interface import NodeApi
from node.rpc.params import MomentParams
from node.rpc.queries import node_at
from node.rpc.results import AddressOut, AmountOut, At, Hash32Out
from node.rpc.views import kind_of
from protocols.recovery import Recovery, recoveries
from protocols.types import checksum_address, to_hex


class ChannelRecoveryView(Struct, frozen=True, gc=False):
    """One channel that a loss concerns and that is not over."""

    channel_id: Hash32Out
    kind: str
    """direct, ledger or virtual."""
    peers: list[AddressOut]
    """Whose word is needed."""
    recovery: Recovery
    """waiting: a peer has to come or to answer. resumed: the ledger goes on. close_only: it can be
    closed, and nothing else. disagrees: the peer's word does not fit ours, and nothing is signed
    but the end."""
    reason: str
    turn_num: int
    """The newest state that both signed, as far as it is known again."""
    voucher_total: AmountOut
    """The largest voucher known, our own or one that was shown."""


class RecoveryReport(Struct, frozen=True, gc=False):
    """What a loss of records left to do."""

    recovering: bool
    """Whether any channel waits for somebody."""
    loss_count: int
    """How often records were lost: cut, restored over, or missed by a peer."""
    channels: list[ChannelRecoveryView]
    at: At


async def node_recovery(node: NodeApi, p: MomentParams) -> RecoveryReport:
    """Every channel on its way back."""
    view = await node_at(node, p.at)
    rows = [
        ChannelRecoveryView(
            to_hex(found.channel_id),
            kind_of(view, view.state.channels[found.channel_id]),
            [checksum_address(peer) for peer in found.peers],
            found.recovery,
            found.reason,
            found.turn_num,
            str(found.voucher_total),
        )
        for found in recoveries(view.state)
    ]
    waits = any(row.recovery == Recovery.WAITING for row in rows)
    return RecoveryReport(waits, view.state.node.tail_cut_count, rows, At(view.seq))
