"""What the heads say that peers hold of our log: that it has them, or that records were lost (M27).

A head that we signed and our log does not contain proves that the log once held more, or other,
records: it was cut, restored, or is an old copy that nobody announced. The first two are recorded
before anything leaves; the third shows itself here, and is treated alike from here on.
"""

from __future__ import annotations

from protocols.draft import Draft
from protocols.log_head import LogHead, LogOwner, require_signed
from protocols.resumption_events import HeldHeadCompared
from protocols.types import Address


def is_in_our_log(draft: Draft, head: LogHead) -> bool:
    """Whether our log has that root at that length. Raises InvalidSignature if it is not ours."""
    node = draft.state.node
    require_signed(LogOwner(node.chain_id, node.adjudicator, node.address), head)
    return draft.context.has_head(head.length, head.root)


def compare(draft: Draft, address: Address, head: LogHead, *, agrees: bool) -> None:
    """A peer holds a head that we signed: record what that says, as far as it is new."""
    node, peer = draft.state.node, draft.state.peer(address)
    is_first = node.tail_cut_count > peer.compared_cut
    if not is_first and (agrees or head.root == peer.lost_root):
        return
    # What was signed after the place where the log ended is lost with what is known to be lost.
    explained = agrees or (is_first and head.length > node.kept_count)
    shown = (address, head.length, head.root, head.signature)
    draft.emit(HeldHeadCompared(*shown, agrees, explained))
