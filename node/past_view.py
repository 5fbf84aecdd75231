"""The node as it was at one moment: what the log and its fold say, and nothing of today.

What no log remembers (who was connected, what waited to be sent, how far the chain had got, the
hub's terms) is null. Nothing here can sign: the key of today has no business with states of the
past.
"""

from __future__ import annotations

from importlib import metadata

from msgspec.structs import replace

from node.alarms import alarm_rows, alarms_of
from node.hub_status import past_hub_status
from node.snapshot_status import past_snapshot_status
from node.store.log import EventLog
from node.views_service import past_views_status
from node.whatif.simulation import Simulation
from protocols.channel import ChannelStatus, status
from protocols.delivery import Peer
from protocols.draft import Context
from protocols.entities import Node
from protocols.node_state import NodeState
from protocols.objectives.cranks import waiting_for
from protocols.recovery import is_recovering
from protocols.types import Bytes32, Signature, checksum_address, to_hex


class PastView:
    """The node right after record `seq`, to be read and nothing else."""

    def __init__(
        self, log: EventLog, state: NodeState, seq: int, context: Context, node_name: str
    ) -> None:
        self.state = state
        """Everything the node believed. Read only, and shared."""
        self.seq = seq
        """The last record that is in `state`."""
        self._log = log
        self._context = replace(context, signer=_no_signature)
        self._node_name = node_name

    def waiting_for(self, objective_id: bytes) -> str:
        """What a known objective waited for, by the rules of today's configuration.

        Empty in the middle of the input that begins it: a moment may be any record, also one that
        says but half of what an input led to, and no crank was ever meant to start from there.
        """
        try:
            return waiting_for(self.state, self.state.objectives[objective_id], self._context)
        except (AssertionError, LookupError):
            return ""

    def hub_status(self) -> dict[str, object]:
        """Room taken and fees earned in virtual channels, as JSON values."""
        return {**past_hub_status(self.state.carried), "at": {"seq": self.seq}}

    def simulation(self, *, others_answer: bool) -> Simulation:
        """A copy of the node as it was, to assume things on: by its clock of then, and with a view
        of the chain that was fresh."""
        then = replace(self._context, now_ms=self._log.time_at(self.seq), chain_view_age_s=0)
        return Simulation(self.state, then, others_answer=others_answer)

    def status(self) -> dict[str, object]:
        """What there was of the figures of every room, as JSON values."""
        node, peers = self.state.node, self.state.peers
        chain_hash = to_hex(self._log.chain_at(self.seq))
        processed = node.processed_block_num
        return {
            **identity_of(self._node_name, node),
            "uptime_s": None,
            "log": {"next_seq": self.seq + 1, "chain_hash": chain_hash},
            "snapshots": past_snapshot_status(),
            "views": past_views_status(),
            "chain": {
                "connected": None,
                "endpoint": None,
                "head_block_num": None,
                "processed_block_num": None if processed < 0 else processed,
                "view_age_s": None,
                "confirmation_count": None,
            },
            "outbox": {"message_count": None, "transaction_count": None},
            "peers": [peer_row(peers[address], None, None) for address in sorted(peers)],
            "channels": channel_counts(self.state),
            "recovering": is_recovering(self.state),
            "alarms": alarm_rows(alarms_of(self.state), lambda time_s: None),
            "at": {"seq": self.seq},
        }


def _no_signature(state_hash: Bytes32) -> Signature:
    """Stands where a crank that is only asked what it waits for would sign."""
    return bytes(65)


def identity_of(node_name: str, node: Node) -> dict[str, object]:
    """Who the node is, as JSON values: but for name and version, what record 0 says."""
    return {
        "name": node_name,
        "version": metadata.version("tallystick"),
        "address": checksum_address(node.address),
        "chain_id": node.chain_id,
        "adjudicator": checksum_address(node.adjudicator),
        "virtual_payment_app": checksum_address(node.virtual_payment_app),
        "consensus_app": checksum_address(node.consensus_app),
    }


def peer_row(peer: Peer, endpoint: str | None, connected: bool | None) -> dict[str, object]:
    """The conversation with one peer, as JSON values; null for what is not known."""
    return {
        "address": checksum_address(peer.address),
        "endpoint": endpoint,
        "connected": connected,
        "sent": peer.sent,
        "acknowledged": peer.acknowledged,
        "received": peer.received,
        "fault_count": peer.fault_count,
    }


def channel_counts(state: NodeState) -> dict[str, int]:
    """How many channels there are of each status."""
    counts = {str(name): 0 for name in ChannelStatus}
    for channel_id in state.channels:
        counts[status(state.channels[channel_id])] += 1
    return counts
