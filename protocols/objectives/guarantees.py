"""Guarantees: which of them a follower agrees to, and what a refused one means to its channel.

The ledgers ask (`protocols.ledgers`); whose guarantee may be added or removed when is known here.
"""

from __future__ import annotations

from protocols.channel import Channel
from protocols.draft import Draft
from protocols.ledger import Proposed
from protocols.ledger_errors import ProposalNotExpected


def judge(draft: Draft, ledger_channel: Channel, proposal: Proposed) -> bool:
    """Whether we, the follower, countersign a guarantee's addition or removal now.

    True: we do; False: not yet, ask again. Raises a ProtocolError for one we never sign.
    """
    raise ProposalNotExpected("no virtual channel of that id is known")


def refused(
    draft: Draft, ledger_channel: Channel, proposal: Proposed, error_code: str, reason: str
) -> None:
    """The follower never signs that proposal of ours, whose inverse waits in the queue already."""
